"""A parser of foreign files, what it is fed, and what it may answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from attacks.mutate import Mutation
from unrolled.errors import UnrolledError

Files = dict[str, bytes]


@dataclasses.dataclass(frozen=True)
class Parser:
    """One of them.

    Attributes:
        seeds: makes good files, by their names, in an empty folder.
        mutations: of the file whose name ends so.
        read: reads them from a folder.
    """

    seeds: Callable[[Path], list[Files]]
    mutations: dict[str, list[Mutation]]
    read: Callable[[Path], object]


def files_of(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class refused_or_read:  # noqa: N801
    """A block in which an UnrolledError is as good as an answer."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: object, trace: object) -> bool:
        return kind is not None and issubclass(kind, UnrolledError)
