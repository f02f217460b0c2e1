"""What a classifier can see of a whole sequence's outputs, other than the last of them."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.cells.state import LSTMState, State
from unrolled.errors import UnrolledError
from unrolled.unroll.lengths import Lengths, check_lengths

OVER_TIME = ("first", "mean", "max")


def over_time(outputs: Tensor, lengths: Lengths | None, read: str) -> Tensor:
    """The first, the mean or the largest of each sequence's outputs [N, T, F]: [N, F].

    Steps past a length do not count; of a sequence of length 0 all is zero.

    >>> over_time(torch.tensor([[[1.0], [5.0], [9.0]]]), [2], "mean").item()
    3.0
    """
    if read == "first":
        return outputs[:, 0]
    if lengths is None:
        return outputs.mean(dim=1) if read == "mean" else outputs.amax(dim=1)
    batch_size, time, _ = outputs.shape
    lengths = check_lengths(lengths, batch_size, time, outputs.device)
    real = (torch.arange(time, device=outputs.device) < lengths[:, None])[:, :, None]
    if read == "mean":
        return outputs.where(real, 0).sum(dim=1) / lengths.clamp(min=1)[:, None]
    return outputs.where(real, -torch.inf).amax(dim=1).where(lengths[:, None] > 0, 0)


def memory(state: State) -> Tensor:
    """The c of the last layer's final state, which must be an LSTM's."""
    if isinstance(state, LSTMState):
        return state.c
    if not isinstance(state, tuple):
        raise UnrolledError('read is "memory", but the last layer is no LSTM and has no c: choose another')
    return memory(state[-1])
