"""Sessions that rest on disk, one signed file each."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from unrolled.atomic import atomic_path, clear_leftovers
from unrolled.serve.errors import TokenError, UnknownSessionError
from unrolled.serve.tokens import Kept, Seal

_ENDING, _TAKEN, _PART = ".session", ".taken", ".part"


class SessionFiles:
    """The sessions in a folder; other processes may use it at the same time.

    A session is in memory or on disk, never in both: who takes one gives its file a name of his own, reads
    it, and has it once he has removed it; so no two servers go on with one session. What a process that was
    killed had in memory is lost, but for its token.

    Args:
        folder: made if it is not there; only its owner may look into it, or into a file. What a process that
            was killed was about to take is put back, and what it was about to write is removed.
        seal: signs and checks what is in the files.
    """

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._folder, self._seal = folder, seal
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for entry in self._found(_TAKEN):  # whoever was about to take it has read no step from it
            session = entry.name.partition(".")[0]
            with contextlib.suppress(FileNotFoundError):
                Path(entry.path).rename(Path(entry.path).with_name(session + _ENDING))
        for entry in self._found(_PART):
            session = entry.name.removeprefix(".").rpartition(_ENDING)[0]
            clear_leftovers(Path(entry.path).with_name(session + _ENDING))

    def write(self, session: str, kept: Kept) -> None:
        """Put a session to rest; its file is there whole or not at all."""
        path = self._path(session)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        with atomic_path(path) as beside:
            beside.chmod(0o600)
            beside.write_bytes(self._seal.sealed(kept, session))

    def take(self, session: str) -> Kept:
        """Read a session, which is then on disk no more.

        Raises:
            UnknownSessionError: there is none, or its file is damaged, or another network's.
        """
        path = self._path(session)
        mine = path.with_suffix(f".{secrets.token_hex(8)}{_TAKEN}")
        try:
            path.rename(mine)  # of two who come at once, one finds nothing
            try:
                kept = self._seal.read(mine.read_bytes(), session)
            except TokenError as error:
                mine.rename(path)  # perhaps this server's key is the wrong one
                raise UnknownSessionError(f"session {session} cannot be read back: {error}") from None
            mine.unlink()
        except FileNotFoundError:  # or a server that was starting took it for a leftover, and put it back
            raise UnknownSessionError(f"there is no session {session}: open one, or give its token") from None
        return kept

    def remove(self, session: str) -> None:
        """Forget a session, if it is there."""
        self._path(session).unlink(missing_ok=True)

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self._found(_ENDING))

    def keep(self, most: int) -> int:
        """Forget those that rest longest until there are no more than so many; how many there are then."""
        found = []
        for entry in self._found(_ENDING):
            with contextlib.suppress(FileNotFoundError):
                found.append((entry.stat().st_mtime, entry.path))
        for _, path in sorted(found)[: max(0, len(found) - most)]:
            Path(path).unlink(missing_ok=True)
        return min(len(found), most)

    def _found(self, ending: str) -> Iterator[os.DirEntry[str]]:
        for part in os.scandir(self._folder):
            if part.is_dir(follow_symlinks=False):
                yield from (entry for entry in os.scandir(part) if entry.name.endswith(ending))

    def _path(self, session: str) -> Path:
        # In many small folders: to write a file is to look through the one that it is in.
        return self._folder / session[:2].replace("-", "_").lower() / (session + _ENDING)
