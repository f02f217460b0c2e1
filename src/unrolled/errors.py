"""The errors that a user's mistake raises. The command line shows them as one line and exits with 2."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from unrolled.names import printable

LONGEST = 2000  # characters of a message: a file may have a hundred thousand names to list


class UnrolledError(ValueError):
    r"""What came cannot be used. The message says what came, what was expected and what to do.

    It is one line of printable characters, whatever the names of files and variables in it are.

    >>> print(UnrolledError("no file a\nb\x1b[2J"))
    no file a b\x1b[2J
    """

    def __str__(self) -> str:
        line = " ".join(part.strip() for part in super().__str__().splitlines())
        if len(line) > LONGEST:
            line = f"{line[: LONGEST * 3 // 4]} ... {line[-LONGEST // 4 :]}"
        return printable(line)


def check_count(what: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """`value` as an int: of Python, of numpy, or a tensor that holds one.

    Raises:
        UnrolledError: it is no whole number of at least `least`, and `most` at most.

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
    if most is not None and count > most:
        raise UnrolledError(f"{what} is {value!r}, expected a whole number from {least} to {most}")
    return count


def is_number(value: object) -> bool:
    """Whether `value` is a finite number that a float can hold, and no truth value.

    >>> is_number(2.5), is_number(float("nan")), is_number(True), is_number(10**400)
    (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def unknown_name(kind: str, name: object, known: Iterable[str], *, listed: bool = True) -> UnrolledError:
    """The error for a name that is not among `known`, with the nearest that is, and all of them if `listed`.

    >>> unknown_name("network", "lstn", ["lstm", "gru"]).args[0]
    "unknown network 'lstn': did you mean 'lstm'? Known: lstm, gru"
    >>> unknown_name("split", "foo", ["train", "test"]).args[0]
    "unknown split 'foo': expected one of train, test"
    >>> unknown_name("column", "foo", []).args[0]
    "unknown column 'foo': there is none"
    """
    names = list(known)
    if not names:
        return UnrolledError(f"unknown {kind} {name!r}: there is none")
    nearest = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f": did you mean {nearest[0]!r}?" if nearest else ""
    every = (" Known: " if nearest else ": expected one of ") + ", ".join(names) if listed else ""
    return UnrolledError(f"unknown {kind} {name!r}{hint}{every}")


def check_fields(kind: str, values: Mapping[str, Any], config: type[Any]) -> None:
    """Raise an UnrolledError if `values` are not values of the dataclass `config`, by its fields' names."""
    if not isinstance(values, Mapping):
        raise UnrolledError(f"what should hold each {kind} by its name is {values!r}")
    known = [field.name for field in dataclasses.fields(config)]
    for key in values:
        if key not in known:
            raise unknown_name(kind, key, known)
