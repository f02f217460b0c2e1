"""A folder of recordings, pictures or tables, of which each is a sequence."""

from __future__ import annotations

import collections
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.data.collection import Collection
from unrolled.data.readers import audio, pictures
from unrolled.data.readers.kind import Found
from unrolled.data.readers.labelling import PARTS, label_files
from unrolled.data.readers.log_mel import MelSettings
from unrolled.data.readers.metadata import ENDINGS as METADATA_ENDINGS
from unrolled.data.readers.metadata import has_files
from unrolled.data.readers.names import NamePattern
from unrolled.data.readers.pictures import PictureSettings
from unrolled.data.readers.walk import Place, walk
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError
from unrolled.names import printable

TABLE_ENDINGS = (".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson")
KINDS = {"recordings": audio.ENDINGS, "pictures": pictures.ENDINGS, "tables": TABLE_ENDINGS}


def read(
    path: str | os.PathLike[str],
    *,
    names: str | None = None,
    label: str | None = None,
    by: str = "rows",
    width: int | None = None,
    mel: MelSettings | None = None,
    features: Sequence[str] | None = None,
) -> Collection:
    """The sequences in a folder, one a file, in the natural order of their names.

    Files are recordings (wav, flac, ogg, mp3, aiff), pictures (png, jpg, gif, bmp, tif, webp, ppm) or tables
    with a row a step (csv, tsv, parquet, jsonl), by the endings of their names; of several kinds the
    commonest is read. What each file is, one of these says:

        cat/17.wav                       folders of one class each, whatever lies in them
        7_jackson_32.wav                 names of files, with names="{label}_{speaker}_{index}"
        metadata.csv                     a table, also .tsv or .jsonl, with a column file_name, filename, file
                                         or path

    Above these there may be train, test and validation (dev, val), which become the column "part"; tables of
    these names may take the place of metadata.csv. Fields of names and columns of tables other than the label
    become columns of the collection; folders, where something else is the label, the column "folder".

    Args:
        path: the folder.
        names: the form of the files' names, as `NamePattern` takes it.
        label: the field, or column, that is the label; by default "label", then "class" or "target" of a
            table, then the folder, then the one column that a table has.
        by, width: how pictures are read: see `PictureSettings`.
        mel: how recordings are read.
        features: the columns of tables that are read; None for all.

    Raises:
        UnrolledError: there is nothing to be read, nothing says which class a file is of, a name or a row is
            wrong, or a file cannot be read.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name, size in (("dot_1.png", (4, 6)), ("dash_1.png", (4, 9))):
    ...     Image.new("L", size, 200).save(folder / name)
    >>> found = read(folder, names="{label}_{index}")
    >>> found.labels.tolist(), found.sequences.lengths.tolist(), found.sequences.width, found.columns
    (['dash', 'dot'], [9, 6], 4, {'index': ('1', '1')})
    """
    if not os.path.isdir(path):
        raise UnrolledError(f"no folder {path}: expected one that holds recordings, pictures or tables")
    walked = walk(path)
    tables = [place for place in walked.files if _says_of_files(path, place, walked.files)]
    kind, files, notes = _of_one_kind(path, [place for place in walked.files if place not in tables])
    said = label_files(path, files, walked.folders, tables, NamePattern(names) if names else None, label)
    settings: Mapping[str, Any] = {
        "by": by,
        "width": width,
        "mel": mel or MelSettings(),
        "features": features,
    }
    found = _read_all(kind, [os.path.join(path, *place) for place in said.files], settings)
    return Collection(
        str(path),
        Sequences.of(found.sequences),
        found.features,
        tuple(printable("/".join(place)) for place in said.files),
        np.array(said.labels, dtype=np.str_),
        label_names=(said.label_name,),
        classes=said.classes,
        columns=said.columns,
        reading={"format": "folder", "kind": kind, "settings": found.settings},
        notes=(*walked.notes, *notes, *said.notes, *found.notes),
    )


def read_again(
    path: str | os.PathLike[str],
    reading: Mapping[str, Any],
    *,
    names: str | None = None,
    label: str | None = None,
) -> Collection:
    """A folder with labels, its files read as those were that `reading` is of.

    Raises:
        UnrolledError: as `read` and `read_files`.
    """
    settings = _settings(*_checked(reading))
    return read(
        path,
        names=names,
        label=label,
        by=settings.get("by", "rows"),
        width=settings.get("width"),
        mel=settings.get("mel"),
        features=settings.get("features"),
    )


