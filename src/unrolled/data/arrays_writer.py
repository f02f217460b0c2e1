"""A folder of arrays, made piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.atomic import atomic_folder
from unrolled.data.arrays import NAMES_OF_TYPES, TYPES, files_of, open_arrays
from unrolled.data.labels import CLASSES_FILE, whole
from unrolled.data.npy import NpyWriter
from unrolled.errors import UnrolledError
from unrolled.foreign import check_path

Pieces = Iterable[tuple[ArrayLike | Sequence[ArrayLike], ArrayLike]]


def save_arrays(
    folder: str | os.PathLike[str],
    *,
    train: Pieces,
    test: Pieces,
    validation: Pieces | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Make a folder for `open_arrays`, piece by piece: only one of them is in memory at a time.

    The folder appears when all of it is written, or not at all.

    Args:
        folder: to be made; it must not be there yet, or be empty.
        train, test, validation: (sequences, labels [n]) again and again, arrays or tensors: a list, or a
            generator that makes or reads one after the other. Sequences are [n, T, I], or n arrays [T_i, I]
            with lengths of their own.
        classes: the name of each class, in the order of the labels; None to name them 0, 1, 2 ...

    Raises:
        UnrolledError: the folder is taken or cannot be written, or a piece is of another type or does not fit
            the first one.
    """
    folder = Path(folder)
    check_path(folder)
    if os.path.lexists(folder) and not (os.path.isdir(folder) and not any(folder.iterdir())):
        raise UnrolledError(f"{folder} is there already: choose another folder, or remove it")
    parts = {"train": train, "test": test}
    if validation is not None:
        parts["validation"] = validation
    if classes is not None and not all(name.isprintable() for name in classes):
        raise UnrolledError(f"classes are {list(classes)}, expected names of one line each, in letters")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder) as beside:
            for part, pieces in parts.items():
                _save(beside, part, pieces)
            if classes is not None:
                text = "".join(f"{name}\n" for name in classes)
                (beside / CLASSES_FILE).write_text(text, encoding="utf-8")
            try:
                saved = open_arrays(beside, validation=None if validation else 0)
            except UnrolledError as error:
                raise UnrolledError(str(error).replace(str(beside), str(folder))) from None
            if classes is not None and saved.classes != tuple(classes):
                raise UnrolledError(f"classes are {list(classes)}, expected names of one line each")
    except OSError as error:
        raise UnrolledError(f"cannot write {folder}: {error.strerror or error}") from error


def _save(folder: Path, part: str, pieces: Pieces) -> None:
    sequences_path, labels_path, lengths_path = (folder / file for file in files_of(part))
    lengths: list[NDArray[np.int64]] | None = None
    with open(sequences_path, "wb") as sequences_file, open(labels_path, "wb") as labels_file:
        all_sequences, all_labels = NpyWriter(sequences_file), NpyWriter(labels_file)
        for number, (came, labels) in enumerate(pieces):
            what = f"piece {number} of {part}"
            if number == 0 and _is_list(came):
                lengths = []
            if lengths is not None and _is_list(came):
                sequences, of_each = _one_behind_the_other(came, what)
                fit, count = True, len(of_each)
                lengths.append(of_each)
            else:
                sequences = _as_array(came, what)
                fit = str(sequences.dtype) in TYPES and sequences.ndim == 3
                count = len(sequences) if fit else 0
                if fit and lengths is not None:
                    lengths.append(np.full(count, sequences.shape[1]))
                    sequences = sequences.reshape(-1, sequences.shape[2])
            labels = _as_array(labels, f"the labels of {what}")
            if not fit or labels.dtype.kind not in "iufb" or labels.shape != (count,):
                raise UnrolledError(
                    f"{what} is {sequences.dtype} {list(sequences.shape)} with labels {labels.dtype} "
                    f"{list(labels.shape)}, expected {NAMES_OF_TYPES} [n, T, I] and integers [n]"
                )
            try:
                all_sequences.append(sequences)
            except UnrolledError as error:
                raise UnrolledError(f"{what}: {error}") from None
            all_labels.append(whole(labels, what))
        known = None if lengths is None else np.concatenate(lengths)
        alike = known is not None and len(known) > 0 and (known == known[0]).all()
        all_sequences.finish(int(known[0]) if known is not None and alike else None)
        all_labels.finish()
    if known is not None and not alike:
        with open(lengths_path, "wb") as lengths_file:
            np.save(lengths_file, known)


def _as_array(came: ArrayLike | Sequence[ArrayLike], what: str) -> NDArray[Any]:
    try:
        return np.asarray(came)
    except ValueError:  # of what has no shape
        raise UnrolledError(
            f"{what} is a list of arrays of unequal lengths, expected one array; only where the first piece "
            "of a part is a list of arrays [T, I] may their lengths differ"
        ) from None


def _is_list(sequences: Any) -> bool:
    """Whether it is arrays [T_i, I], and not one array [n, T, I]."""
    return isinstance(sequences, (list, tuple)) and len(sequences) > 0 and np.ndim(sequences[0]) == 2


def _one_behind_the_other(sequences: Any, what: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The steps [S, I] of arrays [T_i, I], and the length of each."""
    each = [_as_array(sequence, f"sequence {row} of {what}") for row, sequence in enumerate(sequences)]
    first = each[0]
    for row, one in enumerate(each):
        if one.dtype != first.dtype or one.ndim != 2 or one.shape[1] != first.shape[1] or len(one) == 0:
            raise UnrolledError(
                f"sequence {row} of {what} is {one.dtype} {list(one.shape)}, expected {first.dtype} [T, "
                f"{first.shape[1]}] as the first one, T at least 1"
            )
    if str(first.dtype) not in TYPES:
        raise UnrolledError(f"the sequences of {what} are {first.dtype}, expected {NAMES_OF_TYPES}")
    return np.concatenate(each), np.array([len(one) for one in each])
