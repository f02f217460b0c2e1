"""What is said of a recurrent module of a model: whether it was replaced, and why."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A recurrent module: its name in the model, its class, whether another stands in its place, and why."""

    name: str
    kind: str
    replaced: bool
    reason: str

    def __str__(self) -> str:
        verdict = "replaced" if self.replaced else "left"
        return f"{self.name or 'the model itself'}: {self.kind}, {verdict}: {self.reason}"
