"""Time training from a mapped file against training in memory: batches of 64 pictures, one thread.

    python -m benchmarks.mapped FOLDER --gigabytes 3

A data set of pictures of 28 x 28 bytes is made below FOLDER, on the disk to be measured, and stays there.

    memory       rows of a tensor
    cached       the same rows of the mapped file, which the system holds in memory
    disk         rows of the whole file, which it does not: it forgets the file before each block
    disk, plain  the same without announcing the rows to come

They take turns in blocks of steps in one process, and a ratio is the median over the rounds of the time in
memory by the time of that side, in wall time and in CPU time: 0.9 is a tenth less speed than in memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled import networks
from unrolled.data import Examples, batches_of, open_arrays, save_arrays

BATCH, KNOWN, PIECE = 64, 60_000, 50_000
NETWORKS = {
    "default network, LSTM of 128": networks.lookup("single-layer-dynamic-lstm"),
    "GRU of 28": networks.lookup("single-layer-dynamic-gru").changed(layers=(("gru", 28),)),
}


def pieces(gigabytes: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Random pictures."""
    for number in range(max(2, round(gigabytes * 1e9 / (PIECE * 28 * 28)))):
        generator = torch.Generator().manual_seed(number)
        yield (
            torch.randint(0, 256, (PIECE, 28, 28), dtype=torch.uint8, generator=generator),
            torch.randint(0, 10, (PIECE,), generator=generator),
        )


class Step:
    """Training steps of a network."""

    def __init__(self, config: networks.NetworkConfig) -> None:
        torch.manual_seed(0)
        self.network = networks.SequenceClassifier(config)
        self.adam = torch.optim.AdamW(self.network.parameters(), fused=True)

    def __call__(self, x: Tensor, labels: Tensor) -> None:
        self.adam.zero_grad()
        F.cross_entropy(self.network(x), labels).backward()
        self.adam.step()


def forget(path: Path) -> None:
    """Have the system drop a file from its memory, as if other work had needed it."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50, help="of a block")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.folder / "mapped-benchmark"
    if not folder.exists():
        save_arrays(folder, train=pieces(options.gigabytes), test=pieces(0))
    path = folder / "train-sequences.npy"
    generator = torch.Generator().manual_seed(0)

    for name, config in NETWORKS.items():
        step, times = Step(config), {}
        for _ in range(options.rounds):
            # Opened anew, so that no page of the file is in use when the system is to forget it.
            forget(path)
            mapped = open_arrays(folder, validation=0).train
            known = mapped[:KNOWN]
            memory = Examples(known.sequences.clone(), known.labels)  # this reads it, too
            sides = {"memory": memory, "cached": known, "disk": mapped, "disk, plain": mapped}
            for side, examples in sides.items():
                rows = [
                    torch.randint(0, len(examples), (BATCH,), generator=generator)
                    for _ in range(options.steps)
                ]
                batches = map(examples.take, rows) if "plain" in side else batches_of(examples, rows)
                start = time.perf_counter(), time.process_time()
                for x, labels, _ in batches:
                    step(x, labels)
                took = time.perf_counter() - start[0], time.process_time() - start[1]
                times.setdefault(side, []).append([1000 * seconds / options.steps for seconds in took])
        print(f"{name}, {len(mapped):,} pictures")
        for side, blocks in times.items():
            wall, cpu = (statistics.median(clock) for clock in zip(*blocks, strict=True))
            ratios = [
                statistics.median(a[clock] / b[clock] for a, b in zip(times["memory"], blocks, strict=True))
                for clock in (0, 1)
            ]
            print(
                f"  {side:12s} wall {wall:7.2f} ms {ratios[0]:5.2f}   CPU {cpu:7.2f} ms {ratios[1]:5.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
