"""The grid: LSTM and GRU over numbers of sequences and widths, beside torch.nn, on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch

from unrolled.bench.check import checked, find, judge
from unrolled.bench.limits import Ceilings, bound
from unrolled.bench.models import CellModel, TorchModel
from unrolled.bench.problem import draw
from unrolled.bench.rows import Row
from unrolled.bench.timing import WORKS, Clock, interleaved, median_ms, median_ratio, step

CELLS = ("lstm", "gru")
SEQUENCES = (1, 2, 4, 8, 32, 128)
WIDTHS = (16, 64, 128, 256, 512, 1024)
STEPS = 40
TOO_LARGE = (128, 1024)  # a training step takes seconds
QUICK_SEQUENCES, QUICK_WIDTHS = (1, 8, 128), (64, 256, 512)


class Figure(NamedTuple):
    """One figure: milliseconds of ours and of torch.nn, medians, and how many times longer torch.nn takes.

    `ratio` is the median of the rounds' own ratios, `least_ratio` that of the shortest times; `of_bound` is
    the share of the limit `bound_by` that ours reaches in its median.
    """

    cell: str
    N: int
    H: int
    threads: int
    work: str
    ms: float
    peer_ms: float
    ratio: float
    least_ratio: float
    bound_by: str
    of_bound: float


def grid(cell: str, quick: bool = False) -> list[Row]:
    """The rows of one kind of cell: N sequences of 40 steps, I = H.

    >>> len(grid("lstm")), len(grid("lstm", quick=True)), grid("gru")[0].sizes
    (35, 9, 'N1 T40 I16 H16')
    """
    sequences, widths = (QUICK_SEQUENCES, QUICK_WIDTHS) if quick else (SEQUENCES, WIDTHS)
    return [
        Row(f"{cell}-n{N}-h{H}", cell, N, STEPS, H, (H,))
        for N in sequences
        for H in widths
        if (N, H) != TOO_LARGE
    ]


def figures(
    row: Row, ceilings: Mapping[int, Ceilings], seconds: float, clock: Clock = time.perf_counter
) -> Iterator[Figure]:
    """Check a row, then time both works with each of those numbers of threads.

    Args:
        row: one of the grid's.
        ceilings: the machine's with each number of threads.
        seconds: of each work with each number of threads.
        clock: what times a turn.

    Raises:
        WrongResultError: a side computes something else than the judge.
    """
    problem = draw(row)
    models = {"ours": CellModel(problem), "torch.nn": TorchModel(problem)}
    expected = judge(problem)
    for name, model in models.items():
        checked(name, find(model, problem), expected, row.name)
    before = torch.get_num_threads()
    try:
        for threads, limits in ceilings.items():
            torch.set_num_threads(threads)
            for work in WORKS:
                times = interleaved(
                    {name: step(model, problem, work) for name, model in models.items()}, seconds, clock
                )
                ours, peer = times["ours"], times["torch.nn"]
                limit = bound(problem, work, limits)
                yield Figure(
                    row.cell,
                    row.N,
                    row.H[0],
                    threads,
                    work,
                    median_ms(ours),
                    median_ms(peer),
                    median_ratio(peer, ours),
                    min(peer) / min(ours),
                    limit.by,
                    limit.seconds / statistics.median(ours),
                )
    finally:
        torch.set_num_threads(before)


def means(found: Iterable[Figure]) -> dict[tuple[str, int, str], float]:
    """The geometric mean of the ratios of each kind of cell, number of threads and work."""
    ratios: dict[tuple[str, int, str], list[float]] = {}
    for figure in found:
        ratios.setdefault((figure.cell, figure.threads, figure.work), []).append(figure.ratio)
    return {key: statistics.geometric_mean(values) for key, values in ratios.items()}


def square(found: Sequence[Figure], cell: str, work: str, shares: bool = False) -> list[list[str]]:
    """The figures of a kind of cell and a work: a line for each N, headings first, a column for each H.

    With several numbers of threads the most come first and the others in brackets. With `shares`, of the
    most threads: the share of the limit, and which.
    """
    mine = [figure for figure in found if (figure.cell, figure.work) == (cell, work)]
    widths = sorted({figure.H for figure in mine})
    lines = [["N", *(f"H{H}" for H in widths)]]
    for N in sorted({figure.N for figure in mine}):
        line = [str(N)]
        for H in widths:
            here = sorted((one for one in mine if (one.N, one.H) == (N, H)), key=lambda one: -one.threads)
            if shares:
                line.append(f"{here[0].of_bound:.0%} {here[0].bound_by}" if here else "")
                continue
            first, *others = [f"{one.ratio:.2f}" for one in here] or [""]
            line.append(first + (f" ({', '.join(others)})" if others else ""))
        lines.append(line)
    return lines
