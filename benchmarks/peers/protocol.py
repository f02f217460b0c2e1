"""What the harness and a peer in another environment agree on. Needs numpy alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
LEAST_ROUNDS = 3


class Problem(NamedTuple):
    """A row and its numbers.

    x [N, T, I]; lengths [N] or None; target [N, O], what the loss compares the last outputs with; weights
    by torch.nn's names: weight_ih_l0, weight_ih_l0_reverse, ...
    """

    cell: str
    layers: int
    directions: int
    x: Array
    lengths: NDArray[np.int32] | None
    target: Array
    weights: dict[str, Array]

    def of(self, layer: int, direction: int) -> dict[str, Array]:
        """The weights of one layer and direction: weight_ih, weight_hh, bias_ih, bias_hh."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return {name: self.weights[full_name(name, layer, direction)] for name in names}


def full_name(name: str, layer: int, direction: int) -> str:
    """torch.nn's name of a weight."""
    return f"{name}_l{layer}" + ("_reverse" if direction else "")


class Steps(NamedTuple):
    """A peer that is ready for a problem. Each function returns when its work is done.

    outputs() -> [N, T, O] and gradients() -> by name as in the problem are what is checked; infer() and
    train() are what is timed. A peer for inference alone has neither gradients nor train.
    """

    outputs: Callable[[], Array]
    infer: Callable[[], object]
    gradients: Callable[[], dict[str, Array]] | None = None
    train: Callable[[], object] | None = None


class NotThereError(Exception):
    """The peer has no such cell."""


def save(problem: Problem, path: Path) -> None:
    arrays = {"x": problem.x, "target": problem.target}
    if problem.lengths is not None:
        arrays["lengths"] = problem.lengths
    arrays |= {f"weight:{name}": value for name, value in problem.weights.items()}
    row = {"cell": problem.cell, "layers": problem.layers, "directions": problem.directions}
    np.savez(path, row=json.dumps(row), **arrays)


def load(path: str) -> Problem:
    with np.load(path) as file:
        weights = {key.removeprefix("weight:"): file[key] for key in file if key.startswith("weight:")}
        row = json.loads(str(file["row"]))
        return Problem(
            **row, x=file["x"], lengths=file.get("lengths"), target=file["target"], weights=weights
        )


def timed(step: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """The times of a block of steps that lasts so many seconds of wall time."""
    step()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < LEAST_ROUNDS or time.perf_counter() < until:
        begin = clock()
        step()
        times.append(clock() - begin)
    return times
