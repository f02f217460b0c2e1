"""Good files of sequences, one format after the other, how they are damaged, and how they are read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from attacks import mutate
from attacks.mutate import Mutation
from unrolled.data.readers.npz import read_npz
from unrolled.data.readers.table import read_table
from unrolled.data.readers.ts import read_ts

Rows = list[dict[str, object]]


def long_rows() -> Rows:
    """Five sequences of one to five steps of two numbers, whose steps are not in order."""
    random = np.random.default_rng(0)
    rows = [
        {
            "id": f"s{n}",
            "time": f"2026-01-0{t + 1}",
            "label": f"k{n % 2}",
            "x": float(random.normal()),
            "z": t,
        }
        for n in range(5)
        for t in range(n + 1)
    ]
    return [rows[row] for row in random.permutation(len(rows))]


def wide_rows() -> Rows:
    """Five sequences of at most four steps of two numbers."""
    random = np.random.default_rng(0)
    names = [f"{name}_t{t}" for name in ("a", "b") for t in range(4)]
    return [
        {"label": n / 3, **{name: float(random.normal()) if int(name[-1]) < n else None for name in names}}
        for n in range(1, 6)
    ]


def _ts(folder: Path) -> list[dict[str, bytes]]:
    lines = "1.5,2.5,?:3,4,5:a\n-1e-3,7:8,9:b\n"
    timed = "(0,1.5),(1,2.5):(2026-01-01 10:00:00,3),(2,?):0.5\n"
    files = [
        f"# what it is\n@problemName some\n@dimensions 2\n@classLabel true a b\n@data\n{lines * 3}",
        f"@timeStamps true\n@targetLabel true\n@data\n{timed * 3}",
        "@univariate true\n@classLabel false\n@data\n1,2,3\n4,NaN\n",
    ]
    return [{"some": text.encode()} for text in files]


def _csv(folder: Path) -> list[dict[str, bytes]]:
    files = []
    for rows in (long_rows(), wide_rows()):
        for delimiter in ",;\t":
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
            files.append(text.getvalue())
    files.append(files[1].replace(".", ","))
    files.append("".join(f'"a, b";"{n}"\r\n' for n in range(5)))
    files.append("  1.0e+00  5.0e-01  1.5\n  2.0e+00  3.5  NaN\n")
    return [{"some": text.encode()} for text in files] + [{"some": gzip.compress(files[0].encode())}]


def _jsonl(folder: Path) -> list[dict[str, bytes]]:
    return [
        {"some": "".join(json.dumps(row) + "\n" for row in rows).encode()}
        for rows in (long_rows(), wide_rows())
    ]


def _parquet(folder: Path) -> list[dict[str, bytes]]:
    import pyarrow.parquet  # here: attacks of other parsers have their memory measured without it

    files = []
    for rows in (long_rows(), wide_rows()):
        for compression in ("none", "snappy", "gzip", "zstd"):
            file = io.BytesIO()
            table = pyarrow.Table.from_pylist(rows)
            pyarrow.parquet.write_table(table, file, compression=compression, row_group_size=4)
            files.append({"some": file.getvalue()})
    return files


def _npz(folder: Path) -> list[dict[str, bytes]]:
    random = np.random.default_rng(0)
    x, lengths = random.normal(size=(4, 5, 3)), np.array([5, 1, 3, 2])
    flat = x.reshape(-1, 3)[:11].astype(np.float32)
    made = [
        {"x": x, "lengths": lengths, "y": lengths % 2},
        {"steps": flat, "lengths": lengths, "labels": np.array(list("abab"))},
        {"x_train": x, "y_train": x[:, 0, 0], "x_test": x[:2], "y_test": x[:2, 0, 0]},
    ]
    files = []
    for arrays in made:
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, **arrays)
            files.append({"some": file.getvalue()})
    return files


def in_archive(content: bytes, dice: mutate.Dice) -> bytes:
    """In one of the arrays of an archive, whose checksum is then right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    name = dice.choice(list(arrays))
    change = dice.choice([mutate.in_npy_header, mutate.in_npy_header, mutate.anyhow])
    arrays[name] = change(arrays[name], dice)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for entry, array in arrays.items():
            archive.writestr(entry, array)
    return file.getvalue()


def in_lines(content: bytes, dice: mutate.Dice) -> bytes:
    """Cells of text changed, moved or taken away, so that rows do not fit each other."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(in_lines(gzip.decompress(content), dice), 1, mtime=0)
    lines = content.splitlines(keepends=True)
    row = dice.randrange(len(lines))
    kind = dice.randrange(5)
    if kind == 0:
        lines[row] = mutate.anyhow(lines[row], dice)
    elif kind == 1:
        lines.insert(dice.randrange(len(lines) + 1), lines[row])
    elif kind == 2:
        del lines[row]
    else:
        parts = lines[row].split(b"," if kind == 3 else b":")
        parts[dice.randrange(len(parts))] = dice.choice(
            [*parts, *mutate.WORDS[:5], b"", b"inf", b"?", b"1,5"]
        )
        lines[row] = (b"," if kind == 3 else b":").join(parts)
    return b"".join(lines)


def _as(ending: str) -> Callable[[Path], object]:
    """Read a table whose name ends so."""

    def read(folder: Path) -> object:
        path = folder / f"some.{ending}"
        (folder / "some").rename(path)
        return read_table(path)

    return read


READERS: dict[str, tuple[Callable[[Path], list[dict[str, bytes]]], Callable[[Path], object]]] = {
    "ts": (_ts, lambda folder: read_ts(folder / "some")),
    "csv": (_csv, _as("csv")),
    "jsonl": (_jsonl, _as("jsonl")),
    "parquet": (_parquet, _as("parquet")),
    "npz": (_npz, lambda folder: read_npz(folder / "some")),
}
DAMAGE: dict[str, list[Mutation]] = {
    "ts": [in_lines, in_lines, mutate.anyhow],
    "csv": [in_lines, in_lines, mutate.anyhow, mutate.repacked],
    "jsonl": [in_lines, mutate.anyhow],
    "parquet": [mutate.anyhow],
    "npz": [in_archive, in_archive, mutate.anyhow],
}
