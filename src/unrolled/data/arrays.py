"""Data of your own, of any size: a folder of .npy files, mapped into memory and never read as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from unrolled.atomic import atomic_folder
from unrolled.data.dataset import Dataset, hold_out
from unrolled.data.examples import Examples
from unrolled.data.labels import CLASSES_FILE, Classes, read_classes, whole
from unrolled.data.mapped import MappedFile
from unrolled.data.npy import NpyWriter, read_header
from unrolled.errors import UnrolledError
from unrolled.foreign import check_path

FLOATS = ("float16", "float32", "float64")
WHOLE = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
TYPES = (*WHOLE, *FLOATS)
NAMES_OF_TYPES = f"{', '.join(FLOATS)}, whole numbers or bool"

Pieces = Iterable[tuple[ArrayLike, ArrayLike]]


def open_arrays(folder: str | os.PathLike[str], *, validation: int | None = None) -> Dataset:
    """A data set from a folder of arrays, which may be far larger than the memory.

        train-sequences.npy, train-labels.npy              [N, T, I], [N]
        test-sequences.npy, test-labels.npy                likewise, with N and T of their own
        validation-sequences.npy, validation-labels.npy    need not be there
        classes.txt                                        the name of each class, one a line; need not be

    Sequences are uint8, whose 0..255 stands for 0..1, or any other whole numbers, bool, float16, float32 or
    float64, which are what they are, read as float32. They stay on the disk until they are used:
    `Examples.take` copies them. They must not be written into, nor the files be changed while they are
    open. `save_arrays` makes such folders, and so does `numpy.save`.

    Labels are whole numbers of any type, and are read. With classes.txt they count its lines from 0. Without
    it the classes are the labels that train has, in rising order: a label 7 is of the class "7", whatever
    its number, and a note says so if the labels do not count from 0 without a gap.

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
    if not os.path.isdir(folder):
        raise UnrolledError(f"no folder {folder}: expected one with {', '.join(_files('train'))} ...")
    train_labels = _read_labels(folder, "train")
    classes = read_classes(folder / CLASSES_FILE, train_labels)
    train = _open(folder, "train", classes, train_labels)
    test = _open(folder, "test", classes, _read_labels(folder, "test"))
    if any(os.path.lexists(folder / file) for file in _files("validation")):
        held_out = _open(folder, "validation", classes, _read_labels(folder, "validation"))
        if validation not in (None, len(held_out)):
            raise UnrolledError(
                f"validation is {validation!r}, but {folder} has {len(held_out)} examples for that in "
                f"{_files('validation')[0]}: leave validation out"
            )
    else:
        train, held_out = hold_out(str(folder), train, validation)
    for part, examples in (("validation", held_out), ("test", test)):
        types = {examples.dtype, train.dtype}
        if examples.width != train.width or (torch.uint8 in types and len(types) > 1):
            raise UnrolledError(
                f"{folder}: the sequences of {part} are {_kind(examples)}, those of train {_kind(train)}: "
                "expected the same last axis, and uint8 in both or none"
            )
    return Dataset(str(folder.absolute()), train, held_out, test, classes.names, classes.notes())


def is_of_arrays(path: Path) -> bool:
    """Whether a path is a folder that `open_arrays` is for, if perhaps not a whole one."""
    return path.is_dir() and any(os.path.lexists(path / file) for file in _files("train"))


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


def _files(part: str) -> tuple[str, str]:
    return f"{part}-sequences.npy", f"{part}-labels.npy"


def _read_labels(folder: Path, part: str) -> NDArray[np.int64]:
    """The labels [N] of a part as they are in the file."""
    path = folder / _files(part)[1]
    header = read_header(path)
    if header.dtype.kind not in "iufb" or len(header.shape) != 1 or header.shape[0] == 0:
        advice = ""
        if header.dtype.kind in "US":
            advice = (
                f": numpy.unique(labels, return_inverse=True) gives the lines of {CLASSES_FILE} and numbers"
            )
        raise UnrolledError(f"{path} holds {header}, expected integers [N], N at least 1{advice}")
    return whole(MappedFile(path).array(header.offset, header.dtype, header.shape), path)


def _open(folder: Path, part: str, classes: Classes, labels: NDArray[np.int64]) -> Examples:
    path, labels_path = (folder / file for file in _files(part))
    header = read_header(path)
    if str(header.dtype) not in TYPES or len(header.shape) != 3 or 0 in header.shape:
        advice = ""
        if str(header.dtype.newbyteorder("=")) in TYPES and not header.dtype.isnative:
            advice = ": save array.astype(array.dtype.newbyteorder('=')) in its place"
        raise UnrolledError(
            f"{path} holds {header}, expected {NAMES_OF_TYPES} in this machine's byte order, [N, T, I], none "
            f"of them 0{advice}"
        )
    if len(labels) != header.shape[0]:
        raise UnrolledError(
            f"{labels_path} holds {len(labels)} labels, expected {header.shape[0]}: one for each sequence of "
            f"{path.name}"
        )
    file = MappedFile(path)
    return Examples(
        file.tensor(header.offset, header.dtype, header.shape),
        torch.from_numpy(classes.number(labels, labels_path)),
        file=file,
    )


def _kind(examples: Examples) -> str:
    """What sequences are, as a message says it."""
    return f"{examples.dtype} {[len(examples), examples.steps, examples.width]}"


def _save(folder: Path, part: str, pieces: Pieces) -> None:
    paths = (folder / file for file in _files(part))
    with open(next(paths), "wb") as sequences_file, open(next(paths), "wb") as labels_file:
        all_sequences, all_labels = NpyWriter(sequences_file), NpyWriter(labels_file)
        for number, piece in enumerate(pieces):
            sequences, labels = map(np.asarray, piece)
            fit = str(sequences.dtype) in TYPES and sequences.ndim == 3
            if not fit or labels.dtype.kind not in "iufb" or labels.shape != sequences.shape[:1]:
                raise UnrolledError(
                    f"piece {number} of {part} is {sequences.dtype} {list(sequences.shape)} with labels "
                    f"{labels.dtype} {list(labels.shape)}, expected {NAMES_OF_TYPES} [n, T, I] "
                    "and integers [n]"
                )
            try:
                all_sequences.append(sequences)
            except UnrolledError as error:
                raise UnrolledError(f"piece {number} of {part}: {error}") from None
            all_labels.append(whole(labels, f"piece {number} of {part}"))
        all_sequences.finish()
        all_labels.finish()
