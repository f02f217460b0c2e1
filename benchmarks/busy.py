"""Time `unrolled train` on a busy machine: beside loops of other processes that never wait.

    python -m benchmarks.busy                          2 threads and 1, alone and beside 4 loops
    python -m benchmarks.busy --settings               and the ways in which threads can wait for work
    python -m benchmarks.busy --save busy              results/busy.json and docs/benchmarks.md

Each training is a process of its own from start to end. All ways take turns, and the medians of wall time and
of CPU time (user and system) are shown. A way is what the environment says to OpenMP, how many threads train,
and how many loops run beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.circumstances import circumstances
from benchmarks.report import busy_table, save_figures
from unrolled.bench import in_threads

VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
# How a thread waits for work. What libgomp does by itself is to look 300,000 times, some milliseconds.
SETTINGS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "libgomp's own": {"GOMP_SPINCOUNT": "300000"},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "spin 100": {"GOMP_SPINCOUNT": "100"},
    "spin 1000": {"GOMP_SPINCOUNT": "1000"},
    "spin 10000": {"GOMP_SPINCOUNT": "10000"},
}


class Way(NamedTuple):
    """One way to train: a setting, a number of threads, and how many loops run beside it."""

    setting: str
    threads: int
    loops: int

    @property
    def name(self) -> str:
        """In words.

        >>> Way("passive", 2, 4).name
        'passive, 2 threads, beside 4 loops'
        """
        where = f"beside {self.loops} loops" if self.loops else "alone"
        return f"{self.setting}, {in_threads(self.threads)}, {where}"


class Took(NamedTuple):
    """What a process took, in seconds; CPU time is user and system."""

    wall: float
    cpu: float


@contextlib.contextmanager
def beside(loops: int) -> Iterator[None]:
    """So many processes that never wait."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def timed(command: list[str], environment: dict[str, str]) -> Took:
    """Run a command to its end.

    Raises:
        CalledProcessError: it failed.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Took(wall, usage.ru_utime + usage.ru_stime)


def training(way: Way, epochs: int) -> Took:
    """One training of the default network, in that way."""
    others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    with tempfile.TemporaryDirectory() as folder, beside(way.loops):
        words = ["train", "--epochs", epochs, "--threads", way.threads, "--run", Path(folder) / "run"]
        return timed([sys.executable, "-m", "unrolled", *map(str, words)], others | SETTINGS[way.setting])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", action="store_true", help="every way to wait, not ours alone")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5, help="trainings of each way (default: 5)")
    parser.add_argument("--loops", type=int, nargs="+", default=[0, 4], help="beside so many (default: 0 4)")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="default: 2 1")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json, and the page")
    options = parser.parse_args()

    found: dict[str, Any] = {"machine": circumstances("perf_counter"), "epochs": options.epochs}
    settings = list(SETTINGS) if options.settings else ["as it comes"]
    ways = [
        Way(setting, threads, loops)
        for loops in options.loops
        for threads in options.threads
        for setting in (settings if threads > 1 else settings[:1])
    ]
    took: dict[Way, list[Took]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way in ways:
            took[way].append(training(way, options.epochs))
            print(f"{way.name}: wall {took[way][-1].wall:.1f} s, CPU {took[way][-1].cpu:.1f} s", flush=True)
    found["ways"] = [
        {**way._asdict(), "took": [one._asdict() for one in times]} for way, times in took.items()
    ]
    print("\n".join(busy_table(found["ways"])))
    if options.save:
        print("saved:", *save_figures(found, options.save))


if __name__ == "__main__":
    main()
