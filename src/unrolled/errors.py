"""The errors that a user's mistake raises. The command line shows them as one line and exits with 2."""

from __future__ import annotations

import dataclasses
import difflib
import operator
from collections.abc import Iterable
from typing import Any


class UnrolledError(ValueError):
    """What came cannot be used. The message says what came, what was expected and what to do."""


def check_count(what: str, value: Any, least: int = 1) -> int:
    """`value` as an int: of Python, of numpy, or a tensor that holds one.

    Raises:
        UnrolledError: it is no whole number of at least `least`.

    >>> check_count("batch_size", 0)
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: batch_size is 0, expected a whole number of at least 1
    """
    try:
        # numpy's truth values are no bool, and a tensor of one would pass for a number.
        count = -1 if "bool" in str(getattr(value, "dtype", type(value))) else operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        count = -1
    if count < least:
        raise UnrolledError(f"{what} is {value!r}, expected a whole number of at least {least}")
    return count


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnrolledError:
    """The error for a name that is not among `known`, with the nearest that is.

    >>> unknown_name("network", "lstn", ["lstm", "gru"]).args[0]
    "unknown network 'lstn': did you mean 'lstm'? Known: lstm, gru"
    """
    names = list(known)
    nearest = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return UnrolledError(f"unknown {kind} {name!r}: {hint}Known: {', '.join(names)}")


def check_fields(kind: str, values: Iterable[str], config: type[Any]) -> None:
    """Raise an UnrolledError if one of `values` is no field of the dataclass `config`."""
    known = [field.name for field in dataclasses.fields(config)]
    for key in values:
        if key not in known:
            raise unknown_name(kind, key, known)
