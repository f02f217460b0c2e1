"""Who trains in a run folder: one process at a time."""

from __future__ import annotations

import contextlib
import os
import platform
import stat
import weakref
from pathlib import Path

from unrolled.atomic import is_still, try_lock
from unrolled.errors import UnrolledError

LOCK = ".lock"


class RunLock:
    """The right to train in a run folder, until `release`, or until the process ends, however it does.

    It is a lock of the operating system on a file in the folder (flock), so a process that was killed holds
    it no longer, and neither do the children that were forked from one that has it. On NFS it holds between
    machines where the mount has locks. A file system without any lets everybody in.

    Args:
        folder: the run's.

    Raises:
        UnrolledError: another one has it, in this process or in another.
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._descriptor: int | None = self._take(folder)
        _TAKEN.add(self)

    def _take(self, folder: Path) -> int:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        while True:
            descriptor = os.open(self._path, flags, 0o666)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise UnrolledError(f"{self._path} is not a regular file: remove it")
                if not self._locked(descriptor):
                    raise UnrolledError(
                        f"{folder} is being trained by {_holder(descriptor)}: "
                        "wait until that has ended, or stop it"
                    )
                # The one before may have removed the file, between our opening and our locking it.
                if is_still(self._path, descriptor):
                    with contextlib.suppress(OSError):  # who we are is for people: a full disk may lack it
                        os.truncate(descriptor, 0)
                        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    @staticmethod
    def _locked(descriptor: int) -> bool:
        try:
            return try_lock(descriptor)
        except OSError:  # there are no locks here
            return True

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def check(self) -> None:
        """Raise an UnrolledError if the folder is no longer where it was."""
        if self._descriptor is not None and not is_still(self._path, self._descriptor):
            folder = self._path.parent
            raise UnrolledError(
                f"{folder} was moved or removed while it was trained: nothing more is written there; "
                "where it was moved to, `unrolled train --resume` goes on from its last checkpoint"
            )

    def release(self) -> None:
        """Let others in."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            if is_still(self._path, self._descriptor):
                self._path.unlink()
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_TAKEN: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _let_go() -> None:
    """In a child that was forked: the lock is its parent's, and must not outlive it."""
    for lock in list(_TAKEN):
        lock._close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _holder(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        words = os.pread(descriptor, 200, 0).decode(errors="replace").split("\n")[0]
        if words.isprintable() and words:
            return words
    return "another process"
