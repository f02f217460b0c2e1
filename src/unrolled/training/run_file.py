"""The files of a run folder, which may come from anywhere: read with bounds, and never hung on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unrolled.errors import UnrolledError
from unrolled.foreign import read_foreign

MOST_TEXT = 64 * 2**20  # bytes of a file that is read as text


def read_text(path: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        MissingFileError: there is none.
        UnrolledError: it is no file, too large or not text.
    """
    content = read_foreign(path, MOST_TEXT)
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
