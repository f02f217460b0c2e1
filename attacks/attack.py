"""What an attack is: something hostile, the call that meets it, and what must be said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

Call = Callable[[], object] | list[str]


@dataclasses.dataclass(frozen=True)
class Attack:
    """A pair.

    Attributes:
        name: what it is, as a sentence.
        make: puts it into an empty folder, and returns the call: a function of the library, or the arguments
            of the command line.
        says: a regular expression for the one line that must come of it.
    """

    name: str
    make: Callable[[Path], Call]
    says: str


def attack(says: str) -> Callable[[Callable[[Path], Call]], Callable[[Path], Call]]:
    """Make an attack of a function; its name is that of the function."""

    def register(make: Callable[[Path], Call]) -> Callable[[Path], Call]:
        add(make.__name__.replace("_", " "), make, says)
        return make

    return register


def add(name: str, make: Callable[[Path], Call], says: str) -> None:
    """Add an attack to those that are known."""
    assert name not in ATTACKS, name
    ATTACKS[name] = Attack(name, make, says)


ATTACKS: dict[str, Attack] = {}
