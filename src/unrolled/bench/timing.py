"""Timing: the sides take turns, so that all of them see the same neighbours on the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from unrolled.bench.check import loss_of
from unrolled.bench.models import Model
from unrolled.bench.problem import Problem

WORKS = ("train", "infer")
WORDS = {"infer": "inference", "train": "training"}
WARM_UP = 2
LEAST_ROUNDS = 5
Clock = Callable[[], float]


def step(model: Model, problem: Problem, work: str) -> Callable[[], None]:
    """One step of `work`: "train", forward, backward and a fused Adam step; "infer", forward alone."""
    if work == "infer":
        model.eval()

        def infer() -> None:
            with torch.no_grad():
                model(problem.x, problem.lengths)

        return infer

    model.train()
    adam = torch.optim.Adam(model.parameters(), fused=True)

    def train() -> None:
        adam.zero_grad()
        loss_of(model(problem.x, problem.lengths), problem).backward()
        adam.step()

    return train


def interleaved(
    steps: Mapping[str, Callable[[], object]], seconds: float, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Run rounds in which each side has one turn, for so many seconds of wall time, and time every turn.

    >>> times = interleaved({"ours": lambda: None, "peer": lambda: None}, seconds=0)
    >>> [len(turns) for turns in times.values()]
    [5, 5]
    """
    for _ in range(WARM_UP):
        for run in steps.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in steps}
    until = time.perf_counter() + seconds
    rounds = 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < until:
        for name, run in steps.items():
            begin = clock()
            run()
            times[name].append(clock() - begin)
        rounds += 1
    return times


def median_ms(times: Sequence[float]) -> float:
    """The median of times in seconds, in milliseconds."""
    return 1e3 * statistics.median(times)


def median_ratio(peer: Sequence[float], ours: Sequence[float]) -> float:
    """The median of the rounds' own ratios: above 1, ours is faster.

    >>> median_ratio([4.0, 9.0, 40.0], [2.0, 3.0, 10.0])
    3.0
    """
    return statistics.median(p / o for p, o in zip(peer, ours, strict=True))
