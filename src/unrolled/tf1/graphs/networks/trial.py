"""Sequences that a graph and a network both read, how the graph is fed, and how far answers are apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from unrolled.errors import UnrolledError
from unrolled.networks.graph_config import LENGTHS
from unrolled.tf1.graphs.graph import Graph
from unrolled.tf1.graphs.networks.feeding import INTEGERS, Entrance, Feed, Layout, filled

STEADY = 30.0  # numbers so large are the same at every step: memories grow until a clip stops them


class Setting(NamedTuple):
    """How a graph is run: where sequences go in, how they lie, and what else is fed."""

    output: str
    entrance: Entrance
    layout: Layout
    filling: dict[str, Feed]

    def feeds(self, sequences: Sequences) -> dict[str, Any]:
        n, t = sequences.size
        filling = {name: filled(feed, n, t, sequences.lengths) for name, feed in self.filling.items()}
        return {**filling, self.entrance.tensor: self.layout.lay(sequences.x)}

    def answer(self, graph: Graph, sequences: Sequences, end: float, output: str | None = None) -> ndarray:
        """What a graph makes of sequences until a moment of `time.monotonic`, or a second after.

        Raises:
            UnrolledError: it does not run, or gives no numbers.
        """
        name = output or self.output
        value = graph.run(name, self.feeds(sequences), seconds=max(1.0, end - time.monotonic()))
        if not isinstance(value, ndarray) or value.dtype.kind != "f":
            raise UnrolledError(f"{name} is no array of numbers")
        return value

    @property
    def takes_lengths(self) -> bool:
        """Whether one of the other placeholders has a number for each sequence."""
        return LENGTHS in self.filling.values()


class Sequences(NamedTuple):
    """Random ones: x [N, T, I], or whole numbers [N, T]; lengths [N]."""

    x: ndarray
    lengths: ndarray

    @property
    def size(self) -> tuple[int, int]:
        """N and T."""
        return self.x.shape[0], self.x.shape[1]

    @classmethod
    def draw(
        cls,
        setting: Setting,
        width: int,
        n: int,
        t: int,
        *,
        scale: float = 1.0,
        seed: int,
        ragged: bool = False,
        padded: bool = False,
    ) -> Sequences:
        """Others for each seed; `padded` ones end in steps of zeros, or with the first or last words."""
        random = np.random.default_rng(seed)
        n, t = setting.layout.sizes.get("N", n), setting.layout.sizes.get("T", t)
        if setting.entrance.dtype in INTEGERS:
            x = random.integers(0, width, (n, t)).astype("i4")
            if padded:
                padding = np.array([0, width - 1, min(1, width - 1)])[np.arange(n) % 3]
                x = np.where(_past(random, n, t), padding[:, None], x).astype("i4")
            x = np.eye(width, dtype="f4")[x] if setting.layout.one_hot else x
        else:
            x = (scale * random.normal(size=(n, t, width))).astype("f4")
            if padded:
                x[_past(random, n, t)] = 0
        if scale == STEADY:
            x = np.repeat(x[:, :1], t, axis=1)
        lengths = random.integers(1, t + 1, n) if ragged else np.full(n, t)
        return cls(x, lengths.astype("i4"))


def _past(random: np.random.Generator, n: int, t: int) -> ndarray:
    """Which steps [N, T] are padding: some at the end of each sequence, not all."""
    return np.arange(t) >= random.integers(1, max(t, 2), (n, 1))


def answers(y: ndarray, n: int, t: int, size: int, lengths: ndarray) -> Iterator[tuple[int, ndarray]]:
    """The readings of a graph's tensor as one answer [N, size] for each sequence.

    0: it is that. From 1: it has one for each step, and the last one is taken.
    """
    rows = np.arange(n)
    last = lengths - 1
    if y.shape == (n, size) or (y.size == n * size and (t == 1 or y.size != n * t * size)):
        yield 0, y.reshape(n, size)
    if y.size == n * t * size and t > 1:
        if y.ndim < 2 or y.shape[0] in (n, n * t):
            yield 1, y.reshape(n, t, size)[rows, last]
        if y.ndim < 2 or y.shape[0] in (t, n * t):
            yield 2, y.reshape(t, n, size)[last, rows]


def distance(ours: ndarray, theirs: ndarray) -> float:
    """The largest difference as a part of the largest number."""
    scale = float(np.abs(theirs).max(initial=0)) or 1.0
    error = float(np.abs(ours.astype("f8") - theirs).max(initial=0)) / scale
    return error if np.isfinite(error) else np.inf


def tolerance(answer: ndarray) -> float:
    """How far apart two may be as a part of the largest number: 1e-5, of half precision what that can."""
    return 1e-5 if answer.dtype.itemsize >= 4 else 20 * float(np.finfo(answer.dtype).eps)
