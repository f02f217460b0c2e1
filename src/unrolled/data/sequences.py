"""Sequences of lengths of their own, in one array of all their steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unrolled.data.mapped import MappedFile
from unrolled.errors import UnrolledError

BLOCK = 1 << 22  # numbers that are looked at together


class Sequences:
    """N sequences: one array of steps, and which of them belong to each.

        sequence i is values[starts[i] : starts[i] + lengths[i]]

    Nothing is padded before a batch is made, and nothing is copied before that: a slice holds the same
    memory, and windows of one long series may overlap.

    Attributes:
        values: [S, I], or [S] for one value a step, of any real type; it may be mapped into memory.
        starts, lengths: int64 [N].
        file: the file that the values lie in, if they are mapped.

    Raises:
        UnrolledError: another shape or type, or a sequence that is empty or not within the values.

    >>> ragged = Sequences.of([[[1.0], [2.0], [3.0]], [[4.0]]])
    >>> ragged.lengths.tolist(), ragged[1].tolist()
    ([3, 1], [[4.0]])
    """

    def __init__(
        self, values: Tensor, starts: Tensor, lengths: Tensor, file: MappedFile | None = None
    ) -> None:
        if values.dim() not in (1, 2) or values.is_complex():
            raise UnrolledError(f"values are {values.dtype} {list(values.shape)}, expected real ones [S, I]")
        for name, whole in (("starts", starts), ("lengths", lengths)):
            if whole.dtype != torch.int64 or whole.dim() != 1 or len(whole) != len(lengths):
                raise UnrolledError(
                    f"{name} are {whole.dtype} {list(whole.shape)}, expected torch.int64 [{len(lengths)}]"
                )
        wrong = (lengths < 1) | (starts < 0) | (starts + lengths > len(values))
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise UnrolledError(
                f"sequence {row} has {int(lengths[row])} steps from {int(starts[row])} on, expected at least "
                f"one, within the {len(values)} that there are"
            )
        self.values, self.starts, self.lengths, self.file = values, starts, lengths, file

    @classmethod
    def flat(cls, values: Tensor, lengths: Tensor, file: MappedFile | None = None) -> Sequences:
        """Sequences that lie one behind the other."""
        return cls(values, lengths.cumsum(0) - lengths, lengths, file)

    @classmethod
    def dense(
        cls, sequences: Tensor, lengths: Tensor | None = None, file: MappedFile | None = None
    ) -> Sequences:
        """Sequences [N, T, I], of which each has T steps, or as many as `lengths` [N] says."""
        count, steps = sequences.shape[:2]
        starts = torch.arange(count) * steps
        if lengths is None:
            lengths = torch.full((count,), steps)
        elif lengths.shape == (count,) and (lengths > steps).any():
            row = int((lengths > steps).nonzero()[0])
            raise UnrolledError(f"lengths[{row}] is {int(lengths[row])}, expected 1 to {steps}")
        return cls(sequences.reshape(count * steps, *sequences.shape[2:]), starts, lengths, file)

    @classmethod
    def of(cls, arrays: Sequence[ArrayLike | Tensor]) -> Sequences:
        """Arrays [T_i, I] of one real type, which are copied."""
        steps = [torch.as_tensor(array) for array in arrays]
        if not steps:
            raise UnrolledError("there are no sequences, expected arrays [T, I]")
        first = steps[0]
        for row, array in enumerate(steps):
            if array.dim() != 2 or array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
                raise UnrolledError(
                    f"sequence {row} is {array.dtype} {list(array.shape)}, expected {first.dtype} [T, "
                    f"{first.shape[1] if first.dim() == 2 else 'I'}] as the first one"
                )
        return cls.flat(torch.cat(steps), torch.tensor([len(array) for array in steps]))

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Tensor:
        """One sequence [T_i, I]."""
        first = int(self.starts[index])
        return self.values[first : first + int(self.lengths[index])]

    def select(self, rows: slice | Tensor) -> Sequences:
        """Some of the sequences, in the same memory."""
        return Sequences(self.values, self.starts[rows], self.lengths[rows], self.file)

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def width(self) -> int:
        """I, the numbers of a step."""
        return self.values.shape[1]

    def expect(self, rows: Tensor) -> None:
        """Begin to read the sequences of these rows, int64 [B], if they are on the disk, and do not wait."""
        if self.file is not None:
            self.file.read_ahead(self.values, self.starts[rows], self.lengths[rows])

    def padded(self, rows: Tensor, padding: float = 0) -> Tensor:
        """Copies of the sequences in these rows, int64 [B]: [B, T, I], T the longest, then padding."""
        return pad(self.several(rows), self.values, padding)

    def several(self, rows: Tensor) -> list[Tensor]:
        """The sequences in these rows, int64 [B], each [T_i, I]."""
        places = zip(self.starts[rows].tolist(), self.lengths[rows].tolist(), strict=True)
        return [self.values[first : first + count] for first, count in places]

    def blocks(self) -> Iterator[Tensor]:
        """Copies of all steps [S, I], as many sequences at a time as make some millions of numbers."""
        numbers = self.lengths.cumsum(0) * self.values[:1].numel()
        places = (numbers // BLOCK).tolist()
        first = 0
        for row in range(1, len(self) + 1):
            if row == len(self) or places[row] != places[first]:
                yield torch.cat([self[index] for index in range(first, row)])
                first = row


def pad(sequences: Sequence[Tensor], like: Tensor, padding: float = 0) -> Tensor:
    """Copies of sequences [T_i, I], of which there may be none, as [B, T, I], T the longest, then padding.

    >>> pad([torch.ones(1, 1), torch.ones(2, 1)], torch.ones(1, 1)).flatten().tolist()
    [1.0, 0.0, 1.0, 1.0]
    """
    if not sequences:
        return like.new_empty(0, 0, *like.shape[1:])
    return pad_sequence(list(sequences), batch_first=True, padding_value=padding)


def as_float(sequences: Tensor) -> Tensor:
    """What a network reads, float32: grey values 0..255 (uint8) from 0 to 1, other numbers as they are."""
    if sequences.dtype == torch.uint8:
        return sequences.to(torch.float32).div_(255)
    return sequences.to(torch.float32)
