"""TensorFlow 1's way through a tutorial's recipe: the loss of a batch and its update, in a session."""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/golden"))

import make_tf1_trace
import tensorflow as tf

from benchmarks.peers.protocol import Array, Steps

VERSION = f"tensorflow {tf.__version__}"


class Problem(NamedTuple):
    """A recipe's name and K batches, images [K, N, T, I] and labels [K, N]; the first few are checked."""

    recipe: str
    checked: int
    images: Array
    labels: NDArray[np.int64]


def load(path: str) -> Problem:
    with np.load(path) as file:
        return Problem(str(file["recipe"]), int(file["checked"]), file["images"], file["labels"])


def build(problem: Problem, threads: int) -> Steps:
    """`outputs` are the losses of the batches that are checked, each before its update."""
    training = make_tf1_trace.Training(make_tf1_trace.RECIPES[problem.recipe], threads)
    batches = list(zip(problem.images, np.eye(10)[problem.labels], strict=True))
    losses = np.array([training.step(*batch) for batch in batches[: problem.checked]])
    endless = cycle(batches)
    return Steps(
        outputs=lambda: losses,
        infer=lambda: training.accuracy(*batches[0]),
        train=lambda: training.step(*next(endless)),
    )
