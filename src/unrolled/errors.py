"""The errors that a user's mistake raises. The command line shows them as one line and exits with 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnrolledError(ValueError):
    """What came cannot be used. The message says what came, what was expected and what to do."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnrolledError:
    """The error for a name that is not among `known`, with the nearest that is.

    >>> unknown_name("network", "lstn", ["lstm", "gru"]).args[0]
    "unknown network 'lstn': did you mean 'lstm'? Known: lstm, gru"
    """
    names = list(known)
    nearest = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return UnrolledError(f"unknown {kind} {name!r}: {hint}Known: {', '.join(names)}")
