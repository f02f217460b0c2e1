"""What the steps of one run share: variables, functions, random numbers and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.variables import Changes, Reference, Variables


class RunError(UnrolledError):
    """A run has ended before its time; the message says at which node, or that the time is over."""


class Callee(Protocol):
    """A library of functions that can be called by name."""

    def call(self, run: Run, name: str, arguments: Sequence[Any]) -> list[Any]: ...


class Run:
    """One call of `Graph.run`, or the loading of a checkpoint.

    Args:
        drawn: how many numbers each seeded random node has drawn in earlier runs; it is counted on.
        checkpoint: what restoring nodes read.
        seconds: after so long the run ends with an error.
    """

    def __init__(
        self,
        variables: Variables,
        library: Callee,
        drawn: dict[Node, int],
        *,
        checkpoint: Mapping[str, np.ndarray] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.changes = Changes(variables)
        self.library, self.drawn, self.checkpoint = library, drawn, checkpoint
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def read(self, value: Any) -> Any:
        """The value of a variable; every other value is itself."""
        return self.changes.read(value.name) if type(value) is Reference else value

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """The results of a function of the library."""
        self.check_time()
        return self.library.call(self, name, arguments)

    def check_time(self) -> None:
        if self._end is not None and time.monotonic() > self._end:
            raise RunError(f"the graph ran for more than {self._seconds:g} s: a loop may never end")
