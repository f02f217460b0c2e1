"""What a path is: which reader reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from unrolled.data.collection import Collection
from unrolled.data.options import DataOptions
from unrolled.errors import UnrolledError

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson")
FILES = (".ts", ".npz", *TABLES)
PACKED = (".gz",)  # around a table


def suffix(path: str | os.PathLike[str]) -> str:
    """What kind of file a name promises: the last suffix, that of a packed file before .gz.

    >>> suffix("a/B.CSV"), suffix("b.csv.gz")
    ('.csv', '.csv')
    """
    path = Path(path)
    return (Path(path.stem) if path.suffix.lower() in PACKED else path).suffix.lower()


# Which options each reader takes, and what it reads is called.
TAKES = {
    "a folder": ("names", "label", "features", "by", "bands"),
    "a .ts file": (),
    "an .npz file": ("label", "features"),
    "a table": ("form", "id", "time", "label", "features"),
}
OF_READERS = tuple(dict.fromkeys(name for names in TAKES.values() for name in names))


def read(path: str | os.PathLike[str], options: DataOptions) -> Collection:
    """The collection in a file or a folder.

    Raises:
        UnrolledError: it is of no known kind, damaged, or the options do not fit it.
    """
    path = Path(path)
    kind = suffix(path)
    if path.is_dir():
        _check("a folder", path, options)
        from unrolled.data.readers import folder
        from unrolled.data.readers.log_mel import MelSettings

        if len(options.label) > 1:
            raise UnrolledError(f"{len(options.label)} labels came, but of a file in {path} there is one")
        return folder.read(
            path,
            names=options.names,
            label=next(iter(options.label), None),
            by=options.by or "rows",
            mel=MelSettings(bands=options.bands) if options.bands else None,
            features=options.features or None,
        )
    if kind == ".ts":
        _check("a .ts file", path, options)
        from unrolled.data.readers.ts import read_ts

        return read_ts(path)
    if kind == ".npz":
        _check("an .npz file", path, options)
        from unrolled.data.readers.npz import read_npz

        return read_npz(path, label=options.label, features=options.features)
    if kind in TABLES:
        _check("a table", path, options)
        from unrolled.data.readers.table import read_table

        asked = options.split_by, (options.test or "").partition("=")[0] if is_choice(options.test) else None
        return read_table(
            path,
            id=options.id,
            time=options.time,
            label=options.label,
            features=options.features,
            columns=tuple(dict.fromkeys(filter(None, asked))),
            form=options.form,
        )
    if not os.path.lexists(path):
        raise UnrolledError(f"there is no file or folder {path}")
    raise UnrolledError(
        f"{path} is of no kind that is read here: expected a folder, or a file {', '.join(FILES)}, tables "
        "also with .gz"
    )


def is_choice(test: str | None) -> bool:
    """Whether what to test on is COLUMN=VALUE of the same data, and no other file."""
    return test is not None and "=" in test and not os.path.lexists(test)


def _check(what: str, path: Path, options: DataOptions) -> None:
    strange = [name for name in OF_READERS if getattr(options, name) and name not in TAKES[what]]
    if strange:
        raise UnrolledError(f"--{strange[0]} says nothing of {what} such as {path}: leave it out")


def pair(folder: Path) -> tuple[Path, Path] | None:
    """The two files of a folder that are the halves of one data set: X_TRAIN.ts and X_TEST.ts, or the like.

    >>> import tempfile
    >>> there = Path(tempfile.mkdtemp())
    >>> for name in ("vowels_TRAIN.ts", "vowels_TEST.ts", "README.md"):
    ...     (there / name).touch()
    >>> [path.name for path in pair(there)]
    ['vowels_TRAIN.ts', 'vowels_TEST.ts']
    """
    files = sorted(path for path in folder.iterdir() if suffix(path) in FILES and path.is_file())
    train, test = ([path for path in files if re.search(half, path.name, re.I)] for half in ("train", "test"))
    return (train[0], test[0]) if len(files) == 2 and len(train) == len(test) == 1 else None


def other_half(path: Path) -> Path | None:
    """The file with "test" in its name where this one has "train", if it is there."""
    name = re.sub("train", lambda word: "TEST" if word[0].isupper() else "test", path.name, flags=re.I)
    other = path.with_name(name)
    return other if name != path.name and other.is_file() else None
