"""A call in a process of its own, with little time and little memory: what came of it, and what it took.

The process is forked, which is quick, and safe only from one that has not computed with torch yet: the test
run and the fuzzer start `python -m attacks` and `python -m attacks.fuzz`, which have not.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from unrolled.errors import UnrolledError

SECONDS = 5  # of the processor: a busy machine is no fault
PATIENCE = 120  # seconds on the clock, for what waits: a busy machine needs twenty to fill the memory
MEMORY = 2 << 30  # of addresses, on top of what the libraries take
REFUSED = 2  # the exit code of the command line after an error


class Outcome(NamedTuple):
    """What a call came to.

    Attributes:
        code: the exit code; REFUSED after an UnrolledError; negative for the signal that ended it.
        said: what it wrote to stderr, or the message of its error.
        seconds: of the processor that it took.
        peak: the bytes of memory that it used at most, beside those of the libraries.
    """

    code: int
    said: str
    seconds: float
    peak: int


def run(call: Callable[[], object] | list[str]) -> Outcome:
    """Call a function of no arguments, or the command line with these, in a cage."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _confine()
                code = _inside(call, said.fileno())
            finally:
                os._exit(code)  # or else the child would clean up what is the parent's
        _, status, used = os.wait4(child, 0)
        said.seek(0)
        text = said.read().decode(errors="backslashreplace")
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return Outcome(code, text, used.ru_utime + used.ru_stime, max(0, used.ru_maxrss - _resident()) << 10)


def confine_memory() -> None:
    """Let this process have MEMORY more than it has now."""
    most = _pages(0) + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _confine() -> None:
    confine_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(SECONDS), math.ceil(SECONDS)))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever it is doing
    signal.alarm(PATIENCE)


def _inside(call: Callable[[], object] | list[str], said: int) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(said, 2)
    try:
        if callable(call):
            call()
        else:
            from unrolled.cli.main import main

            main(call)
    except UnrolledError as error:
        os.write(2, f"{error}\n".encode(errors="backslashreplace"))
        return REFUSED
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException:
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        return 1
    return 0


def _pages(which: int) -> int:
    """Bytes of this process: of addresses (0), resident (1)."""
    return int(Path("/proc/self/statm").read_text().split()[which]) * resource.getpagesize()


def _resident() -> int:
    return _pages(1) >> 10


@contextlib.contextmanager
def away() -> Iterator[Path]:
    """A new folder, which is the working directory until the block ends."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
