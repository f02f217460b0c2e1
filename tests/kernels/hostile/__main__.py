"""Draws hostile calls and judges them: a clear error, or the loop's numbers.

Each call is drawn from its number, and runs in a process apart: one that crashes is named, and others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import signal
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from tests.kernels.hostile.calls import Call, backward_call, forward_call
from tests.kernels.hostile.judge import judged
from tests.kernels.hostile.models import cell_call, layer_call, stream_call
from unrolled import isa

DOORS: dict[str, Callable[[random.Random], Call]] = {
    "forward": forward_call,
    "backward": backward_call,
    "cell": cell_call,
    "layer": layer_call,
    "stream": stream_call,
}
SECONDS = 60  # for one call
_PERTURB = (-6, 165)  # glibc's M_PERTURB: memory that was given back, or never filled, has no lucky zeros


class Outcome(NamedTuple):
    """How a call ended: as in judge.py; "crash"; or "torch", if what we would be compared with crashes."""

    number: int
    door: str
    odd: list[str]
    ended: str
    what: str

    @property
    def is_bad(self) -> bool:
        return self.ended in ("wrong", "crash")

    def __str__(self) -> str:
        return f"{self.door} {self.number} [{', '.join(self.odd)}] {self.ended}: {self.what}"


def drawn(door: str, number: int) -> Call:
    """The call of this number, which runs on threads and an instruction set that are drawn too."""
    chance = random.Random(f"{door}{number}")
    torch.manual_seed(number)
    torch.set_num_threads(chance.choice([1, 2]))
    os.environ[isa.VARIABLE] = chance.choice([name for name in isa.available() if name != isa.REFERENCE])
    return DOORS[door](chance)


def outcomes(door: str, numbers: range) -> Iterator[Outcome]:
    """The outcomes of the calls of these numbers."""
    while numbers:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            with os.fdopen(writing, "w") as said:
                os._exit(_make(door, numbers, said))
        os.close(writing)
        begun: dict[str, Any] = {}
        first, last = numbers.start, None
        with os.fdopen(reading) as said:
            for line in said:
                begun |= json.loads(line)
                if "ended" in begun:
                    yield (last := Outcome(*(begun[name] for name in Outcome._fields)))
                    numbers, begun = range(begun["number"] + 1, numbers.stop), {}
        died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if not died:
            return
        if begun:
            yield _died(begun, died)
            numbers = range(begun["number"] + 1, numbers.stop)
        elif last:  # its memory was spoilt
            yield last._replace(ended="crash", what=f"exit status {died} after the call")
        else:
            raise RuntimeError(f"{door}: call {first} could not be drawn (exit status {died})")


def _died(begun: dict[str, Any], died: int) -> Outcome:
    """What is to be said of the call with which a process died; it may be torch that died of it."""
    number, door, odd = begun["number"], begun["door"], begun["odd"]
    if begun.get("so_far") == "error":
        return Outcome(number, door, odd, "error", begun["what"])
    if "so_far" in begun or _torch_dies(door, number):
        return Outcome(number, door, odd, "torch", "torch itself crashes")
    return Outcome(number, door, odd, "crash", f"exit status {died}")


def _torch_dies(door: str, number: int) -> bool:
    """Whether what the call is compared with crashes too."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(Exception):
            judge = drawn(door, number).judge
            if callable(judge):
                judge()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def _make(door: str, numbers: range, said: Any) -> int:
    """Make the calls of these numbers, and say what comes of each, a line of JSON before and after."""

    def say(**what: Any) -> None:
        said.write(json.dumps(what) + "\n")
        said.flush()

    ctypes.CDLL(None).mallopt(*_PERTURB)
    warnings.simplefilter("ignore")
    for number in numbers:
        signal.alarm(SECONDS)
        try:
            call = drawn(door, number)
        except Exception:
            traceback.print_exc()
            return 1
        say(number=number, door=door, odd=call.odd)
        found = raised = None
        try:
            found = call.run()
        except Exception as error:
            raised = error
        say(so_far="numbers" if raised is None else "error", what=f"{type(raised).__name__}: {raised}"[:200])
        ended, what = judged(call, found, raised)
        say(ended=ended, what=what)
    return 0


def main() -> int:
    """The command line: 1 if a call crashed or was answered wrongly."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernels.hostile", description=__doc__)
    parser.add_argument("--draws", type=int, default=5000, help="how many calls, of all doors together")
    parser.add_argument("--first", type=int, default=0, help="the number of each door's first")
    parser.add_argument("--door", choices=DOORS, action="append", help="only this one; may be repeated")
    arguments = parser.parse_args()
    doors = arguments.door or list(DOORS)
    bad = 0
    for door in doors:
        ended: Counter[str] = Counter()
        for outcome in outcomes(
            door, range(arguments.first, arguments.first + arguments.draws // len(doors))
        ):
            ended[outcome.ended] += 1
            bad += outcome.is_bad
            if outcome.is_bad:
                print(outcome, flush=True)
        print(f"{door}:", ", ".join(f"{count} {how}" for how, count in sorted(ended.items())), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
