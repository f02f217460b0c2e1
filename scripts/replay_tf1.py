"""Train a tutorial's recipe as TensorFlow 1 did, from its initial weights and on its batches, and compare.

    python scripts/replay_tf1.py seed-003 --data-dir DATA                      beside tests/golden's trace
    python scripts/replay_tf1.py seed-003 --data-dir DATA --steps 50           the first 50 losses only
    python scripts/replay_tf1.py seed-003 --data-dir DATA --tensorflow PYTHON  beside one that PYTHON makes

PYTHON is the interpreter of an environment with TensorFlow, see tests/golden/make_tf1_trace.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled import data
from unrolled.data import Dataset
from unrolled.networks import SequenceClassifier
from unrolled.training import Trainer, evaluate, lookup
from unrolled.training.recipes import TUTORIALS

SEED = 1234  # of TensorFlow's graph and of its batches
GOLDEN = Path(__file__).parents[1] / "tests/golden"


def replay(name: str, mnist: Dataset, steps: int) -> tuple[list[float], SequenceClassifier]:
    """The loss of every batch before its update, and the trained network."""
    config, recipe, *_ = lookup(name)
    network = SequenceClassifier(config)
    unseen = dataclasses.replace(mnist, validation=mnist.validation[:0])  # nothing is chosen by it
    trainer = Trainer(network, unseen, dataclasses.replace(recipe, steps=steps), seed=SEED)
    losses: list[float] = []
    for _ in trainer.epochs(lambda step: losses.append(step.loss)):
        pass
    return losses, network


def make_trace(tensorflow: str, name: str, data_dir: str | Path, steps: int) -> dict[str, Any]:
    """Train in TensorFlow, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder, "traces.json")
        mnist = data.locate("mnist", data_dir)[0].parent
        script = str(GOLDEN / "make_tf1_trace.py")
        subprocess.run([tensorflow, script, name, mnist, traces, "--steps", str(steps)], check=True)
        return json.loads(traces.read_text())[name]


def main() -> None:
    """Train and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=TUTORIALS)
    parser.add_argument("--data-dir", required=True, help="a folder with MNIST")
    parser.add_argument("--steps", type=int, help="fewer steps than the recipe has")
    parser.add_argument("--tensorflow", help="the Python of an environment with TensorFlow")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    mnist = data.load("mnist", options.data_dir)
    steps = options.steps or lookup(options.recipe).recipe.total_steps(len(mnist.train))
    if options.tensorflow:
        trace = make_trace(options.tensorflow, options.recipe, options.data_dir, steps)
    else:
        trace = json.loads((GOLDEN / "tf1_traces.json").read_text())[options.recipe]
    losses, network = replay(options.recipe, mnist, steps)
    expected = np.array(trace["losses"][:steps])
    apart = np.abs(np.array(losses[: len(expected)]) / expected - 1)
    print(f"{options.recipe}: the first {len(expected)} losses are within {apart.max():.1e} of TensorFlow's")
    if steps == trace["steps"]:
        here = evaluate(network, mnist.test).accuracy
        print(f"test accuracy {here:.4f} here, {trace['accuracy']:.4f} there, after {steps} steps")


if __name__ == "__main__":
    main()
