"""Large bodies, parsed in a process of their own: the one that serves would stand still for as long."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from unrolled.errors import UnrolledError
from unrolled.serve.bodies import RefusedError, parse, steps_of
from unrolled.serve.parent import end_with_parent
from unrolled.serve.settings import Limits

LARGE = 32 << 10  # bytes of JSON that are read in a thousandth of a second or so


class Aside:
    """Read JSON here if it is short, and elsewhere if it is long.

    What is read elsewhere has arrays of float32 in place of the lists of "steps" and "sequences".
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._pool: ProcessPoolExecutor | None = None

    async def parse(self, content: bytes | str, known: Sequence[str]) -> dict[str, Any]:
        """The object in a body, as `bodies.parse`.

        Raises:
            UnrolledError: it is none, or has no numbers where they must be.
            RefusedError: the other process fell.
        """
        if len(content) <= LARGE:
            return parse(content, known)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, read, content, known, self.limits)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            raise RefusedError(503, "large bodies cannot be read right now: try again") from None

    def close(self) -> None:
        """End the other process."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def read(content: bytes | str, known: Sequence[str], limits: Limits) -> dict[str, Any]:
    """The object in a body, with arrays for lists of numbers."""
    values = parse(content, known)
    if "steps" in values:
        values["steps"] = steps_of(values["steps"], None, limits.steps)
    if "sequences" in values:
        values["sequences"] = [
            steps_of(one, None, limits.steps, f"sequences[{place}]", gaps=True)
            for place, one in enumerate(sequences_of(values["sequences"], limits.sequences))
        ]
    return values


def sequences_of(value: Any, most: int) -> list[Any]:
    """The sequences in a body, not looked at yet.

    Raises:
        UnrolledError: it is no list of some, or there are too many.
    """
    if not isinstance(value, list) or not value:
        raise UnrolledError("sequences is no list of sequences, expected at least one: [[[...], ...], ...]")
    if len(value) > most:
        raise UnrolledError(f"{len(value):,} sequences came, expected at most {most:,} at a time")
    return value


def _begin() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # the process that serves says when it is over
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)
