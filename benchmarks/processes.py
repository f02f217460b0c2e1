"""Several models in as many processes at once: the total throughput, torch.nn and accelerated by turns.

    python -m benchmarks.processes                          four processes, LSTM and GRU, torch's own threads
    python -m benchmarks.processes --rows gru-h128 --processes 2 --threads 1

Every process holds a row's model twice, of torch.nn's layers and the same after `unrolled.accelerate`. In a
turn all of them run one of the two for some seconds; the steps of all processes are counted. A ratio is the
median over the rounds, above 1 where the accelerated models do more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

from unrolled.errors import UnrolledError, unknown_name


def work_for(channel: Connection, row: str, work: str, threads: int | None) -> None:
    """A process: for each (side, seconds) that comes, how many steps it did in how many seconds."""
    import torch

    import unrolled
    from unrolled.bench import ROWS, TorchModel, draw, step

    if threads is not None:
        torch.set_num_threads(threads)
    problem = draw(ROWS[row])
    models = {"torch.nn": TorchModel(problem), "unrolled": TorchModel(problem)}
    unrolled.accelerate(models["unrolled"])
    steps = {side: step(model, problem, work) for side, model in models.items()}
    for run in steps.values():
        run()
    channel.send(torch.get_num_threads())
    while message := channel.recv():
        side, seconds = message
        done, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            steps[side]()
            done += 1
        channel.send(done / (time.perf_counter() - begin))


def throughputs(row: str, work: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Steps a second of all processes together, for each side and round."""
    spawn = multiprocessing.get_context("spawn")  # a forked process cannot use OpenMP
    ends = [spawn.Pipe() for _ in range(options.processes)]
    processes = [
        spawn.Process(target=work_for, args=(theirs, row, work, options.threads), daemon=True)
        for _, theirs in ends
    ]
    for process in processes:
        process.start()
    channels = [ours for ours, _ in ends]
    for channel in channels:
        channel.recv()
    totals: dict[str, list[float]] = {"torch.nn": [], "unrolled": []}
    for _ in range(options.rounds):
        for side, found in totals.items():
            for channel in channels:
                channel.send((side, options.seconds))
            found.append(sum(channel.recv() for channel in channels))
    for channel in channels:
        channel.send(None)
    for process in processes:
        process.join()
    return totals


def main(words: list[str] | None = None) -> dict[str, Any]:
    from unrolled.bench import ROWS, TorchModel, median_ratio

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=["lstm-h128", "gru-h128", "easyocr", "resemblyzer-n1"])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, help="of each process; torch's own choice by default")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn (default: 2)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(words)
    for row in options.rows:
        if row not in ROWS or not TorchModel.has(ROWS[row].cell):
            raise unknown_name("row of torch.nn's layers", row, ROWS)
    found = {}
    for row in options.rows:
        for work in ("infer", "train"):
            totals = throughputs(row, work, options)
            peer, ours = totals["torch.nn"], totals["unrolled"]
            found[row, work] = median_ratio(ours, peer)
            print(
                f"{row:16} {work}: torch.nn {statistics.median(peer):8.1f} steps a second, unrolled "
                f"{statistics.median(ours):8.1f}, {found[row, work]:.2f}×",
                flush=True,
            )
    return found


if __name__ == "__main__":
    try:
        main()
    except UnrolledError as error:
        raise SystemExit(f"processes: {error}") from error
