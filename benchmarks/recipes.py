"""Time a training step of the tutorials' recipes, TensorFlow 1's way and this library's.

    python -m benchmarks.recipes --data-dir DATA               all of them, about five minutes
    python -m benchmarks.recipes --data-dir DATA seed-003      those whose names begin so; nothing is saved

A step is loss, backward and update of a batch that is ready. Both sides start from TensorFlow's initial
weights and read the same images; their first losses must agree before anything is timed. Then they take turns
in blocks, with the same number of threads; a ratio is TensorFlow's median to ours in the blocks around.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.circumstances import circumstances
from benchmarks.harness import alternated
from benchmarks.peers.foreign import Foreign
from unrolled import data
from unrolled.atomic import atomic_path
from unrolled.bench.timing import Clock
from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks import SequenceClassifier
from unrolled.training.initial_weights import set_initial_weights
from unrolled.training.loss import summed_loss
from unrolled.training.optimizer import make_optimizer
from unrolled.training.order import batches_of_rows
from unrolled.training.recipe import Recipe
from unrolled.training.recipes import TUTORIALS, lookup

RESULTS = Path(__file__).parent / "results"
SEED = 1234  # of the initial weights, as in tests/golden/make_tf1_trace.py
BATCHES = 16  # that are ready, used again and again
CHECKED = 3
TOLERANCE = 1e-4  # relative, of the first losses

Batches = list[tuple[Tensor, Tensor]]


def main() -> None:
    arguments = parse()
    clock = "process_time" if arguments.cpu_time else "perf_counter"
    if arguments.cpu_time:
        torch.set_num_threads(1)
    elif arguments.threads:
        torch.set_num_threads(arguments.threads)
    names = [name for name in TUTORIALS if not arguments.names or name.startswith(tuple(arguments.names))]
    if not names:
        raise unknown_name("recipe", arguments.names[0], TUTORIALS)
    train = data.load("mnist", arguments.data_dir).train
    found: dict[str, Any] = {"machine": circumstances(clock), "recipes": {}}
    tensorflow = Foreign("tensorflow_recipe", torch.get_num_threads(), clock, "tensorflow_graph")
    try:
        for name in names:
            recipe = lookup(name).recipe
            rows = batches_of_rows(recipe.order, len(train), recipe.batch_size, SEED)
            batches = [batch[:2] for batch in islice(data.batches_of(train, rows), BATCHES)]
            one = timed_beside(tensorflow, name, batches, arguments.seconds, getattr(time, clock))
            found["recipes"][name] = one
            print(
                f"{name:20} TensorFlow {one['tensorflow_ms']:8.2f} ms  ours {one['ours_ms']:8.2f} ms  "
                f"ratio {one['ratio']:.2f}  losses within {one['losses_apart']:.0e}",
                flush=True,
            )
        found["machine"]["peers"] = {"tensorflow_recipe": tensorflow.version}
    finally:
        tensorflow.close()
    save = arguments.save or (None if arguments.names else "recipes")
    if save:
        with atomic_path(RESULTS / f"{save}.json") as path:
            path.write_text(json.dumps(found, indent=1) + "\n")
        print("saved:", RESULTS / f"{save}.json")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="beginnings of the names of recipes")
    parser.add_argument("--data-dir", help="a folder with MNIST")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each recipe (default: 6)")
    parser.add_argument("--threads", type=int, help="of both sides; torch's own choice by default")
    parser.add_argument("--cpu-time", action="store_true", help="one thread and its CPU time")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json")
    return parser.parse_args()


def timed_beside(
    tensorflow: Foreign, name: str, batches: Batches, seconds: float, clock: Clock
) -> dict[str, Any]:
    """Check the first losses of both sides, then time their steps.

    Raises:
        UnrolledError: the losses differ.
    """
    first = batches[:CHECKED]

    def save(path: Path) -> None:
        x, labels = (np.stack([part.numpy() for part in parts]) for parts in zip(*batches, strict=True))
        np.savez(path, recipe=name, checked=CHECKED, images=x, labels=labels)

    _, found = tensorflow.begin(save)
    ours = training(name, batches)
    losses = np.array([ours() for _ in first])
    apart = float(np.abs(losses / found["outputs"] - 1).max())
    if not apart < TOLERANCE:
        raise UnrolledError(
            f"{name}: the first losses are {losses} here and {found['outputs']} in TensorFlow: not timed"
        )
    times = alternated(ours, tensorflow, "train", seconds, clock)
    return {
        "tensorflow_ms": times["ms"],
        "ours_ms": times["ours_ms"],
        "ratio": times["ratio"],
        "losses_apart": apart,
    }


def training(name: str, batches: Batches) -> Callable[[], float]:
    """A step of a recipe as the trainer takes it, on one batch after the other; it returns the loss."""
    network_config, recipe = lookup(name)[:2]
    network = SequenceClassifier(network_config).train()
    set_initial_weights(network, recipe.initial_weights, SEED)
    optimizer = make_optimizer(network, recipe)
    endless = cycle(batches)

    def step() -> float:
        x, labels = next(endless)
        loss = batch_loss(recipe, network(x), labels)
        value = loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return value

    return step


def batch_loss(recipe: Recipe, logits: Tensor, labels: Tensor) -> Tensor:
    """What the recipe makes small."""
    summed = summed_loss(recipe.loss, logits, labels)
    return summed / len(labels) if recipe.reduction == "mean" else summed


if __name__ == "__main__":
    try:
        main()
    except UnrolledError as error:
        sys.exit(f"error: {error}")
