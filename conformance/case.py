"""A case: a question in one sentence, a problem, what must come. The files in cases/ are lists of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.problem import Problem, from_json

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One question to a peer.

    name: "group/what"; asks: the question; needs: features without which it cannot be asked; problem: as
    JSON; numbers: what must come, by name; look_at: the steps of which numbers are kept, all if empty;
    exactly: identities within the answer (identities.py); choices: arrays of which each row or element must
    be one, for what is random; same_as: a case whose answer must be the same; refusal: whether an error is
    what must come, as it does not for the twin; path: the way that must have been taken; tolerance: relative
    to the largest number expected, 1 at least; why: why so much.
    """

    name: str
    asks: str
    needs: list[str]
    problem: dict[str, Any]
    numbers: dict[str, Any] = field(default_factory=dict)
    look_at: list[int] = field(default_factory=list)
    exactly: list[str] = field(default_factory=list)
    choices: dict[str, Any] = field(default_factory=dict)
    same_as: str = ""
    refusal: bool = False
    twin: str = ""
    path: str = ""
    tolerance: float = 0.0
    why: str = ""

    @property
    def group(self) -> str:
        return self.name.split("/")[0]

    def read(self) -> Problem:
        return from_json(self.problem)


def load(folder: Path = CASES) -> list[Case]:
    """All cases, by group and within it in their order."""
    return [Case(**one) for path in sorted(folder.glob("*.json")) for one in json.loads(path.read_text())]
