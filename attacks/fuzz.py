"""Damage good files and read them, for as long as one likes: nothing but an UnrolledError may come of it.

    python -m attacks.fuzz --minutes 10 --parser idx

A case is told by its number: the same number is the same files. Each is read in a worker that has 2 GiB of
memory; one that has computed for 5 s on a case is killed. What fails is made small and kept.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import random
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import torch

from attacks import cage
from attacks.mutate import Dice
from attacks.parser import Files, Parser
from attacks.parsers import PARSERS
from unrolled.errors import UnrolledError

KEPT = Path("build/fuzz")
SHARED = struct.Struct("<qqqqqdq")  # case, read, refused, most memory, its case, longest, its case
MOST_KEPT = 20  # of the failures, one of a kind
GLANCE = 0.05  # seconds between two looks at a worker
SHM = Path("/dev/shm")


class Tally(NamedTuple):
    """How far a worker has come, and the worst that it has seen: `peak` in bytes, `longest` in seconds of the
    processor.
    """

    case: int = 0
    read: int = 0
    refused: int = 0
    peak: int = 0
    peak_case: int = -1
    longest: float = 0.0
    longest_case: int = -1


def files_of_case(parser: Parser, seeds: list[Files], case: int) -> Files:
    """The files of a case: those of a seed, some of them damaged."""
    dice = random.Random(case)
    files = dict(dice.choice(seeds))
    fitting = [name for name in files if any(name.endswith(ending) for ending in parser.mutations)]
    for name in dice.sample(fitting, 1 if dice.random() < 0.8 else dice.randint(1, len(fitting))):
        choices = next(m for ending, m in parser.mutations.items() if name.endswith(ending))
        for _ in range(1 + int(dice.expovariate(1.2))):
            files[name] = _damaged(dice.choice(choices), files[name], dice)
    return files


def _damaged(mutation: object, content: bytes, dice: Dice) -> bytes:
    try:
        return mutation(content, dice)[: 1 << 22]  # type: ignore[operator]
    except Exception:  # what is damaged already cannot be taken apart
        return content[: dice.randrange(len(content) + 1)]


def put(files: Files, folder: Path) -> None:
    """The files in an empty folder."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def read(parser: Parser, folder: Path) -> str | None:
    """None if the files are read, "" if they are refused, or else what came."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning is a second line
            parser.read(folder)
    except UnrolledError as error:
        message = str(error)
        return "" if message and message.isprintable() else f"not one line: {message!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return None


def _work(
    parser: Parser, seeds: list[Files], first: int, folder: Path, shared: mmap.mmap, failures: Path
) -> None:
    cage.confine_memory()
    tally = Tally(*SHARED.unpack(shared[: SHARED.size]))
    case = first
    while True:
        tally = tally._replace(case=case)
        shared[: SHARED.size] = SHARED.pack(*tally)
        put(files_of_case(parser, seeds, case), folder)
        before = _forget_peak()
        begun = time.process_time()
        came = read(parser, folder)
        took, peak = time.process_time() - begun, max(0, _peak() - before)
        if came:
            failures.joinpath(str(case)).write_text(came)
        tally = tally._replace(read=tally.read + (came is None), refused=tally.refused + (came == ""))
        if peak > tally.peak:
            tally = tally._replace(peak=peak, peak_case=case)
        if took > tally.longest:
            tally = tally._replace(longest=took, longest_case=case)
        case += 1


def _forget_peak() -> int:
    """Begin to measure the peak of memory anew, and return what is in use now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def fuzz(name: str, seconds: float, first: int = 0) -> tuple[Tally, dict[int, str]]:
    """Read damaged files for so long: how it went, and by case what came that is no UnrolledError."""
    parser = PARSERS[name]
    shared = mmap.mmap(-1, SHARED.size)
    shared[:] = SHARED.pack(*Tally())
    with contextlib.ExitStack() as stack:
        where = SHM if SHM.is_dir() else None
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=where)))
        for folder in ("made", "input", "failures"):
            (place / folder).mkdir()
        seeds = parser.seeds(place / "made")
        failed: dict[int, str] = {}
        end, case = time.monotonic() + seconds, first
        while time.monotonic() < end:
            worker = os.fork()
            if worker == 0:
                with contextlib.suppress(BaseException):
                    _silence()
                    _work(parser, seeds, case, place / "input", shared, place / "failures")
                os._exit(1)
            how = _watch(worker, shared, end)
            tally = Tally(*SHARED.unpack(shared[:]))
            if how:
                failed[tally.case] = how
            case = tally.case + 1
        failed |= {int(path.name): path.read_text() for path in (place / "failures").iterdir()}
        kinds = {re.sub(r"\d+", "#", what)[:60]: (number, what) for number, what in sorted(failed.items())}
        for number, what in list(kinds.values())[:MOST_KEPT]:
            _keep(name, number, what, seeds, place / "input")
    return tally._replace(case=tally.case - first), failed


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _watch(worker: int, shared: mmap.mmap, end: float) -> str:
    """Wait until the time is over, or the worker dies or hangs; what happened to it, if anything did."""
    case, since, spent = -1, 0.0, 0.0
    while True:
        ended, status = os.waitpid(worker, os.WNOHANG)
        if ended:
            return (
                f"the process ended: signal {os.WTERMSIG(status)}"
                if os.WIFSIGNALED(status)
                else "the process ended"
            )
        now, present = time.monotonic(), SHARED.unpack(shared[:])[0]
        if present != case:
            case, since, spent = present, now, _processor_time(worker)
        hangs = _processor_time(worker) - spent > cage.SECONDS or now - since > cage.PATIENCE
        if hangs or now > end:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
            return f"still busy after {cage.SECONDS} s" if hangs else ""
        time.sleep(GLANCE)


