"""Sequences with what is to be said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from unrolled.data.mapped import MappedFile
from unrolled.data.preparation import Preparation
from unrolled.data.sequences import Sequences, as_float, pad
from unrolled.errors import UnrolledError

BLOCK = 1 << 22  # numbers that are looked at together
NO_CLASS = -1  # the label of a step that is padding


class Batch(NamedTuple):
    """B examples as a network reads them.

    Attributes:
        x: float32 [B, T, I], T the steps of the longest; zero beyond each length.
        labels: int64 [B] classes; float32 [B, K] numbers; or int64 [B, T] a class for each step, -1 beyond
            each length.
        lengths: int64 [B]; None where every step of x is real.
    """

    x: Tensor
    labels: Tensor
    lengths: Tensor | None

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device; lengths stay where they are."""
        return Batch(self.x.to(device), self.labels.to(device), self.lengths)


class Block(NamedTuple):
    """Some examples' steps, one behind the other, without padding.

    Attributes:
        steps: float32 [S, I].
        first: the row of the first of them.
        lengths: int64, of each.
    """

    steps: Tensor
    first: int
    lengths: Tensor


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Examples:
    """N sequences, and what is to be said of each.

    A slice, such as `examples[:100]`, holds the same memory. What stands beyond a sequence's length is never
    read, whatever it is.

    Args:
        sequences: of any real type: a tensor [N, T, I], arrays [T_i, I] with lengths of their own, or
            `Sequences`. uint8 is for pictures, whose 0..255 stands for 0..1; all other numbers are what they
            are.
        labels: int64 [N], a class for each, counted from 0; float32 [N, K], numbers for each; or `Sequences`
            of int64 [S], a class for each step.
        lengths: int64 [N], or whole numbers, of sequences [N, T, I] that do not all have T steps.
        file: the file that sequences [N, T, I] lie in, if they are mapped into memory.
        places: for a slice the rows that it is of, in the file or in the examples that were sliced.
        preparation: what is done to every sequence when it is taken.

    Attributes:
        sequences: the tensor that was given, or `Sequences`.
        lengths: int64 [N]; None where all sequences have T steps.
        labels, file, places, preparation: as they were given.

    Raises:
        UnrolledError: another shape or type, a length out of range, or not one label for each sequence.

    >>> examples = Examples(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5))
    >>> len(examples[:3])
    3
    >>> ragged = Examples([[[1.0], [2.0]], [[3.0]]], torch.tensor([0, 1]))
    >>> ragged.take(torch.tensor([1, 0])).x.tolist()
    [[[3.0], [0.0]], [[1.0], [2.0]]]
    """

    sequences: Tensor | Sequences
    labels: Tensor | Sequences
    lengths: Tensor | None
    file: MappedFile | None
    places: range | None
    preparation: Preparation | None

    def __init__(
        self,
        sequences: Tensor | Sequences | Sequence[ArrayLike | Tensor],
        labels: Tensor | Sequences,
        lengths: Tensor | Sequence[int] | None = None,
        file: MappedFile | None = None,
        places: range | None = None,
        preparation: Preparation | None = None,
    ) -> None:
        if not isinstance(sequences, (Tensor, Sequences)):
            sequences = Sequences.of(sequences)
        lengths = _lengths_of(sequences, lengths)
        _check_labels(labels, sequences, lengths)
        if preparation is not None:
            preparation.check_width(_width_of(sequences))
        values = (sequences, labels, lengths, file, places, preparation)
        for field, value in zip(dataclasses.fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Examples:
        places = range(len(self)) if self.places is None else self.places
        sequences, labels = (
            part.select(rows) if isinstance(part, Sequences) else part[rows]
            for part in (self.sequences, self.labels)
        )
        lengths = None if self.lengths is None else self.lengths[rows]
        return Examples(sequences, labels, lengths, self.file, places[rows], self.preparation)

    @property
    def width(self) -> int:
        """I, the numbers of a step."""
        return _width_of(self.sequences)

    @property
    def dtype(self) -> torch.dtype:
        """Of the numbers as they are kept."""
        return self.sequences.dtype

    @property
    def pictures(self) -> str | None:
        """What a step of a picture is: one of its "rows" or of its "columns"; None where there are none.

        >>> Examples(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5)).pictures
        'rows'
        """
        if self.dtype != torch.uint8:
            return None
        by_columns = self.preparation is not None and self.preparation.settings.get("by") == "columns"
        return "columns" if by_columns else "rows"

    @property
    def steps(self) -> int:
        """T, the steps of the longest sequence; 0 without any."""
        if self.lengths is not None:
            return int(self.lengths.max()) if len(self) else 0
        assert isinstance(self.sequences, Tensor)
        return self.sequences.shape[1]

    @property
    def shortest(self) -> int:
        """The steps of the shortest sequence; 0 without any."""
        if self.lengths is not None and len(self):
            return int(self.lengths.min())
        return self.steps

    def raw(self, row: int) -> Tensor:
        """One sequence [T_i, I] as it is kept, without its padding."""
        if isinstance(self.sequences, Sequences) or self.lengths is None:
            return self.sequences[row]
        return self.sequences[row, : int(self.lengths[row])]

    def all_lengths(self) -> Tensor:
        """The steps of each sequence, int64 [N], also where all have T."""
        return torch.full((len(self),), self.steps) if self.lengths is None else self.lengths

    def sequence(self, row: int) -> Tensor:
        """One sequence float32 [T_i, I] as a network reads it.

        >>> Examples(torch.tensor([[[255], [9]]], dtype=torch.uint8), torch.tensor([0]), [1]).sequence(0)
        tensor([[1.]])
        """
        return self._read(self.raw(row))

    def expect(self, rows: Tensor) -> None:
        """Begin to read the sequences of these rows, int64 [B], if they are on the disk, and do not wait."""
        if isinstance(self.sequences, Sequences):
            self.sequences.expect(rows)
        elif self.file is not None:
            counts = None if self.lengths is None else self.lengths.index_select(0, rows)
            self.file.read_ahead(self.sequences, rows, counts)

    def take(self, rows: Tensor) -> Batch:
        """Copies of the examples in these rows, int64 [B], as a network reads them.

        >>> pixels = torch.tensor([[[0]], [[255]]], dtype=torch.uint8)
        >>> x, labels, lengths = Examples(pixels, torch.tensor([7, 8])).take(torch.tensor([1, 0, 1]))
        >>> x.flatten().tolist(), labels.tolist(), lengths
        ([1.0, 0.0, 1.0], [8, 7, 8], None)
        """
        if isinstance(self.labels, Sequences):
            labels = self.labels.padded(rows, NO_CLASS)
        else:
            labels = self.labels.index_select(0, rows)
        if self.lengths is None:
            assert isinstance(self.sequences, Tensor)
            return Batch(self._read(self.sequences.index_select(0, rows)), labels, None)
        lengths = self.lengths.index_select(0, rows)
        x = self._padded(rows, lengths)
        return Batch(x, labels, None if bool((lengths == x.shape[1]).all()) else lengths)

    def _padded(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Sequences of these rows and lengths, int64 [B], as a network reads them, then zeros."""
        counts: list[int] = lengths.tolist()
        if isinstance(self.sequences, Sequences):
            steps = self.sequences.several(rows)
        else:
            places = zip(rows.tolist(), counts, strict=True)
            steps = [self.sequences[row, :count] for row, count in places]
        if steps and (self.preparation is not None or self.dtype != torch.float32):
            steps = list(self._read(torch.cat(steps), counts).split(counts))
        return pad(steps, torch.empty(0, self.width))

    def blocks(self) -> Iterator[Block]:
        """All steps as they are kept, some sequences at a time: float32, with nothing done to them."""
        each = max(1, self.steps * self.width)
        rows = max(1, BLOCK // each)
        for first in range(0, len(self), rows):
            part = self[first : first + rows]
            if isinstance(part.sequences, Tensor) and part.lengths is None:
                lengths = torch.full((len(part),), self.steps)
                steps = part.sequences.reshape(-1, self.width)
            else:
                assert part.lengths is not None
                lengths, steps = part.lengths, torch.cat([part.raw(row) for row in range(len(part))])
            yield Block(as_float(steps), first, lengths)

    def check_finite(self, part: str) -> None:
        """Raise an UnrolledError that names the first number that is infinite or none at all, as float32.

        What is missing is none, but where the preparation fills it. All sequences are read once, block by
        block.
        """
        if not self.dtype.is_floating_point:
            return
        fills = self.preparation is not None and self.preparation.missing != "error"
        for block in self.blocks():
            wrong = block.steps.isinf() if fills else ~block.steps.isfinite()
            if wrong.any():
                place, number = wrong.nonzero()[0].tolist()
                came = float(block.steps[place, number])
                ends = block.lengths.cumsum(0)
                within = int(torch.searchsorted(ends, place, right=True))
                step = place - int(ends[within] - block.lengths[within])
                row = block.first + within if self.places is None else self.places[block.first + within]
                file = self.sequences.file if isinstance(self.sequences, Sequences) else self.file
                where = f"the sequences of {part}" if file is None else str(file.path)
                raise UnrolledError(
                    f"{where}: in row {row}, step {step}, number {number} is {came}, expected finite ones "
                    "in float32's range: mend it, or leave the row out"
                )

    def _read(self, values: Tensor, lengths: list[int] | None = None) -> Tensor:
        x = as_float(values)
        return x if self.preparation is None else self.preparation.apply(x, lengths)


def _width_of(sequences: Tensor | Sequences) -> int:
    return sequences.width if isinstance(sequences, Sequences) else sequences.shape[2]


def _lengths_of(sequences: Tensor | Sequences, lengths: Tensor | Sequence[int] | None) -> Tensor | None:
    """The lengths [N] of sequences that fit them; None where all have T steps."""
    if isinstance(sequences, Sequences):
        if sequences.values.dim() != 2:
            raise UnrolledError(f"sequences are of {list(sequences.values.shape)}, expected steps [S, I]")
        if lengths is not None and not torch.equal(torch.as_tensor(lengths), sequences.lengths):
            raise UnrolledError("lengths came beside sequences that have their own: leave them out")
        return sequences.lengths
    if sequences.dim() != 3 or sequences.is_complex():
        raise UnrolledError(
            f"sequences are {sequences.dtype} {list(sequences.shape)}, expected real numbers [N, T, I]"
        )
    if lengths is None:
        return None
    lengths = torch.as_tensor(lengths)
    count, steps, _ = sequences.shape
    if lengths.is_floating_point() or lengths.is_complex() or lengths.shape != (count,):
        raise UnrolledError(
            f"lengths are {lengths.dtype} {list(lengths.shape)}, expected whole numbers [{count}]: one for "
            "each sequence"
        )
    wrong = (lengths < 1) | (lengths > steps)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise UnrolledError(f"lengths[{row}] is {int(lengths[row])}, expected 1 to {steps}")
    return lengths.to(torch.int64)


def _check_labels(labels: Tensor | Sequences, sequences: Tensor | Sequences, lengths: Tensor | None) -> None:
    each_step = isinstance(labels, Sequences)
    values = labels.values if isinstance(labels, Sequences) else labels
    if not (
        (values.dtype == torch.int64 and values.dim() == 1)
        or (values.dtype == torch.float32 and values.dim() == 2 and not each_step)
    ):
        what = "of each step" if each_step else "[N], or torch.float32 [N, K]"
        raise UnrolledError(f"labels are {values.dtype} {list(values.shape)}, expected torch.int64 {what}")
    if len(sequences) != len(labels):
        raise UnrolledError(
            f"{len(sequences)} sequences and {len(labels)} labels, expected one label for each sequence"
        )
    if isinstance(labels, Sequences):
        steps = lengths
        if steps is None:
            assert isinstance(sequences, Tensor)
            steps = torch.full((len(sequences),), sequences.shape[1])
        wrong = labels.lengths != steps
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise UnrolledError(
                f"sequence {row} has {int(steps[row])} steps and {int(labels.lengths[row])} labels, expected "
                "one label for each step"
            )
