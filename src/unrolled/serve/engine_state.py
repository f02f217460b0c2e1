"""What an engine has and did, for those who watch over it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class EngineState:
    """What an engine has and did, in numbers.

    Attributes:
        in_memory, on_disk: open sessions; on disk as they were last counted, with what went and came since.
        waiting: messages that are not answered yet.
        calls, rows, steps: calls of the network, sessions in all of them together, and steps that were read.
        rows_a_call: sessions in a call, on average.
        seconds: that the calls took.
    """

    in_memory: int
    on_disk: int
    waiting: int
    calls: int
    rows: int
    steps: int
    rows_a_call: float
    seconds: float
