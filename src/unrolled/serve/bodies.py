"""What comes in a request or a message, taken to be hostile: JSON, and the numbers in it."""

from __future__ import annotations

import itertools
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UnrolledError

Numbers = NDArray[np.float32]


class RefusedError(UnrolledError):
    """A request that is answered with a status of its own.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def parse(content: bytes | str, known: Sequence[str]) -> dict[str, Any]:
    """The JSON object in a body, of which no key is unknown.

    Raises:
        UnrolledError: it is something else.

    >>> parse(b'{"steps": [[1, NaN]]}', ["steps"])
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: the body is no JSON: NaN is no number of JSON
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        values = _DECODER.decode(text)
    except RecursionError:
        raise UnrolledError("the body is no JSON that can be read: it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise UnrolledError(f"the body is no text in UTF-8: byte {error.start} is no part of it") from None
    except ValueError as error:
        raise UnrolledError(f"the body is no JSON: {str(error)[:200]}") from None
    if not isinstance(values, dict):
        raise UnrolledError(f"the body is {kind(values)}, expected an object with {', '.join(known)}")
    for key in values:
        if key not in known:
            raise UnrolledError(f"the body has the key {key[:50]!r}, expected some of {', '.join(known)}")
    return values


def steps_of(value: Any, width: int | None, most: int, what: str = "steps", gaps: bool = False) -> Numbers:
    """Steps [T, I] of a body, float32.

    Args:
        value: what came; an array has been read before.
        width: I; None for that of the first step.
        most: the largest T.
        what: where it stood, for errors.
        gaps: whether a number may be missing (null), which becomes NaN.

    Raises:
        UnrolledError: it is something else, or a number is too large for float32.

    >>> steps_of([[1, 2.5]], 2, 10).tolist()
    [[1.0, 2.5]]
    >>> steps_of([[1, 2], [3, "4"]], 2, 10)
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: steps[1][1] is text, expected a number
    """
    array = isinstance(value, np.ndarray)
    if not array and (type(value) is not list or not value):
        each = "numbers" if width is None else f"{width} numbers each"
        raise UnrolledError(f"{what} is {kind(value)}, expected a list of steps of {each}")
    if len(value) > most:
        raise UnrolledError(f"{what} has {len(value):,} steps, expected at most {most:,}")
    if array:
        if value.shape[1] != width:
            raise UnrolledError(f"{what}[0] has {value.shape[1]:,} numbers, expected {width}")
        check_numbers(value, what, gaps=gaps)
        return value  # type: ignore[no-any-return]
    if width is None:
        width = len(value[0]) if type(value[0]) is list else 0
    for place, row in enumerate(value):
        if type(row) is not list:
            raise UnrolledError(f"{what}[{place}] is {kind(row)}, expected {width or 'a list of'} numbers")
        if len(row) != width:
            raise UnrolledError(f"{what}[{place}] has {len(row):,} numbers, expected {width}")
    allowed = {int, float, type(None)} if gaps else {int, float}
    if not set(map(type, itertools.chain.from_iterable(value))) <= allowed:
        row, column, odd = next(
            (row, column, number)
            for row, numbers in enumerate(value)
            for column, number in enumerate(numbers)
            if type(number) not in allowed
        )
        raise UnrolledError(f"{what}[{row}][{column}] is {kind(odd)}, expected a number")
    numbers: Any = itertools.chain.from_iterable(value)
    if gaps:
        numbers = (math.nan if number is None else number for number in numbers)
    count = len(value) * width
    try:
        packed = struct.pack(f"<{count}f", *numbers)
    except (OverflowError, struct.error):  # one is too large for float32, or for any float
        steps = np.array([[math.inf if _is_huge(number) else 0.0 for number in row] for row in value], "f4")
    else:
        steps = np.frombuffer(packed, "<f4").astype(np.float32).reshape(len(value), width)
    check_numbers(steps, what, gaps=gaps)
    return steps


def steps_in(content: bytes | memoryview, width: int, most: int) -> Numbers:
    """Steps [T, I] in the compact form: T I numbers, float32, the lowest byte first.

    Raises:
        UnrolledError: as `steps_of`.
    """
    count, rest = divmod(len(content), 4 * width)
    if rest or not count:
        raise UnrolledError(
            f"{len(content):,} bytes of steps came, expected a multiple of {4 * width}: {width} numbers of "
            "float32 a step"
        )
    if count > most:
        raise UnrolledError(f"steps has {count:,} steps, expected at most {most:,}")
    steps = np.frombuffer(content, dtype="<f4").reshape(count, width).astype(np.float32)
    check_numbers(steps)
    return steps


def check_numbers(steps: Numbers, what: str = "steps", gaps: bool = False) -> None:
    """Raise an UnrolledError if a number is infinite or, without `gaps`, none."""
    flat = steps.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        if not gaps and math.isfinite(np.dot(flat, flat)):
            return  # the short way
    wrong = np.isinf(steps) if gaps else ~np.isfinite(steps)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise UnrolledError(f"{what}[{row}][{column}] is no finite number of float32, expected one")


def text_of(values: Mapping[str, Any], key: str) -> str | None:
    """The text under a key, None if there is none."""
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise UnrolledError(f"{key} is {kind(value)}, expected text")
    return value


def flag_of(values: Mapping[str, Any], key: str) -> bool:
    """The truth value under a key, False if there is none."""
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise UnrolledError(f"{key} is {kind(value)}, expected true or false")
    return value


def kind(value: Any) -> str:
    """What a value of JSON is, in words that stay short whatever it holds.

    >>> [kind(value) for value in (None, True, 1, 2.5, "text", [], [1], {})]
    ['null', 'a truth value', 'a number', 'a number', 'text', 'an empty list', 'a list', 'an object']
    """
    if value == []:
        return "an empty list"
    names = {type(None): "null", bool: "a truth value", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _is_huge(number: Any) -> bool:
    return number is not None and not -3.4e38 < number < 3.4e38


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is there twice")
    return values


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_once)
