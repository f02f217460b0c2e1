"""Data of your own, of any size: a folder of .npy files, mapped into memory and never read as a whole."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.dataset import Dataset, hold_out
from unrolled.data.examples import Examples
from unrolled.data.labels import CLASSES_FILE, Classes, read_classes, whole
from unrolled.data.mapped import MappedFile
from unrolled.data.npy import NpyHeader, read_header
from unrolled.data.preparation import Preparation
from unrolled.data.sequences import Sequences
from unrolled.data.standardization import Standardization
from unrolled.errors import UnrolledError

FLOATS = ("float16", "float32", "float64")
WHOLE = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
TYPES = (*WHOLE, *FLOATS)
NAMES_OF_TYPES = f"{', '.join(FLOATS)}, whole numbers or bool"


def open_arrays(
    folder: str | os.PathLike[str], *, validation: int | None = None, standardize: bool = False
) -> Dataset:
    """A data set from a folder of arrays, which may be far larger than the memory.

        train-sequences.npy, train-labels.npy              [N, T, I], [N]
        train-lengths.npy                                  [N], of sequences that do not all have T steps
        test-sequences.npy, test-labels.npy                likewise, with N and T of their own
        validation-sequences.npy, validation-labels.npy    need not be there
        classes.txt                                        the name of each class, one a line; need not be

    With lengths, sequences may be [N, T, I], of which the first steps are read and the rest is not; or
    [S, I], the steps of all sequences one behind the other.

    Sequences are uint8, which is for pictures and whose 0..255 stands for 0..1, or any other whole numbers,
    bool, float16, float32 or float64, which are what they are, read as float32. They stay on the disk until
    they are used: `Examples.take` copies them. They must not be written into, nor the files be changed while
    they are open. `save_arrays` makes such folders, and so does `numpy.save`.

    Labels are whole numbers of any type, and are read. With classes.txt they count its lines from 0. Without
    it the classes are the labels that train has, in rising order: a label 7 is of the class "7", whatever
    its number, and a note says so if the labels do not count from 0 without a gap.

    Args:
        folder: where the files are.
        validation: how many of the first training examples are held out to choose by, if there are no files
            for that; None for a tenth, but 5,000 at most.
        standardize: whether each number of a step is brought to mean 0 and deviation 1 over what is trained
            on, which is read once for that; uint8 stays as it is.

    Raises:
        UnrolledError: a file is missing, damaged or holds something else, the files do not fit each other,
            or validation leaves nothing to train on, or is given beside files for it. Files are checked by
            their headers and sizes, labels one by one, sequences not.

    >>> import tempfile
    >>> from unrolled.data import save_arrays
    >>> folder = Path(tempfile.mkdtemp()) / "waves"
    >>> pieces = [(np.zeros((6, 50, 3), np.float32), [0, 1, 0, 1, 0, 1])] * 10
    >>> save_arrays(folder, train=pieces, test=pieces[:2], classes=["sine", "square"])
    >>> waves = open_arrays(folder)
    >>> waves.train.sequences.shape, len(waves.validation), len(waves.test), waves.classes
    (torch.Size([54, 50, 3]), 6, 12, ('sine', 'square'))
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise UnrolledError(f"no folder {folder}: expected one with {', '.join(files_of('train')[:2])} ...")
    train_labels = _read_labels(folder, "train")
    classes = read_classes(folder / CLASSES_FILE, train_labels)
    train = _open(folder, "train", classes, train_labels)
    test = _open(folder, "test", classes, _read_labels(folder, "test"))
    if any(os.path.lexists(folder / file) for file in files_of("validation")):
        held_out = _open(folder, "validation", classes, _read_labels(folder, "validation"))
        if validation not in (None, len(held_out)):
            raise UnrolledError(
                f"validation is {validation!r}, but {folder} has {len(held_out)} examples for that in "
                f"{files_of('validation')[0]}: leave validation out"
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
    if standardize and train.dtype != torch.uint8:
        scaling = Standardization.fit(block.steps for block in train.blocks())
        preparation = Preparation(standardization=scaling)
        train, held_out, test = (
            dataclasses.replace(part, preparation=preparation) for part in (train, held_out, test)
        )
    return Dataset(str(folder.absolute()), train, held_out, test, classes.names, classes.notes())


def is_of_arrays(path: Path) -> bool:
    """Whether a path is a folder that `open_arrays` is for, if perhaps not a whole one."""
    return path.is_dir() and any(os.path.lexists(path / file) for file in files_of("train"))


def files_of(part: str) -> tuple[str, str, str]:
    """The files of a part: sequences, labels, and lengths, which need not be there."""
    return f"{part}-sequences.npy", f"{part}-labels.npy", f"{part}-lengths.npy"


def _read_labels(folder: Path, part: str) -> NDArray[np.int64]:
    """The labels [N] of a part as they are in the file."""
    return _read_whole(folder / files_of(part)[1])


def _read_whole(path: Path) -> NDArray[np.int64]:
    """The whole numbers [N] in a file."""
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
    path, labels_path, lengths_path = (folder / file for file in files_of(part))
    header = read_header(path)
    lengths = _read_whole(lengths_path) if os.path.lexists(lengths_path) else None
    flat = lengths is not None and len(header.shape) == 2
    if str(header.dtype) not in TYPES or len(header.shape) != (2 if flat else 3) or 0 in header.shape:
        advice = "" if len(header.shape) != 2 else f", or {lengths_path.name} beside [S, I]"
        if str(header.dtype.newbyteorder("=")) in TYPES and not header.dtype.isnative:
            advice = ": save array.astype(array.dtype.newbyteorder('=')) in its place"
        raise UnrolledError(
            f"{path} holds {header}, expected {NAMES_OF_TYPES} in this machine's byte order, [N, T, I], none "
            f"of them 0{advice}"
        )
    count = len(lengths) if lengths is not None else header.shape[0]
    if lengths is not None:
        _check_lengths(lengths, lengths_path, header, path.name)
    if len(labels) != count:
        raise UnrolledError(
            f"{labels_path} holds {len(labels)} labels, expected {count}: one for each sequence of "
            f"{path.name}"
        )
    file = MappedFile(path)
    values = file.tensor(header.offset, header.dtype, header.shape)
    numbers = torch.from_numpy(classes.number(labels, labels_path))
    if lengths is None:
        return Examples(values, numbers, file=file)
    if flat:
        return Examples(Sequences.flat(values, torch.from_numpy(lengths), file), numbers)
    return Examples(values, numbers, torch.from_numpy(lengths), file=file)


def _check_lengths(lengths: NDArray[np.int64], path: Path, header: NpyHeader, sequences: str) -> None:
    """Raise an UnrolledError unless lengths are those of sequences [N, T, I], or of steps [S, I]."""
    flat = len(header.shape) == 2
    most = header.shape[0 if flat else 1]
    wrong = (lengths < 1) | (lengths > most)
    if wrong.any():
        row = int(wrong.argmax())
        raise UnrolledError(f"{path} holds {lengths[row]} in row {row}, expected 1 to {most}")
    if flat and int(lengths.sum()) != header.shape[0]:
        raise UnrolledError(
            f"{path} holds lengths of {int(lengths.sum())} steps together, expected the {header.shape[0]} of "
            f"{sequences}"
        )
    if not flat and len(lengths) != header.shape[0]:
        raise UnrolledError(
            f"{path} holds {len(lengths)} lengths, expected {header.shape[0]}: one for each sequence of "
            f"{sequences}"
        )


def _kind(examples: Examples) -> str:
    """What sequences are, as a message says it."""
    return f"{examples.dtype} {[len(examples), examples.steps, examples.width]}"
