"""What bounds a row on this machine: the rate of products, or the bytes of its weights that must be read."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.bench.machine import sgemm_gflops
from unrolled.bench.problem import Problem, gflop
from unrolled.bench.timing import Clock

MIB = 2**20
CACHES = {2: 1 * MIB, 3: 32 * MIB}  # where the system says nothing
LEAST_MEMORY, MOST_MEMORY = 256 * MIB, 1024 * MIB  # what is read to measure the main memory


class Level(NamedTuple):
    """A level of the memory: how many bytes all threads have there, and how many they read in a second."""

    name: str
    size: float
    gbytes: float


class Ceilings(NamedTuple):
    """What the machine reaches: GFLOP/s on one large product, and the levels, smallest first."""

    sgemm_gflops: float
    levels: tuple[Level, ...]

    def rates(self) -> dict[str, float]:
        """GFLOP/s of the product, and GB/s of each level, by name."""
        return {"sgemm_gflops": self.sgemm_gflops, **{level.name: level.gbytes for level in self.levels}}


class Bound(NamedTuple):
    """The limit that binds: the rate of products ("FLOP") or a level of the memory, and the seconds there."""

    by: str
    seconds: float


def bound(problem: Problem, work: str, ceilings: Ceilings) -> Bound:
    """The shortest time that a step of `work` can take on a machine with these ceilings.

    It is the longer of two: that of the products at the rate of one large product, and that of reading the
    weights from the smallest level that holds the recurrent ones of one layer and direction. Those are read
    at every step, the weights of x once for all steps; going back, all of them again, and their gradients.
    """
    products = Bound("FLOP", gflop(problem, work) / ceilings.sgemm_gflops)
    reads: dict[str, float] = {}
    for way in problem.cells:
        for layer, cell in enumerate(way):
            sizes = {name: 4 * p.numel() for name, p in cell.named_parameters() if p.dim() == 2}
            to_x = sizes["weight_ih"]
            each_step = sum(sizes.values()) - to_x
            steps = problem.row.T
            amount = steps * each_step + to_x
            if work == "train":
                amount += steps * each_step + (to_x if layer else 0) + each_step + to_x
            level = next((one for one in ceilings.levels if each_step <= one.size), ceilings.levels[-1])
            reads[level.name] = reads.get(level.name, 0.0) + 1e-9 * amount / level.gbytes
    slowest = max(reads, key=lambda name: reads[name])
    reading = Bound(slowest, sum(reads.values()))
    return max(products, reading, key=lambda one: one.seconds)


def ceilings(clock: Clock = time.perf_counter) -> Ceilings:
    """Measure this machine, with torch's present number of threads: a second or two."""
    threads, size = torch.get_num_threads(), {level: cache_size(level) for level in CACHES}
    second = threads * size[2]  # every core has its own
    third = max(size[3], 2 * second)
    memory = min(max(2 * third, LEAST_MEMORY), MOST_MEMORY)
    try:
        torch.set_num_threads(1)
        # The difference of two sizes, as a call takes as long as reading some hundred kilobytes.
        small, large = (read_seconds(size[2] * share, clock) for share in (0.25, 0.75))
        alone = 1e-9 * 0.5 * size[2] / max(large - small, 1e-9)
    finally:
        torch.set_num_threads(threads)
    between = min(4 * second, third / 2)
    return Ceilings(
        sgemm_gflops(clock),
        (
            Level("L2", second, threads * alone),
            Level("L3", third, 1e-9 * between / read_seconds(between, clock)),
            Level("memory", float("inf"), 1e-9 * memory / read_seconds(memory, clock)),
        ),
    )


def read_seconds(size: float, clock: Clock) -> float:
    """The shortest time of reading so many bytes again and again: the best of a sum and a dot product."""
    x = torch.zeros(int(size) // 8 * 2)
    one, other = x.chunk(2)
    reads: list[Callable[[], Tensor]] = [x.sum, lambda: torch.dot(one, other)]
    best = float("inf")
    for read in reads:
        until = time.perf_counter() + 0.1
        turns = 0
        while turns < 4 or time.perf_counter() < until:
            begin = clock()
            read()
            best = min(best, clock() - begin)
            turns += 1
    return best


def cache_size(level: int) -> int:
    """The bytes of one such cache, as the system has it.

    >>> cache_size(2) >= 2**16
    True
    """
    for entry in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (entry / "level").read_text().strip() == str(level):
            text = (entry / "size").read_text().strip()
            return int(text[:-1]) * {"K": 2**10, "M": MIB}[text[-1]] if text[-1] in "KM" else int(text)
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", f"hw.perflevel0.l{level}cachesize"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if answer.isdigit() and int(answer):
            return int(answer)
    return CACHES[level]
