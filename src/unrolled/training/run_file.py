"""The files of a run folder, which may come from anywhere: read with bounds, and never hung on."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from unrolled.errors import UnrolledError

MOST_TEXT = 64 * 2**20  # bytes of a file that is read as text


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file, open for reading, and its size in bytes.

    Raises:
        FileNotFoundError: there is none.
        UnrolledError: it cannot be read, or is no file: a pipe would be waited for, a device has no end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise UnrolledError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnrolledError(f"cannot read {path}: it is not a regular file")
    with open(descriptor, "rb") as file:
        yield file, status.st_size


def read_text(path: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        FileNotFoundError: there is none.
        UnrolledError: it is no file, too large or not text.
    """
    with open_regular(path) as (file, size):
        try:
            content = file.read(MOST_TEXT + 1)
        except OSError as error:
            raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > MOST_TEXT:
        raise UnrolledError(f"{path} is damaged: it has {size:,} bytes, expected {MOST_TEXT:,} at most")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnrolledError(f"{path} is damaged: it is not text in UTF-8: {error}") from error


def parse_json(text: str | bytes) -> Any:
    """What a text in JSON says: no key twice, no NaN, no infinity, nothing that cannot be written as text.

    Raises:
        ValueError: it is something else.
    """
    try:
        values = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode("utf-8")  # 1e999, lone surrogates
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return values


def shortened(text: object, most: int = 500) -> str:
    """The text, or its beginning: a damaged file may hold a value of any size."""
    words = str(text)
    return words if len(words) <= most else f"{words[:most]} ..."


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return values