def _processor_time(process: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _keep(name: str, case: int, what: str, seeds: list[Files], folder: Path) -> None:
    """Make a failing case small, and keep it."""
    parser = PARSERS[name]
    files = files_of_case(parser, seeds, case)

    def fails(candidate: Files) -> bool:
        put(candidate, folder)
        outcome = cage.run(lambda: _raise(read(parser, folder)))
        return outcome.code not in (0, cage.REFUSED)

    tries = 60 if "busy" not in what else 0
    for file in list(files):
        size = len(files[file]) // 2
        while size and tries > 0 and fails(files):
            for start in range(0, len(files[file]), size):
                smaller = {**files, file: files[file][:start] + files[file][start + size :]}
                tries -= 1
                if tries <= 0:
                    break
                if fails(smaller):
                    files = smaller
                    break
            else:
                size //= 2
    kept = KEPT / name / str(case)
    kept.mkdir(parents=True, exist_ok=True)
    put(files, kept)
    print(f"{name}: case {case}: {what}; kept in {kept}", flush=True)


def _raise(came: str | None) -> None:
    if came == "":
        raise UnrolledError("refused")
    if came:
        raise RuntimeError(came)


def main() -> None:
    """Fuzz each parser in turn, and say what came; exit with 1 if anything but the one error did."""
    said = argparse.ArgumentParser(description="Damage good files and read them.")
    said.add_argument("--minutes", type=float, default=1.0, help="for each parser")
    said.add_argument("--parser", choices=list(PARSERS), action="append", help="by default all")
    said.add_argument("--first", type=int, default=0, help="the number of the first case")
    options = said.parse_args()
    torch.set_num_threads(1)
    bad = 0
    for name in options.parser or PARSERS:
        begun = time.monotonic()
        tally, failed = fuzz(name, options.minutes * 60, options.first)
        bad += len(failed)
        print(
            f"{name}: {tally.case:,} cases in {time.monotonic() - begun:.0f} s, {tally.refused:,} refused, "
            f"{tally.read:,} read, {len(failed)} failed; peak memory {tally.peak / 2**20:.1f} MiB (case "
            f"{tally.peak_case}), slowest {tally.longest:.2f} s (case {tally.longest_case})",
            flush=True,
        )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
