"""Sequences with their classes, and the three parts of a data set."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from unrolled.data.mapped import MappedFile
from unrolled.errors import UnrolledError, check_count

MOST_VALIDATION = 5000
BLOCK = 1 << 22  # numbers that are looked at together


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """N sequences of T steps, and the class of each.

    A slice, such as `examples[:100]`, holds the same memory.

    Attributes:
        sequences: [N, T, I] of any real type: uint8 for pictures, whose 0..255 stands for 0..1; all other
            numbers are what they are.
        labels: [N] int64, counted from 0.
        file: the file that the sequences lie in, if they are mapped into memory.
        places: for a slice the rows that it is of, in the file or in the examples that were sliced.

    Raises:
        UnrolledError: another shape or type, or not one label for each sequence.

    >>> examples = Examples(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5))
    >>> len(examples[:3])
    3
    """

    sequences: Tensor
    labels: Tensor
    file: MappedFile | None = None
    places: range | None = None

    def __post_init__(self) -> None:
        sequences, labels = self.sequences, self.labels
        if sequences.dim() != 3 or sequences.is_complex():
            raise UnrolledError(
                f"sequences are {sequences.dtype} {list(sequences.shape)}, expected real numbers [N, T, I]"
            )
        if labels.dim() != 1 or labels.dtype != torch.int64:
            raise UnrolledError(f"labels are {labels.dtype} {list(labels.shape)}, expected torch.int64 [N]")
        if len(sequences) != len(labels):
            raise UnrolledError(
                f"{len(sequences)} sequences and {len(labels)} labels, expected one label for each sequence"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Examples:
        places = range(len(self)) if self.places is None else self.places
        return Examples(self.sequences[rows], self.labels[rows], self.file, places[rows])

    def expect(self, rows: Tensor) -> None:
        """Begin to read the sequences of these rows, int64 [B], if they are on the disk, and do not wait."""
        if self.file is not None:
            self.file.read_ahead(self.sequences, rows)

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Copies of the examples in these rows, int64 [B]: what a network reads [B, T, I], and labels [B].

        >>> pixels = torch.tensor([[[0]], [[255]]], dtype=torch.uint8)
        >>> x, labels = Examples(pixels, torch.tensor([7, 8])).take(torch.tensor([1, 0, 1]))
        >>> x.flatten().tolist(), labels.tolist()
        ([1.0, 0.0, 1.0], [8, 7, 8])
        """
        return as_float(self.sequences.index_select(0, rows)), self.labels.index_select(0, rows)

    def check_finite(self, part: str) -> None:
        """Raise an UnrolledError that names the first number that is infinite or none at all, as float32.

        All sequences are read once, block by block.
        """
        if not self.sequences.is_floating_point() or self.sequences.numel() == 0:
            return
        rows = max(1, BLOCK // self.sequences[0].numel())
        for first in range(0, len(self), rows):
            block = as_float(self.sequences[first : first + rows])
            wrong = ~block.isfinite()
            if wrong.any():
                row, step, number = wrong.nonzero()[0].tolist()
                came, row = float(block[row, step, number]), first + row
                row = row if self.places is None else self.places[row]
                where = f"the sequences of {part}" if self.file is None else str(self.file.path)
                raise UnrolledError(
                    f"{where}: in row {row}, step {step}, number {number} is {came}, expected finite ones "
                    "in float32's range: mend it, or leave the row out"
                )


def as_float(sequences: Tensor) -> Tensor:
    """What a network reads, float32: grey values 0..255 (uint8) from 0 to 1, other numbers as they are."""
    if sequences.dtype == torch.uint8:
        return sequences.to(torch.float32).div_(255)
    return sequences.to(torch.float32)


def hold_out(
    name: str, train: Examples, validation: int | None, *, most: int = MOST_VALIDATION
) -> tuple[Examples, Examples]:
    """What is left to train on, and the first `validation` examples; None for a tenth, `most` at most.

    Raises:
        UnrolledError: nothing would be left.
    """
    if validation is None:
        validation = min(len(train) // 10, most)
    try:
        count = check_count("validation", validation, least=0, most=len(train) - 1)
    except UnrolledError:
        raise UnrolledError(
            f"validation is {validation!r}, expected a whole number from 0 to {len(train) - 1}: "
            f"{name} has {len(train)} examples to train on"
        ) from None
    return train[count:], train[:count]


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to train on, to choose by and to test on.

    Attributes:
        name: what it is called.
        train, validation, test: its parts; only validation may be empty.
        classes: the name of each class, in the order of the labels.
        notes: what had to be assumed about it.

    Raises:
        UnrolledError: no classes, nothing to train or test on, or a label that is not a class.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes:
            raise UnrolledError(f"{self.name}: there are no classes, expected the name of at least one")
        for part in ("train", "validation", "test"):
            labels = getattr(self, part).labels
            if len(labels) == 0 and part != "validation":
                raise UnrolledError(f"{self.name}: {part} has no examples, expected at least one")
            wrong = (labels < 0) | (labels >= len(self.classes))
            if wrong.any():
                row = int(wrong.nonzero()[0])
                raise UnrolledError(
                    f"{self.name}: label {row} of {part} is {int(labels[row])}, "
                    f"expected 0 to {len(self.classes) - 1}"
                )

    def check_finite(self) -> None:
        """Raise an UnrolledError if a sequence of any part holds infinite numbers, or what is none."""
        for part in ("train", "validation", "test"):
            getattr(self, part).check_finite(part)
