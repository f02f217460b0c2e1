"""Train a tutorial's recipe as TensorFlow 1 did, from its initial weights and on its batches, and compare.

    python scripts/replay_tf1.py T3 --data-dir DATA                      beside the trace of tests/golden
    python scripts/replay_tf1.py T3 --data-dir DATA --steps 50           the first 50 losses only
    python scripts/replay_tf1.py T3 --data-dir DATA --tensorflow PYTHON  beside a trace that PYTHON makes now

PYTHON is the interpreter of an environment with TensorFlow, see tests/golden/make_tf1_trace.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled import data, tf1

SEED = 1234
GOLDEN = Path(__file__).parents[1] / "tests/golden"


class Recipe(NamedTuple):
    """A network and how it is trained; `draw` makes a variable of the output layer of a shape and a seed."""

    cell: Callable[[], tf1.RNNCell]
    draw: Callable[[tuple[int, ...], int], Tensor]
    optimizer: Callable[[Any], torch.optim.Optimizer]
    batch_size: int
    steps: int
    static: bool = True
    shuffled: bool = True


def normal(stddev: float) -> Callable[..., Tensor]:
    """What draws W and b from a normal distribution."""
    return lambda shape, seed: tf1.random_normal(shape, stddev=stddev, seed=seed)


def xavier(shape: tuple[int, ...], seed: int) -> Tensor:
    """What draws W from Xavier's distribution, with b zero."""
    return tf1.glorot_uniform(seed)(shape) if len(shape) == 2 else tf1.zeros(shape)


RECIPES = {
    "T0": Recipe(
        lambda: tf1.BasicLSTMCell(28),
        normal(0.01),
        lambda params: tf1.RMSProp(params, 0.001, 0.9),
        batch_size=128,
        steps=42_900,
        shuffled=False,
    ),
    "T1-net-1": Recipe(
        lambda: tf1.BasicLSTMCell(128), xavier, lambda params: tf1.Adam(params, 1e-4), 128, 5_000
    ),
    "T1-net-9": Recipe(
        lambda: tf1.MultiRNNCell([tf1.GRUCell(128) for _ in range(3)]),
        xavier,
        lambda params: tf1.Adam(params, 1e-4),
        batch_size=128,
        steps=5_000,
        static=False,
    ),
    "T3": Recipe(
        lambda: tf1.BasicLSTMCell(128), normal(1.0), lambda params: tf1.Adam(params, 0.001), 128, 800
    ),
    "T4": Recipe(
        lambda: tf1.MultiRNNCell([tf1.BasicLSTMCell(32), tf1.BasicLSTMCell(64)]),
        normal(1.0),
        lambda params: tf1.Adam(params, 0.01),
        batch_size=64,
        steps=8_590,
        static=False,
    ),
}


class Network(nn.Module):
    """The recipe's network with the weights that TensorFlow draws: the k-th variable with the seed k."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        tf1.set_random_seed(SEED)
        self.static = recipe.static
        self.cell = recipe.cell()
        self.cell.build(28)
        drawn = {
            name: tf1.glorot_uniform(k)(value.shape) if value.dim() == 2 else value
            for k, (name, value) in enumerate(self.cell.variables.items())
        }
        self.cell.assign(drawn)
        self.W = nn.Parameter(recipe.draw((self.cell.output_size, 10), len(drawn)))
        self.b = nn.Parameter(recipe.draw((10,), len(drawn) + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] of images [N, 28, 28]."""
        if self.static:
            outputs, _ = tf1.static_rnn(self.cell, x.unbind(1), dtype="float32")
            return outputs[-1] @ self.W + self.b
        hidden, _ = tf1.dynamic_rnn(self.cell, x, dtype="float32")
        return hidden.transpose(0, 1)[-1] @ self.W + self.b


def batches(train: tf1.DataSet, recipe: Recipe, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels of each step: by `next_batch`, or in file order without the last, short batch."""
    whole = train.num_examples // recipe.batch_size * recipe.batch_size
    for step in range(steps):
        if recipe.shuffled:
            images, labels = train.next_batch(recipe.batch_size)
        else:
            first = step * recipe.batch_size % whole
            rows = slice(first, first + recipe.batch_size)
            images, labels = train.images[rows], train.labels[rows]
        yield torch.from_numpy(images).view(-1, 28, 28), torch.from_numpy(labels).long()


def replay(name: str, data_dir: str | Path, steps: int) -> tuple[list[float], Network]:
    """The loss of every batch before its update, and the trained network."""
    recipe = RECIPES[name]
    network = Network(recipe)
    optimizer = recipe.optimizer([p for p in network.parameters() if p.requires_grad])
    losses = []
    for x, y in batches(tf1.read_data_sets(data_dir, seed=SEED).train, recipe, steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, network


def accuracy(network: Network, data_dir: str | Path) -> float:
    """The share of right answers on the 10,000 test images."""
    test = tf1.read_data_sets(data_dir).test
    with torch.no_grad():
        answers = [network(x.view(-1, 28, 28)).argmax(1) for x in torch.from_numpy(test.images).split(500)]
    return float((torch.cat(answers).numpy() == test.labels).mean())


def make_trace(tensorflow: str, name: str, data_dir: str | Path, steps: int) -> dict[str, Any]:
    """Train in TensorFlow, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        mnist = data.locate("mnist", data_dir)[0].parent
        script = str(GOLDEN / "make_tf1_trace.py")
        subprocess.run([tensorflow, script, name, mnist, trace, "--steps", str(steps)], check=True)
        return json.loads(trace.read_text())


def main() -> None:
    """Train and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--data-dir", required=True, help="a folder with MNIST")
    parser.add_argument("--steps", type=int, help="fewer steps than the recipe has")
    parser.add_argument("--tensorflow", help="the Python of an environment with TensorFlow")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    steps = options.steps or RECIPES[options.recipe].steps
    if options.tensorflow:
        trace = make_trace(options.tensorflow, options.recipe, options.data_dir, steps)
    else:
        trace = json.loads((GOLDEN / "tf1_traces.json").read_text())[options.recipe]
    losses, network = replay(options.recipe, options.data_dir, steps)
    expected = np.array(trace["losses"][:steps])
    apart = np.abs(np.array(losses[: len(expected)]) / expected - 1)
    print(f"{options.recipe}: the first {len(expected)} losses are within {apart.max():.1e} of TensorFlow's")
    if steps == trace["steps"]:
        here = accuracy(network, options.data_dir)
        print(f"test accuracy {here:.4f} here, {trace['accuracy']:.4f} there, after {steps} steps")


if __name__ == "__main__":
    main()
