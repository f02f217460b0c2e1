"""Archives of arrays, numpy's .npz."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.collection import Collection
from unrolled.data.readers.archive import Archive, open_archive
from unrolled.data.readers.spool import Spool, as_float32
from unrolled.data.readers.targets import Codes, as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError, unknown_name

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
MOST_STEPS = 2**40
PIECE = 1 << 22  # values that are converted at once


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
    with open_archive(path) as archive:
        parts = _parts(list(archive.arrays), given[0])
        read = [_read_part(archive, ending, given) for ending in parts]
    notes = [note for one in read for note in one.notes]
    widths = {one.steps.shape[1] for one in read}
    if len(widths) > 1:
        raise UnrolledError(
            f"{path}: the parts have {sorted(widths)} numbers a step, expected as many in each"
        )
    if len({(one.labels is None, one.each_step) for one in read}) > 1:
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
        raise UnrolledError(f"{path}: the parts have labels of {[list(one.shape) for one in labels]}")
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


def _read_part(archive: Archive, ending: str, given: tuple[str | None, str | None, str | None]) -> _Part:
    path, arrays = archive.path, archive.arrays
    end = f"_{ending}" if ending else ""
    mine = {name.removesuffix(end): name for name in arrays if name.endswith(end)}
    features, label, lengths = given
    name = _find(path, mine, "sequences", features, SEQUENCES)
    length_name = _find(path, mine, "lengths", lengths, LENGTHS)
    notes = []
    if name is None:
        name = _deepest(archive, [one for one in mine.values() if one != length_name])
        notes.append(f"the array {name!r} is taken for the sequences")
    dtype, shape = arrays[name]
    counts = _lengths(archive, length_name) if length_name else None
    if dtype.kind not in "iufb" or len(shape) not in ((2, 3) if counts is None else (1, 2, 3)) or 0 in shape:
        raise UnrolledError(
            f"{path}: {name} is {arrays[name]}, expected numbers [N, T, I] or [N, T], or [S, I] "
            "beside lengths"
        )
    real = None
    if counts is not None and len(shape) < 3 and int(counts.sum()) == shape[0]:
        steps = _steps(archive, name).reshape(shape[0], -1)
    else:
        if counts is None:
            counts = np.full(shape[0], shape[1])
        if len(shape) == 1 or len(counts) != shape[0] or (counts > shape[1]).any():
            raise UnrolledError(
                f"{path}: {name} is {list(shape)}, and {length_name} are {len(counts)} with a sum of "
                f"{counts.sum()}, expected N of at most T steps, or a sum of S for steps [S, I]"
            )
        real = np.arange(shape[1]) < counts[:, None]
        steps = _steps(archive, name).reshape(*shape[:2], -1)[real]
    part = _Part(steps, counts)
    part.notes += notes
    said = _find(path, mine, "labels", label, LABELS)
    if said is not None and said != name:
        part.labels, part.each_step = _labels(archive, said, part, real)
    return part


def _find(path: str, mine: dict[str, str], what: str, given: str | None, names: Sequence[str]) -> str | None:
    if given:
        if given not in mine:
            error = unknown_name(f"array of {what}", given, mine)
            raise UnrolledError(f"{path}: {error.args[0]}")
        return mine[given]
    lower = {stem.lower(): name for stem, name in mine.items()}
    return next((lower[known] for known in names if known in lower), None)


def _deepest(archive: Archive, names: list[str]) -> str:
    """The one array that can be the sequences, by its shape."""
    for depth in (3, 2):
        found = [
            name
            for name in names
            if archive.arrays[name].dtype.kind in "iufb" and len(archive.arrays[name].shape) == depth
        ]
        if len(found) == 1:
            return found[0]
        if found:
            break
    told = ", ".join(f"{name} {described}" for name, described in archive.arrays.items())
    raise UnrolledError(f"{archive.path} has the arrays {told}: say which holds the sequences, as features")


def _lengths(archive: Archive, name: str) -> NDArray[np.int64]:
    described = archive.arrays[name]
    if described.dtype.kind not in "iu" or len(described.shape) != 1 or not described.shape[0]:
        raise UnrolledError(f"{archive.path}: {name} is {described}, expected whole numbers [N]")
    counts = archive.array(name)
    wrong = (counts < 1) | (counts > MOST_STEPS)
    if wrong.any():
        row = int(wrong.argmax())
        raise UnrolledError(
            f"{archive.path}: {name}[{row}] is {counts[row]}, expected a length of at least 1"
        )
    return counts.astype(np.int64)


def _labels(
    archive: Archive, name: str, part: _Part, real: NDArray[np.bool_] | None
) -> tuple[NDArray[Any], bool]:
    """The labels of a part, and whether there is one for each step."""
    described = archive.arrays[name]
    shape, count, total = described.shape, len(part.lengths), len(part.steps)
    fits = described.dtype.kind in "iufbUS" and len(shape) in (1, 2) and 0 not in shape
    if fits and real is not None and shape == real.shape and shape[1] > 1:
        return archive.array(name)[real], True
    if fits and shape[0] == count:
        values = archive.array(name)
        return (values[:, 0] if shape[1:] == (1,) else values), False
    if fits and shape in ((total,), (total, 1)):
        return archive.array(name).reshape(total), True
    raise UnrolledError(
        f"{archive.path}: {name} is {described}, expected labels of {count} sequences, [{count}] or "
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


def _steps(archive: Archive, name: str) -> NDArray[np.float32]:
    """An array of numbers as float32, converted piece by piece."""
    array = archive.array(name)
    flat = array.reshape(len(array), -1)
    steps = np.empty(flat.shape, np.float32)
    size = max(1, PIECE // flat.shape[1])
    for start in range(0, len(flat), size):

        def where(row: int, column: int, start: int = start) -> str:
            place = [int(axis) for axis in np.unravel_index(column, array.shape[1:])]
            return f"{archive.path}: {name}{[start + row, *place]}"

        steps[start : start + size] = as_float32(flat[start : start + size], where)
    return steps.reshape(array.shape)
