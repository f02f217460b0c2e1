"""Files and folders that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Lock an open file until it is closed or its process ends; False if another has it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file or folder until it is closed or its process ends; False if another has it.

        Two descriptors of one process are two holders.

        Raises:
            OSError: this file system has no locks.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to, in the folder of `path`, that takes the place of `path` when the block ends.

    If the block raises, or the process is killed in it, `path` stays what it was. What a killed process
    leaves is removed by the next one that writes `path`.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_path(target) as path:
    ...     _ = path.write_text("whole")
    >>> target.read_text()
    'whole'
    """

    def make(beside: Path) -> int:
        return os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)

    with _beside(path, make) as beside:
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

    def make(beside: Path) -> int | None:
        while True:
            beside.mkdir(exist_ok=True)
            with contextlib.suppress(
                FileNotFoundError
            ):  # another one took it for a leftover: it has no lock yet
                return None if sys.platform == "win32" else os.open(beside, os.O_RDONLY)

    with _beside(path, make) as beside:
        try:
            yield beside
            for entry in beside.rglob("*"):
                if entry.is_file():
                    with entry.open("rb") as written:
                        os.fsync(written.fileno())
            beside.replace(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def _beside(path: Path, make: Callable[[Path], int | None]) -> Iterator[Path]:
    """A new name beside `path`, locked as long as this process works there: so the dead ones can be told."""
    clear_leftovers(path)
    while True:
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        descriptor = make(beside)
        if descriptor is None:
            yield beside
            return
        try:
            with contextlib.suppress(OSError):  # without locks nobody takes it away either
                if not try_lock(descriptor):
                    continue  # another one thinks that it is a leftover
            if is_still(beside, descriptor):
                yield beside
                return
        finally:
            os.close(descriptor)


def is_still(path: Path, descriptor: int) -> bool:
    """Whether the open file is the one that stands at `path`."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def is_leftover(name: str, of: str) -> bool:
    """Whether a file has a name that is given while a file called `of` is written.

    >>> [is_leftover(name, of="note.txt") for name in (".note.txt.0123456789abcdef.part", ".note.txt.part")]
    [True, False]
    """
    # A number is what stood there when names were made of the process's.
    return re.fullmatch(rf"\.{re.escape(of)}\.([0-9a-f]{{16}}|[0-9]{{1,10}})\.part", name) is not None


def clear_leftovers(path: Path) -> None:
    """Remove what writers of `path` that have died left beside it, and nothing else."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            if is_leftover(name, of=path.name):
                _remove_if_dead(path.with_name(name))


def _remove_if_dead(leftover: Path) -> None:
    with contextlib.suppress(OSError):
        is_folder = stat.S_ISDIR(os.lstat(leftover).st_mode)
        if not is_folder and not stat.S_ISREG(os.lstat(leftover).st_mode):
            return
        descriptor = os.open(leftover, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            if try_lock(descriptor):  # else its writer lives
                shutil.rmtree(leftover) if is_folder else leftover.unlink()
        finally:
            os.close(descriptor)
