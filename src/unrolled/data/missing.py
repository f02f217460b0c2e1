"""Values that are missing, and what stands in their place."""

from __future__ import annotations

import torch
from torch import Tensor

RULES = ("error", "previous", "mean")


def previous_value(x: Tensor) -> Tensor:
    """x [..., T, I] with the last value before it, of the same sequence, where one is missing (NaN).

    At the beginning of a sequence there is none: there it stays missing.

    >>> nan = float("nan")
    >>> previous_value(torch.tensor([[nan], [1.0], [nan], [nan], [2.0]])).flatten().tolist()
    [nan, 1.0, 1.0, 1.0, 2.0]
    """
    steps = torch.arange(x.shape[-2], device=x.device)[:, None]
    last_known = torch.where(x.isnan(), 0, steps).cummax(dim=-2).values
    return x.gather(-2, last_known)
