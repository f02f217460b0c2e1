"""What lies in a folder and in the folders within it, in an order that does not depend on the disk."""

from __future__ import annotations

import os
from typing import NamedTuple

from unrolled.errors import UnrolledError
from unrolled.foreign import check_path
from unrolled.names import natural

DEEPEST, MOST_FILES = 16, 4_000_000
HIDDEN = (".", "__MACOSX")
Place = tuple[str, ...]  # the names of folders, and of the file


class Walked(NamedTuple):
    """What lies in a folder.

    Attributes:
        files: where, from the folder on, in natural order.
        folders: likewise.
        notes: what was passed over.
    """

    files: list[Place]
    folders: list[Place]
    notes: tuple[str, ...] = ()


def walk(folder: str | os.PathLike[str]) -> Walked:
    """The files in a folder and below, hidden ones and what is no file left out.

    Links are followed; a folder that is met again is passed over, so that no circle of them is endless.

    Raises:
        UnrolledError: a folder cannot be read, they are nested too deep, or there are too many files.
    """
    check_path(folder)
    files: list[Place] = []
    folders: list[Place] = []
    ahead: list[Place] = [()]
    seen, again = set(), 0
    while ahead:
        place = ahead.pop()
        path = os.path.join(folder, *place)
        try:
            identity = os.stat(path)
            if (identity.st_dev, identity.st_ino) in seen:
                again += 1
                continue
            seen.add((identity.st_dev, identity.st_ino))
            with os.scandir(path) as entries:
                found = sorted(
                    (natural(entry.name), entry.is_dir()) for entry in entries
                    if not entry.name.startswith(HIDDEN) and (entry.is_dir() or entry.is_file())
                )  # fmt: skip
        except OSError as error:
            raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error
        if place:
            folders.append(place)
        if len(place) > DEEPEST:
            raise UnrolledError(f"{path} is a folder within {DEEPEST} others: expected fewer")
        names = [(str(key[-1]), is_folder) for key, is_folder in found]
        files += [(*place, name) for name, is_folder in names if not is_folder]
        if len(files) > MOST_FILES:
            raise UnrolledError(f"{folder} holds more than {MOST_FILES:,} files")
        ahead += [(*place, name) for name, is_folder in reversed(names) if is_folder]
    files.sort(key=lambda place: tuple(map(natural, place)))
    notes = (f"{again} folders that links lead to a second time are read once",) if again else ()
    return Walked(files, sorted(folders, key=lambda place: tuple(map(natural, place))), notes)
