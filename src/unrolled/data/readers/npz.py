"""Archives of arrays, numpy's .npz."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from unrolled.data.collection import Collection
from unrolled.data.readers.spool import Spool, as_float32
from unrolled.data.readers.targets import Codes, as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError, unknown_name
from unrolled.foreign import open_foreign

SEQUENCES = ("x", "sequences", "data", "steps", "inputs", "series", "values", "features", "signals")
LABELS = ("y", "labels", "label", "targets", "target", "classes", "class")
LENGTHS = ("lengths", "length", "lens", "seq_lengths", "sequence_lengths")
PARTS = {
    "train": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}
MOST_ARRAYS = 1000
PIECE = 1 << 22  # values that are converted at once
HONEST_RATIO, ALWAYS = 200, 1 << 28  # what an archive may unpack to: zeros shrink well


def read_npz(
    path: str | os.PathLike[str],
    *,
    features: str | Sequence[str] = (),
    label: str | Sequence[str] = (),
    lengths: str | None = None,
) -> Collection:
    """Read sequences from an .npz archive. Nothing is ever unpickled.

        x [N, T, I] or [N, T]      and lengths [N] where they have less than T steps
        steps [S, I], lengths [N]  one behind the other, S the sum of the lengths
        y [N], [N, K]              labels of the sequences
        y [N, T], [S]              a label for each step
        x_train, y_train, x_test   likewise, for each part: a column "part" says which a sequence is of

    Arrays of other names are told by their shapes, if only one can be meant.

    Args:
        path: the file.
        features: the name of the array of sequences (without the part).
        label: the name of the array of labels.
        lengths: the name of the array of lengths.

    Raises:
        UnrolledError: the file cannot be read, is damaged or unpacks to far more than it is, an array holds
            Python objects or no numbers, or the arrays do not fit each other.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two.npz")
    >>> np.savez(path, steps=np.arange(10).reshape(5, 2), lengths=[2, 3], labels=["cat", "dog"])
    >>> two = read_npz(path)
    >>> two.sequences[0].tolist(), two.labels.tolist()
    ([[0.0, 1.0], [2.0, 3.0]], ['cat', 'dog'])

    Reference: numpy.lib.format.
    """
    path = os.fspath(path)
    given = _one("features", features), _one("label", label), lengths
    with _open(path) as archive:
        shapes = _shapes(path, archive)
        parts = _parts(list(shapes), given[0])
        read = [_read_part(path, archive, shapes, ending, given) for ending in parts]
    notes = [note for one in read for note in one.notes]
    widths = {one.steps.shape[1] for one in read}
    if len(widths) > 1:
        raise UnrolledError(
            f"{path}: the parts have {sorted(widths)} numbers a step, expected as many in each"
        )
    labelled = [one.labels is not None for one in read]
    if any(labelled) and not all(labelled) or len({one.each_step for one in read}) > 1:
        raise UnrolledError(f"{path}: some parts have labels and others none, expected the same in each")
    spool = Spool(widths.pop())
    for one in read:
        spool.append(one.steps)
    steps, file = spool.finish()
    count = sum(len(one.lengths) for one in read)
    names = [part for (part, one) in zip(parts.values(), read, strict=True) for _ in range(len(one.lengths))]
    labels = [one.labels for one in read if one.labels is not None]
    width = steps.shape[1]
    if labels and len({one.shape[1:] for one in labels}) > 1:
        raise UnrolledError(
            f"{path}: the parts have labels of {[list(one.shape) for one in labels]}, expected as many"
        )
    all_labels = _as_labels(path, np.concatenate(labels)) if labels else None
    return Collection(
        path=path,
        sequences=Sequences.flat(
            steps, torch.from_numpy(np.concatenate([one.lengths for one in read])), file
        ),
        features=tuple(f"x{i}" for i in range(width)) if width > 1 else ("value",),
        names=tuple(str(row) for row in range(count)),
        labels=all_labels,
        each_step=read[0].each_step,
        label_names=() if all_labels is None else _label_names(all_labels),
        columns={"part": tuple(names)} if "" not in parts else {},
        reading={"format": "npz", "features": given[0] or "", "label": given[1] or "", "lengths": lengths},
        notes=tuple(dict.fromkeys(notes)),
    )


class _Part:
    """The sequences of one part: all steps [S, I], lengths [N], and labels [N, ...] or [S]."""

    def __init__(self, steps: NDArray[np.float32], lengths: NDArray[np.int64]) -> None:
        self.steps, self.lengths = steps, lengths
        self.labels: NDArray[Any] | None = None
        self.each_step = False
        self.notes: list[str] = []


def _one(what: str, names: str | Sequence[str]) -> str | None:
    named = [names] if isinstance(names, str) else list(names)
    if len(named) > 1:
        raise UnrolledError(f"{what} are {', '.join(named)}, expected the name of one array")
    return named[0] if named and named[0] else None


def _parts(names: list[str], features: str | None) -> dict[str, str]:
    """The endings of the arrays' names, and the parts that they stand for; {"": ""} if there are none."""
    found = {}
    for name in names:
        stem, _, ending = name.rpartition("_")
        known = stem == features if features else stem.lower() in SEQUENCES
        if known and ending.lower() in PARTS:
            found[ending] = PARTS[ending.lower()]
    return found or {"": ""}