def read_files(paths: Sequence[str | os.PathLike[str]], reading: Mapping[str, Any]) -> Collection:
    """Files, and what lies in folders, read as the folder was that `reading` is of: without labels.

    Args:
        paths: files of the kind that the folder had, or folders of them.
        reading: that of a collection which `read` returned.

    Raises:
        UnrolledError: `reading` is none, there is no file of the kind, or one cannot be read.
    """
    kind, kept = _checked(reading)
    settings = _settings(kind, kept)
    files: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            files.append(os.fspath(path))
            continue
        within = [place for place in walk(path).files if _kind(place) == kind]
        if not within:
            raise UnrolledError(f"{path} holds no {kind}, expected files with {', '.join(KINDS[kind])}")
        files += [os.path.join(path, *place) for place in within]
    if not files:
        raise UnrolledError(f"there are no files, expected {kind}")
    found = _read_all(kind, files, settings)
    return Collection(
        files[0] if len(files) == 1 else f"{len(files)} files",
        Sequences.of(found.sequences),
        found.features,
        tuple(map(printable, files)),
        reading=dict(reading),
        notes=found.notes,
    )


def _checked(reading: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The kind of files of a folder, and the settings they were read with."""
    if not isinstance(reading, Mapping) or set(reading) != {"format", "kind", "settings"}:
        raise UnrolledError(f"reading is {reading!r}, expected a folder's: format, kind and settings")
    kind, kept = reading["kind"], reading["settings"]
    if reading["format"] != "folder" or kind not in list(KINDS) or not isinstance(kept, Mapping):
        raise UnrolledError(f"reading is {dict(reading)!r}, expected that of a folder")
    return kind, kept


def _settings(kind: str, kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run has kept, checked."""
    if kind == "recordings":
        return {"mel": MelSettings.from_dict(kept)}
    if kind == "pictures":
        kept_settings = PictureSettings.from_dict(kept)
        return {"by": kept_settings.by, "width": kept_settings.width}
    features = kept.get("features")
    if set(kept) != {"features"} or not isinstance(features, list) or not features:
        raise UnrolledError(f"the settings of tables are {dict(kept)!r}, expected the names of features")
    if not all(isinstance(name, str) for name in features):
        raise UnrolledError(f"features are {features!r}, expected names of columns")
    return {"features": features}


def _read_all(kind: str, paths: list[str], settings: Mapping[str, Any]) -> Found:
    if kind == "recordings":
        return audio.read_all(paths, settings["mel"])
    if kind == "pictures":
        return pictures.read_all(paths, PictureSettings(settings["by"], settings["width"]))
    from unrolled.data.readers.table import read_one

    sequences, features = [], tuple(settings["features"] or ())
    for path in paths:
        collection = read_one(path, features=features)
        features = collection.features  # those of the first are those of all
        sequences.append(collection.sequences[0].numpy())
    return Found(sequences, features, {"features": list(features)})


def _kind(place: Place) -> str | None:
    ending = os.path.splitext(place[-1])[1].lower()
    return next((kind for kind, endings in KINDS.items() if ending in endings), None)


def _of_one_kind(path: str | os.PathLike[str], files: list[Place]) -> tuple[str, list[Place], list[str]]:
    """The commonest kind of the files, those of it, and what is left out."""
    kinds = collections.Counter(map(_kind, files))
    unknown = kinds.pop(None, 0)
    if not kinds:
        endings = sorted({os.path.splitext(place[-1])[1] or "no ending" for place in files})[:9]
        seen = f"{unknown} files with {', '.join(endings)}" if files else "no file"
        raise UnrolledError(
            f"{path} holds {seen}, expected recordings (.wav, .flac, .ogg ...), pictures (.png, .jpg ...) or "
            "tables (.csv ...)"
        )
    kind = max(kinds, key=lambda one: kinds[one])
    assert kind is not None
    others = [f"{count} {other}" for other, count in kinds.items() if other != kind]
    others += [f"{unknown} other files"] if unknown else []
    notes = [f"{' and '.join(others)} beside the {kinds[kind]} {kind} are left out"] if others else []
    return kind, [place for place in files if _kind(place) == kind], notes


def _says_of_files(path: str | os.PathLike[str], place: Place, files: list[Place]) -> bool:
    """Whether a file is a table about the others: metadata.csv, or train.tsv with a column of files."""
    stem, ending = os.path.splitext(place[-1].lower())
    if ending not in METADATA_ENDINGS or len(place) > 2:
        return False
    if stem == "metadata":
        return len(place) == 1 or place[0].lower() in PARTS
    return stem in PARTS and len(place) == 1 and has_files(os.path.join(path, *place))
