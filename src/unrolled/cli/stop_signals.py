"""Ctrl-C and SIGTERM while a network trains."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class StopSignals:
    """The first Ctrl-C or SIGTERM asks for a stop: calling this tells. The second one stops at once.

    Attributes:
        exit_code: what a shell expects of a process that a signal ended: 130 or 143.
    """

    exit_code = 0

    def __enter__(self) -> StopSignals:
        self._before: dict[int, Any] = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.exit_code != 0

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self():
            raise KeyboardInterrupt
        self.exit_code = 128 + number