def _read_part(
    path: str,
    archive: zipfile.ZipFile,
    shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]],
    ending: str,
    given: tuple[str | None, str | None, str | None],
) -> _Part:
    end = f"_{ending}" if ending else ""
    mine = {name.removesuffix(end): name for name in shapes if name.endswith(end)}
    features, label, lengths = given
    name = _find(path, mine, "sequences", features, SEQUENCES)
    length_name = _find(path, mine, "lengths", lengths, LENGTHS)
    notes: list[str] = []
    if name is None:
        rest = [n for n in mine.values() if shapes[n][1].kind in "iufb" and n != length_name]
        deep = [n for n in rest if len(shapes[n][0]) == 3] or [n for n in rest if len(shapes[n][0]) == 2]
        if len(deep) != 1:
            told = ", ".join(f"{n} {dtype} {list(shape)}" for n, (shape, dtype) in shapes.items())
            raise UnrolledError(f"{path} has the arrays {told}: say which holds the sequences, as features")
        name = deep[0]
        notes.append(f"the array {name!r} is taken for the sequences")
    shape, dtype = shapes[name]
    if dtype.kind not in "iufb" or len(shape) not in (1, 2, 3) or 0 in shape:
        raise UnrolledError(
            f"{path}: {name} is {dtype} {list(shape)}, expected numbers [N, T, I], [N, T] or [S, I]"
        )
    counts = _lengths(path, archive, shapes, length_name)
    if len(shape) == 1 and counts is None:
        raise UnrolledError(
            f"{path}: {name} is {dtype} {list(shape)}, expected [N, T, I], or lengths beside it"
        )
    flat = counts is not None and len(shape) < 3 and int(counts.sum()) == shape[0]
    if (
        counts is not None
        and not flat
        and (len(counts) != shape[0] or len(shape) == 1 or (counts > shape[1]).any())
    ):
        raise UnrolledError(
            f"{path}: {name} is {list(shape)} and {length_name} {list(counts.shape)} with a sum of {counts.sum()}, "
            "expected lengths of N sequences of at most T steps, or steps [S, I] with S that sum"
        )
    steps = _steps(path, archive, name, dtype)
    real = None
    if flat:
        assert counts is not None
        steps = steps.reshape(len(steps), -1)
    else:
        steps = steps.reshape(*shape[:2], -1)
        counts = np.full(shape[0], shape[1]) if counts is None else counts
        real = np.arange(shape[1]) < counts[:, None]
        steps = steps[real] if not real.all() else steps.reshape(-1, steps.shape[2])
    part = _Part(steps, counts)
    part.notes = notes
    said = _find(path, mine, "labels", label, LABELS)
    if said is not None and said != name:
        part.labels, part.each_step = _labels(path, archive, shapes, said, part, real)
    return part


def _find(path: str, mine: dict[str, str], what: str, given: str | None, names: Sequence[str]) -> str | None:
    if given:
        if given not in mine:
            error = unknown_name(f"array of {what}", given, mine)
            raise UnrolledError(f"{path}: {error.args[0]}")
        return mine[given]
    for known in names:
        for stem, name in mine.items():
            if stem.lower() == known:
                return name
    return None


def _lengths(
    path: str,
    archive: zipfile.ZipFile,
    shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]],
    name: str | None,
) -> NDArray[np.int64] | None:
    if name is None:
        return None
    shape, dtype = shapes[name]
    if dtype.kind not in "iu" or len(shape) != 1 or not shape[0]:
        raise UnrolledError(f"{path}: {name} is {dtype} {list(shape)}, expected whole numbers [N]")
    counts = _array(path, archive, name)
    if (counts < 1).any() or (counts > 2**40).any():
        row = int(((counts < 1) | (counts > 2**40)).argmax())
        raise UnrolledError(
            f"{path}: {name} holds {counts[row]} in row {row}, expected lengths of at least 1"
        )
    return counts.astype(np.int64)


def _labels(
    path: str,
    archive: zipfile.ZipFile,
    shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]],
    name: str,
    part: _Part,
    real: NDArray[np.bool_] | None,
) -> tuple[NDArray[Any], bool]:
    """The labels of a part, and whether there is one for each step."""
    shape, dtype = shapes[name]
    count, total = len(part.lengths), len(part.steps)
    if dtype.kind not in "iufbUS":
        raise UnrolledError(f"{path}: {name} is {dtype} {list(shape)}, expected labels: numbers or text")
    if (
        real is not None
        and shape[:2] == real.shape
        and len(shape) == 2
        and shape[1] > 1
        or shape[:2] == (total,)
    ):
        values = _array(path, archive, name)
        if real is not None and shape != (total,):
            values = values[real]
        if shape != (count,):
            return values, True
        return values, False
    if len(shape) in (1, 2) and shape[0] == count and 0 not in shape:
        values = _array(path, archive, name)
        return (values[:, 0] if len(shape) == 2 and shape[1] == 1 else values), False
    raise UnrolledError(
        f"{path}: {name} is {dtype} {list(shape)}, expected labels of {count} sequences, [{count}] or "
        f"[{count}, K], or of their {total} steps"
    )


