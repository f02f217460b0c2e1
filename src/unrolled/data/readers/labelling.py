"""What the files of a folder are: as the folders that they lie in, their names or a table beside them say."""

from __future__ import annotations

import os
from typing import NamedTuple

from unrolled.data.readers.metadata import LABEL_COLUMNS, read_metadata
from unrolled.data.readers.names import EXAMPLE, NamePattern
from unrolled.data.readers.walk import Place
from unrolled.errors import UnrolledError, unknown_name
from unrolled.names import natural, printable

PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
PARTS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
PART, FOLDER, IGNORED = "part", "folder", "_"


class Said(NamedTuple):
    """What is said of files.

    Attributes:
        files: those that something is said of.
        labels: of each.
        label_name: what says so: the name of a field or column, or "folder".
        classes: where folders are classes, their names in natural order.
        columns: what else is said of each file, by name.
        notes: what was left out.
    """

    files: list[Place]
    labels: list[str]
    label_name: str
    classes: tuple[str, ...] | None
    columns: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


def label_files(
    path: str | os.PathLike[str],
    files: list[Place],
    folders: list[Place],
    tables: list[Place],
    pattern: NamePattern | None,
    label: str | None,
) -> Said:
    """Say of each file what it is.

    Raises:
        UnrolledError: nothing says so, or what does is wrong or says it twice.
    """
    notes = []
    said: dict[str, dict[Place, str]] = {}
    told = _from_tables(path, files, tables, said)
    if len(told) < len(files):
        notes.append(f"{len(files) - len(told)} files that no table names are left out")
        files = told
    parts = [PARTS.get(place[0].lower()) if len(place) > 1 else None for place in files]
    above = 1 if all(parts) else 0
    if above:
        _add(path, said, PART, {place: str(part) for place, part in zip(files, parts, strict=True)})
    if pattern is not None:
        values = [pattern.read(place, path) for place in files]
        for number, field in enumerate(pattern.fields):
            if field != IGNORED:
                _add(
                    path, said, field, {place: row[number] for place, row in zip(files, values, strict=True)}
                )
    within = {place: place[above] for place in files if len(place) > above + 1}
    if len(set(within.values())) > 1 and FOLDER not in said:
        said[FOLDER] = within
    name = _label(path, files, said, label)
    labels = said.pop(name)
    if name == FOLDER:
        files, beside = [place for place in files if place in labels], len(files) - len(labels)
        if beside:
            notes.append(f"{beside} files that lie beside the folders of the classes are left out")
        named = {place[above] for place in folders if len(place) == above + 1 and (
            not above or place[0].lower() in PARTS)}  # fmt: skip
        empty = sorted(named - set(labels.values()), key=natural)
        if empty:
            notes.append(f"there is nothing to be read in the folder {', '.join(empty)}: it is no class")
    missing = next((place for place in files if not labels.get(place)), None)
    if missing is not None:
        raise UnrolledError(
            f"{path}: there is no {name} of {'/'.join(missing)!r}, expected one for each file"
        )
    classes = tuple(map(printable, sorted(set(labels.values()), key=natural))) if name == FOLDER else None
    columns = {
        printable(column): tuple(printable(values.get(place, "")) for place in files)
        for column, values in said.items()
    }
    return Said(files, [printable(labels[place]) for place in files], name, classes, columns, tuple(notes))


def _from_tables(
    path: str | os.PathLike[str], files: list[Place], tables: list[Place], said: dict[str, dict[Place, str]]
) -> list[Place]:
    """Add what tables say, and return the files that they name: all, if there is no table."""
    if not tables:
        return files
    told: set[Place] = set()
    for table in tables:
        where = os.path.join(path, *table)
        columns, rows = read_metadata(where, table[:-1], files)
        twice = told & set(rows)
        if twice:
            raise UnrolledError(f"{where}: another table has a row for {'/'.join(min(twice))}, too")
        told |= set(rows)
        for number, column in enumerate(columns):
            said.setdefault(column, {}).update({place: row[number] for place, row in rows.items()})
        part = PARTS.get(os.path.splitext(table[-1])[0].lower())
        if part:
            said.setdefault(PART, {}).update(dict.fromkeys(rows, part))
    return [place for place in files if place in told]


def _add(
    path: str | os.PathLike[str], said: dict[str, dict[Place, str]], name: str, values: dict[Place, str]
) -> None:
    if name in said and said[name] != values:
        raise UnrolledError(f"{path}: two things say the {name} of files: choose another name for a field")
    said[name] = values


def _label(
    path: str | os.PathLike[str], files: list[Place], said: dict[str, dict[Place, str]], label: str | None
) -> str:
    """What says which class a file is of."""
    if label is not None:
        if label not in said:
            error = unknown_name("label", label, said)
            raise UnrolledError(f"{path}: {error.args[0] if said else f'nothing says the {label} of files'}")
        return label
    for name in (*LABEL_COLUMNS, FOLDER):
        if name in said:
            return name
    others = [name for name in said if name != PART]
    if len(others) == 1:
        return others[0]
    if others:
        raise UnrolledError(f"{path}: which of {', '.join(others)} is to be predicted? Name it as the label")
    raise UnrolledError(
        f"{path}: nothing says which class {'/'.join(files[0])!r} is of: put the files of each class into a "
        f"folder of its own, say what their names say, as --names {EXAMPLE}, or put a metadata.csv with the "
        "columns file_name and label beside them"
    )
