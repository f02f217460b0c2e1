"""Files that others made: opened only if they are files, never waited for, and read in bounds."""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat

from unrolled.errors import UnrolledError


class MissingFileError(UnrolledError):
    """There is nothing of that name."""


KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_foreign(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file for reading.

    What is no file is refused before it is opened: a pipe would be waited for, a device has no end, and to
    open one may do something.

    Raises:
        MissingFileError: there is nothing of that name.
        UnrolledError: it is no file, or it cannot be read.

    >>> open_foreign("/")
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: cannot read /: Is a directory
    """
    check_path(path)
    try:
        _check_is_file(path, os.stat(path).st_mode)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            _check_is_file(path, os.fstat(descriptor).st_mode)  # it may be another by now
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
    except FileNotFoundError as error:
        raise MissingFileError(f"cannot read {path}: {error.strerror}") from error
    except OSError as error:
        raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error


def check_path(path: str | os.PathLike[str]) -> None:
    r"""Raise an UnrolledError if nothing can have that name, of which the system makes a bare ValueError.

    >>> check_path("a\0b")
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: no file can be called 'a\x00b'
    """
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise UnrolledError(f"no file can be called {os.fspath(path)!r}")


def read_foreign(path: str | os.PathLike[str], most: int) -> bytes:
    """The content of a file of at most so many bytes.

    Raises:
        UnrolledError: as `open_foreign`, or it holds more.
    """
    with open_foreign(path) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > most:
        raise UnrolledError(f"{path} has more than {most:,} bytes: it is damaged, or something else")
    return content


def map_foreign(path: str | os.PathLike[str]) -> memoryview:
    """The content of a file, mapped into memory: only what is looked at is read.

    Raises:
        UnrolledError: as `open_foreign`.
    """
    with open_foreign(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise UnrolledError(f"cannot map {path}: {error.strerror or error}") from error


def _check_is_file(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        kind = KINDS.get(stat.S_IFMT(mode), "something else")
        raise UnrolledError(f"cannot read {path}: it is {kind}, expected a file")
