"""Values that are missing, and what stands in their place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

RULES = ("error", "previous", "mean")


def previous_value(x: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
    """x [..., T, I] with the last value before it, of the same sequence, where one is missing (NaN).

    At the beginning of a sequence there is none: there it stays missing.

    Args:
        x: whole sequences, or with `lengths` several, one behind the other, [T, I].
        lengths: of each of them.

    >>> nan = float("nan")
    >>> previous_value(torch.tensor([[nan], [1.0], [nan], [nan], [2.0]]), [4, 1]).flatten().tolist()
    [nan, 1.0, 1.0, 1.0, 2.0]
    """
    missing = x.isnan()
    if not missing.any():
        return x
    begins = torch.tensor(0)
    if lengths is not None:
        counts = torch.tensor(lengths)
        begins = (counts.cumsum(0) - counts).repeat_interleave(counts)[:, None]
    steps = torch.arange(x.shape[-2], device=x.device)[:, None]
    last_known = torch.where(missing, 0, steps).cummax(dim=-2).values
    return x.gather(-2, last_known.maximum(begins.to(x.device)))
