"""Files and folders that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to, in the folder of `path`, that takes the place of `path` when the block ends.

    If the block raises, or the process is killed in it, `path` stays what it was.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_path(target) as path:
    ...     _ = path.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())  # the name must not reach the disk before the bytes
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to write files into, beside `path`, that takes the place of `path` when the block ends.

    `path` must not be there, or be an empty folder. If the block raises it stays what it was.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes"
    >>> with atomic_folder(target) as folder:
    ...     _ = (folder / "note.txt").write_text("whole")
    >>> [entry.name for entry in target.iterdir()]
    ['note.txt']
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.mkdir()
    try:
        yield beside
        for entry in beside.iterdir():
            with entry.open("rb") as written:
                os.fsync(written.fileno())
        beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
