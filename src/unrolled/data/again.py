"""Other files, read as those of a training were."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.data.collection import Collection
from unrolled.data.formats import suffix
from unrolled.data.preparation import Preparation
from unrolled.errors import UnrolledError

KINDS = {
    "ts": "a .ts file",
    "table": "a table",
    "npz": "an .npz file",
    "folder": "recordings, pictures or tables",
}


def read_again(
    path: str | os.PathLike[str],
    preparation: Preparation,
    *,
    names: str | None = None,
    label: str | None = None,
    columns: Sequence[str] = (),
    labelled: bool = False,
) -> Collection:
    """The collection in a file, or a folder, of the kind that a training read, with the settings of that.

    Args:
        path: the file, or a folder of such files.
        preparation: the training's.
        names: what the names of files in a folder say.
        label: which of what is said of the files in a folder is to be predicted; None to find out.
        columns: those of a table that are kept of each sequence, besides.
        labelled: whether labels are needed: else they may be missing, and are not looked at.

    Raises:
        UnrolledError: the file is of another kind, damaged, or has other features.
    """
    reading = preparation.reading
    try:
        collection = _read(path, reading, names, label, columns, labelled)
    except (KeyError, TypeError) as error:  # a damaged run's
        raise UnrolledError(f"reading is {reading!r}, which no reader knows: {error}") from error
    if len(collection.features) != len(preparation.features):
        raise UnrolledError(
            f"{path} has {len(collection.features)} features, expected {len(preparation.features)} as in "
            "training"
        )
    return collection


def _read(
    path: str | os.PathLike[str],
    reading: Mapping[str, Any],
    names: str | None,
    label: str | None,
    columns: Sequence[str],
    labelled: bool,
) -> Collection:
    kind = reading.get("format")
    if kind == "folder":
        from unrolled.data.readers import folder

        if not labelled:
            return folder.read_files([path], reading)
        return folder.read_again(path, reading, names=names, label=label)
    if kind == "ts" and suffix(path) == ".ts":
        from unrolled.data.readers.ts import read_ts

        return read_ts(path, labelled=labelled)
    if kind == "npz" and suffix(path) == ".npz":
        from unrolled.data.readers.npz import read_npz

        return read_npz(
            path, features=reading["features"], label=reading["label"], lengths=reading["lengths"]
        )
    if kind == "table" and suffix(path) not in (".ts", ".npz") and not os.path.isdir(path):
        from unrolled.data.readers.table import open_table, read_table

        there = open_table(path).names
        labels = [name for name in reading["label"] if labelled or name in there]
        if reading["form"] == "wide" and not labelled:
            columns = labels  # or it would be a feature
        has_id = reading["id"] is None or reading["id"] in there
        return read_table(
            path,
            form=reading["form"] if has_id or reading["form"] == "wide" else "series",
            id=reading["id"] if has_id else None,
            time=reading["time"],
            label=labels if labelled else None,
            features=reading["features"],
            columns=columns,
        )
    expected = KINDS.get(str(kind), "none: its files cannot be read again")
    raise UnrolledError(f"{path} is of another kind than the training's files, expected {expected}")
