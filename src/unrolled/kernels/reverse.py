"""Sequences the other way round."""

from __future__ import annotations

import torch
from torch import Tensor


def reverse_steps(x: Tensor, lengths: Tensor | None, *, batch_first: bool) -> Tensor:
    """Each sequence of x [N, T, ...] reversed in time, its padding where it was; lengths are checked."""
    time_axis = 1 if batch_first else 0
    if lengths is None:
        return x.flip(time_axis)
    t = torch.arange(x.shape[time_axis], device=x.device)
    # The step that comes to stand at t: L - 1 - t inside the sequence, t itself in the padding.
    source = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    rows = torch.arange(source.shape[0], device=x.device)
    return x[rows[:, None], source] if batch_first else x[source.T, rows]
