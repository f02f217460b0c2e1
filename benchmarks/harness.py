"""Check, then time: one row at a time, this library beside every peer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import torch

from benchmarks.goals import beside
from benchmarks.peers.foreign import ENVIRONMENTS, Foreign
from benchmarks.peers.protocol import timed
from unrolled.bench import (
    WORKS,
    CellModel,
    Model,
    Problem,
    Row,
    bound,
    ceilings,
    checked,
    draw,
    gflop,
    interleaved,
    median_ms,
    median_ratio,
    step,
)
from unrolled.bench.check import find, judge

IN_PROCESS = ("torch_nn", "cell_loop", "compiled_loop")
PEERS = (*IN_PROCESS, *ENVIRONMENTS)
TORCH_PEERS = ("torch_nn", "cell_loop")
BLOCKS = 2  # of each foreign peer, between blocks of ours
Result = dict[str, Any]


class Harness:
    """Peers that are ready, the machine's limits, and how they are timed.

    Args:
        peers: some of PEERS.
        seconds: of the turns of all peers in this process; a foreign peer's blocks have about as long.
        cpu_time: whether to time by the process's CPU time, which means something on one thread alone.
    """

    def __init__(self, peers: Sequence[str], seconds: float, cpu_time: bool) -> None:
        self.seconds = seconds
        self.clock: Callable[[], float] = time.process_time if cpu_time else time.perf_counter
        self.ceilings = ceilings(self.clock)
        self._modules = {
            peer: import_module(f"benchmarks.peers.{peer}") for peer in peers if peer in IN_PROCESS
        }
        threads = torch.get_num_threads()
        self._foreign = [
            Foreign(peer, threads, self.clock.__name__) for peer in peers if peer in ENVIRONMENTS
        ]

    def close(self) -> None:
        for peer in self._foreign:
            peer.close()

    def versions(self) -> dict[str, str]:
        """The versions of the foreign peers that have had a row."""
        return {peer.peer: peer.version for peer in self._foreign if peer.version}

    def results(self, row: Row) -> Iterator[Result]:
        """Check a row, then time it: one result for training and one for inference.

        Raises:
            WrongResultError: a side computes something else than the judge.
        """
        problem = draw(row)
        expected = judge(problem)
        sides: dict[str, tuple[Model, Problem]] = {"unrolled": (CellModel(problem), problem)}
        for name, module in self._modules.items():
            model = module.build(problem)
            if model is not None:
                sides[name] = (model, problem)
        errors = {
            name: checked(name, find(model, problem), expected, row.name)
            for name, (model, _) in sides.items()
        }
        works = {}
        for peer in self._foreign:
            built = peer.build(problem)
            if not isinstance(built, str):  # else it says why it has no such row
                found, works[peer.peer] = built
                errors[peer.peer] = checked(peer.peer, found, expected, row.name)
        other = beside(row)
        if other is not None:
            plain = draw(other)
            sides["beside"] = (CellModel(plain), plain)

        for work in WORKS:
            steps = {name: step(model, given, work) for name, (model, given) in sides.items()}
            times = interleaved(steps, self.seconds, self.clock)
            ours = times.pop("unrolled")
            dense = times.pop("beside", None)
            peers = {
                name: {"ms": median_ms(turns), "ratio": median_ratio(turns, ours)}
                for name, turns in times.items()
            }
            for peer in self._foreign:
                if work in works.get(peer.peer, ()):
                    peers[peer.peer] = alternated(steps["unrolled"], peer, work, self.seconds, self.clock)
            amount, limit = gflop(problem, work), bound(problem, work, self.ceilings)
            result: Result = {
                "row": row.name,
                "sizes": row.sizes,
                "work": work,
                "ms": median_ms(ours),
                "least_ms": 1e3 * min(ours),
                "rounds": len(ours),
                "gflop": amount,
                "of_sgemm": amount / statistics.median(ours) / self.ceilings.sgemm_gflops,
                "bound": {"by": limit.by, "ms": 1e3 * limit.seconds},
                "of_bound": limit.seconds / statistics.median(ours),
                "output_error": errors["unrolled"].output,
                "gradient_error": errors["unrolled"].gradient if work == "train" else None,
                "peers": {name: {**timing, **errors[name]._asdict()} for name, timing in peers.items()},
            }
            if other is not None and dense is not None:
                share = 1.0 if problem.lengths is None else float(problem.lengths.float().mean()) / row.T
                times_other = median_ratio(ours, dense) / share
                result["beside"] = {"row": other.name, "share": share, "times": times_other}
            yield result


def alternated(
    ours: Callable[[], object], peer: Foreign, work: str, seconds: float, clock: Callable[[], float]
) -> Result:
    """Blocks of ours and of a foreign peer by turns; each ratio is to the blocks of ours around it."""
    seconds /= 2 * BLOCKS + 1
    mine = [timed(ours, seconds, clock)]
    theirs = []
    for _ in range(BLOCKS):
        theirs.append(peer.block(work, seconds))
        mine.append(timed(ours, seconds, clock))
    ratios = [
        statistics.median(block) / statistics.median(before + after)
        for block, before, after in zip(theirs, mine[:-1], mine[1:], strict=True)
    ]
    return {
        "ms": median_ms([one for block in theirs for one in block]),
        "ours_ms": median_ms([one for block in mine for one in block]),
        "ratio": statistics.median(ratios),
    }
