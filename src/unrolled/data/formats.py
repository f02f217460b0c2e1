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


# Which options each reader takes, by what a user calls them.
OPTIONS = {
    "a folder": ("names", "label", "features", "by", "bands"),
    "a .ts file": ("features",),
    "an .npz file": ("label", "features"),
    "a table": ("form", "id", "time", "label", "features"),
}
OF_READERS = ("form", "id", "time", "names", "by", "bands")


def read(path: str | os.PathLike[str], options: DataOptions) -> Collection:
    """The collection in a file or a folder.

    Raises:
        UnrolledError: it is of no known kind, damaged, or the options do not fit it.
    """
    from unrolled.data.readers import folder, npz, table, ts

    path = Path(path)
    kind = suffix(path)
    if path.is_dir():
        what, reader = "a folder", folder.read
    elif kind == ".ts":
        what, reader = "a .ts file", ts.read
    elif kind == ".npz":
        what, reader = "an .npz file", npz.read
    elif kind in TABLES:
        what, reader = "a table", table.read
    else:
        raise UnrolledError(
            f"{path} is of no kind that is read here: expected a folder, or a file {', '.join(FILES)}, "
            "tables also with .gz"
        )
    given = options.given()
    strange = [name for name in OF_READERS if name in given and name not in OPTIONS[what]]
    if strange:
        raise UnrolledError(f"--{strange[0]} says nothing of {what} such as {path}: leave it out")
    return reader(path, **{name: given[name] for name in OPTIONS[what] if name in given})


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