def _as_labels(path: str, values: NDArray[Any]) -> NDArray[np.str_] | NDArray[np.float64]:
    """Labels as a collection has them: text, or numbers where they are not all whole."""
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.ndim == 2:
        if values.dtype.kind in "US" or not np.isfinite(values).all():
            raise UnrolledError(f"{path}: labels {values.dtype} {list(values.shape)} must be finite numbers")
        return values.astype(np.float64)
    found, codes = np.unique(values, return_inverse=True)
    if values.dtype.kind == "S":
        texts = [text.decode("utf-8", "backslashreplace") for text in found.tolist()]
    else:
        texts = [str(value) for value in found.tolist()]
    return as_labels(path, ["label"], [Codes(codes.astype(np.int32), texts)])


def _label_names(labels: NDArray[Any]) -> tuple[str, ...]:
    return tuple(f"label{i}" for i in range(labels.shape[1])) if labels.ndim == 2 else ("label",)


@contextmanager
def _open(path: str) -> Iterator[zipfile.ZipFile]:
    with open_foreign(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except UnrolledError:
            raise
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            KeyError,
            NotImplementedError,
        ) as error:
            raise UnrolledError(f"{path} is no .npz archive, or damaged: {error}") from error
        except (RuntimeError, OverflowError, MemoryError) as error:  # a password, or sizes that cannot be
            raise UnrolledError(f"{path} is no .npz archive, or damaged: {error}") from error


def _shapes(path: str, archive: zipfile.ZipFile) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """What each array is, by its header; what it promises must be there, and not be a trap."""
    entries = archive.infolist()
    if len(entries) > MOST_ARRAYS:
        raise UnrolledError(f"{path} holds {len(entries):,} arrays, expected at most {MOST_ARRAYS:,}")
    shapes = {}
    packed = sum(entry.compress_size for entry in entries)
    if sum(entry.file_size for entry in entries) > max(ALWAYS, HONEST_RATIO * packed):
        raise UnrolledError(
            f"{path} has {packed:,} bytes and unpacks to far more than arrays do: it is no data set"
        )
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name == entry.filename:
            raise UnrolledError(f"{path} holds {entry.filename!r}, expected arrays, .npy")
        if name in shapes:
            raise UnrolledError(f"{path} holds {name!r} twice")
        shape, dtype, start = _header(path, archive, entry)
        if entry.file_size - start != (expected := _product(shape) * dtype.itemsize):
            raise UnrolledError(
                f"{path}: {name} has {entry.file_size - start} bytes of data, expected {expected} for {dtype} "
                f"{list(shape)}"
            )
        shapes[name] = shape, dtype
    if not shapes:
        raise UnrolledError(f"{path} holds no arrays, expected sequences")
    return shapes


def _header(
    path: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    with archive.open(entry) as file:
        try:
            version = npy.read_magic(file)
            read: Callable[..., Any] = (
                npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            )
            shape, _, dtype = read(file)
            if len(shape) > 32 or any(not 0 <= axis < 2**62 for axis in shape):
                raise ValueError("its shape is none that an array can have")
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise
        except Exception as error:  # a damaged header raises whatever its parser stumbles over
            raise UnrolledError(f"{path}: the header of {entry.filename} is damaged: {error}") from error
        if dtype.hasobject:
            raise UnrolledError(
                f"{path}: {entry.filename} holds Python objects, which are not unpickled: save steps [S, I] one "
                "behind the other, and lengths [N]"
            )
        if dtype.kind not in "iufbUScmM" or not dtype.itemsize:
            raise UnrolledError(f"{path}: {entry.filename} is {dtype}, expected numbers or text")
        return tuple(map(int, shape)), dtype, file.tell()


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for axis in shape:
        size *= axis
    return size


def _array(path: str, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        if file.read(1):
            raise UnrolledError(f"{path}: {name} has more data than its header says")
    return array


def _steps(path: str, archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    array = _array(path, archive, name)
    if array.dtype == np.float32 and array.dtype.isnative:
        small = array
        if np.isinf(small).any():
            place = [int(axis) for axis in np.argwhere(np.isinf(small))[0]]
            raise UnrolledError(
                f"{path}: {name}{place} is infinite, expected numbers, or NaN where one is missing"
            )
        return np.ascontiguousarray(small)
    rows = array.reshape(-1, array.shape[-1])
    out = np.empty(rows.shape, np.float32)
    step = max(1, PIECE // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        out[start : start + step] = as_float32(
            rows[start : start + step],
            lambda row, column, start=start: f"{path}: {name}, row {start + row}, number {column}",  # type: ignore[misc]
        )
    return out.reshape(array.shape)
