"""How long each sequence of a batch is: checked once, used by every unrolling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from unrolled.kernels.readable import is_recorded
from unrolled.kernels.reverse import reverse_steps

Lengths: TypeAlias = "Tensor | Sequence[int]"


def check_lengths(lengths: Lengths, batch_size: int, time: int, device: torch.device) -> Tensor:
    """`lengths` as an int64 tensor [N] on `device`.

    Args:
        lengths: whole numbers [N] in any order, each from 0 to T: a tensor, an array or a list.
        batch_size: N.
        time: T.
        device: where the sequences are.

    Raises:
        ValueError: another shape or type, or a length outside 0..T; in a graph that is being recorded the
            values are not known yet, and are brought into that range.
    """
    known = not (isinstance(lengths, Tensor) and is_recorded())
    lengths = torch.as_tensor(lengths, device=device)
    if lengths.numel() == 0:
        lengths = lengths.long()  # an empty list says nothing about its type
    if lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool:
        raise ValueError(f"lengths are {lengths.dtype}, expected whole numbers")
    if lengths.shape != (batch_size,):
        raise ValueError(
            f"lengths has shape {list(lengths.shape)}, expected [{batch_size}]: one length for each sequence"
        )
    lengths = lengths.to(torch.int64)
    if not known:
        return lengths.clamp(0, time)  # a graph cannot stop at a wrong value
    wrong = (lengths < 0) | (lengths > time)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(f"lengths[{row}] is {int(lengths[row])}, expected 0 to {time} (x has {time} steps)")
    return lengths


def reverse_sequence(x: Tensor, lengths: Lengths | None = None, *, batch_first: bool = True) -> Tensor:
    """Reverse each sequence in time, and leave its padding where it is.

    Args:
        x: [N, T, ...], or [T, N, ...] with batch_first=False.
        lengths: [N], from 0 to T; None if all sequences have T steps.
        batch_first: whether the batch is the first axis of x.

    >>> x = torch.tensor([[1, 2, 3], [4, 5, 0]]).unsqueeze(2)
    >>> reverse_sequence(x, [3, 2]).squeeze(2).tolist()
    [[3, 2, 1], [5, 4, 0]]
    """
    if lengths is not None:
        batch_size, time = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
        lengths = check_lengths(lengths, batch_size, time, x.device)
    return reverse_steps(x, lengths, batch_first=batch_first)
