"""Data of your own, of any size: a folder of .npy files, mapped into memory and never read as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from unrolled.atomic import atomic_folder
from unrolled.data.examples import Dataset, Examples, hold_out
from unrolled.data.mapped import MappedFile
from unrolled.data.npy import NpyWriter, read_header
from unrolled.errors import UnrolledError

CLASSES_FILE = "classes.txt"
TYPES = ("uint8", "float16", "float32")
MOST_UNNAMED = 10_000  # classes without names: more of them are a damaged label

Pieces = Iterable[tuple[ArrayLike, ArrayLike]]


def open_arrays(folder: str | os.PathLike[str], *, validation: int | None = None) -> Dataset:
    """A data set from a folder of arrays, which may be far larger than the memory.

        train-sequences.npy, train-labels.npy              [N, T, I], [N]
        test-sequences.npy, test-labels.npy                likewise, with N and T of their own
        validation-sequences.npy, validation-labels.npy    need not be there
        classes.txt                                        the name of each class, one a line; need not be

    Sequences are uint8, whose 0..255 stands for 0..1, float16 or float32, and stay on the disk until they
    are used: `Examples.take` copies them. They must not be written into, nor the files be changed while
    they are open. Labels are integers of any type, counted from 0, and are read. `save_arrays` makes such
    folders, and so does `numpy.save`.

    Args:
        folder: where the files are.
        validation: how many of the first training examples are held out to choose by, if there are no files
            for that; None for a tenth, but 5,000 at most.

    Raises:
        UnrolledError: a file is missing, damaged or holds something else, the files do not fit each other,
            or validation leaves nothing to train on, or is given beside files for it. Files are checked by
            their headers and sizes, labels one by one, sequences not.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "waves"
    >>> pieces = [(np.zeros((6, 50, 3), np.float32), [0, 1, 0, 1, 0, 1])] * 10
    >>> save_arrays(folder, train=pieces, test=pieces[:2], classes=["sine", "square"])
    >>> waves = open_arrays(folder)
    >>> waves.train.sequences.shape, len(waves.validation), len(waves.test), waves.classes
    (torch.Size([54, 50, 3]), 6, 12, ('sine', 'square'))
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UnrolledError(f"no folder {folder}: expected one with {', '.join(_files('train'))} ...")
    train, test = _open(folder, "train"), _open(folder, "test")
    classes = _read_classes(folder / CLASSES_FILE) or _numbered_classes(folder, int(train.labels.max()))
    if any((folder / file).exists() for file in _files("validation")):
        held_out = _open(folder, "validation")
        if validation not in (None, len(held_out)):
            raise UnrolledError(
                f"validation is {validation!r}, but {folder} has {len(held_out)} examples for that in "
                f"{_files('validation')[0]}: leave validation out"
            )
    else:
        train, held_out = hold_out(str(folder), train, validation)
    for part, examples in (("validation", held_out), ("test", test)):
        ours, first = examples.sequences, train.sequences
        if (ours.dtype, ours.shape[2]) != (first.dtype, first.shape[2]):
            raise UnrolledError(
                f"{folder}: the sequences of {part} are {ours.dtype} {list(ours.shape)}, those of train "
                f"{first.dtype} {list(first.shape)}: expected the same type and the same last axis"
            )
    return Dataset(str(folder.absolute()), train, held_out, test, classes)


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
        train, test, validation: (sequences [n, T, I], labels [n]) again and again, arrays or tensors: a list,
            or a generator that makes or reads one after the other.
        classes: the name of each class, in the order of the labels; None to name them 0, 1, 2 ...

    Raises:
        UnrolledError: the folder is taken or cannot be written, or a piece is of another type or does not fit
            the first one.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UnrolledError(f"{folder} is there already: choose another folder, or remove it")
    parts = {"train": train, "test": test}
    if validation is not None:
        parts["validation"] = validation
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


def _files(part: str) -> tuple[str, str]:
    return f"{part}-sequences.npy", f"{part}-labels.npy"


def _open(folder: Path, part: str) -> Examples:
    sequences_path, labels_path = (folder / file for file in _files(part))
    header = read_header(sequences_path)
    if str(header.dtype) not in TYPES or len(header.shape) != 3 or 0 in header.shape:
        raise UnrolledError(
            f"{sequences_path} holds {header}, expected {', '.join(TYPES)} in this machine's byte order, "
            "[N, T, I], none of them 0"
        )
    labels_header = read_header(labels_path)
    if labels_header.dtype.kind not in "iu" or labels_header.shape != header.shape[:1]:
        raise UnrolledError(
            f"{labels_path} holds {labels_header}, expected integers [{header.shape[0]}]: "
            f"one label for each sequence of {sequences_path.name}"
        )
    file = MappedFile(sequences_path)
    labels = MappedFile(labels_path).array(labels_header.offset, labels_header.dtype, labels_header.shape)
    return Examples(
        file.tensor(header.offset, header.dtype, header.shape),
        torch.from_numpy(labels.astype(np.int64)),
        file,
    )


def _read_classes(path: Path) -> tuple[str, ...]:
    """The lines of a file, none if it is not there."""
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UnrolledError(f"{path} is not text in UTF-8: {error}") from error
    if not all(names) or len(set(names)) < len(names) or not names:
        raise UnrolledError(
            f"{path} has {len(names)} lines, expected the name of a class on each, none twice"
        )
    return names


def _numbered_classes(folder: Path, highest: int) -> tuple[str, ...]:
    if highest >= MOST_UNNAMED:
        raise UnrolledError(
            f"{folder}: the highest label of train is {highest}, expected less than {MOST_UNNAMED}, "
            f"or a {CLASSES_FILE} with the name of each class"
        )
    return tuple(map(str, range(max(highest, 0) + 1)))


def _save(folder: Path, part: str, pieces: Pieces) -> None:
    paths = (folder / file for file in _files(part))
    with open(next(paths), "wb") as sequences_file, open(next(paths), "wb") as labels_file:
        all_sequences, all_labels = NpyWriter(sequences_file), NpyWriter(labels_file)
        for number, piece in enumerate(pieces):
            sequences, labels = map(np.asarray, piece)
            fit = str(sequences.dtype) in TYPES and sequences.ndim == 3
            if not fit or labels.dtype.kind not in "iu" or labels.shape != sequences.shape[:1]:
                raise UnrolledError(
                    f"piece {number} of {part} is {sequences.dtype} {list(sequences.shape)} with labels "
                    f"{labels.dtype} {list(labels.shape)}, expected {', '.join(TYPES)} [n, T, I] "
                    "and integers [n]"
                )
            try:
                all_sequences.append(sequences)
            except UnrolledError as error:
                raise UnrolledError(f"piece {number} of {part}: {error}") from None
            all_labels.append(labels.astype(np.int64))
        all_sequences.finish()
        all_labels.finish()
