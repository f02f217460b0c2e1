"""What to do about a training whose numbers are no longer finite."""

from __future__ import annotations

from torch import Tensor

from unrolled.data import as_float

SAMPLE = 256  # sequences
LARGE = 100.0  # values of whitened data stay far below


def advice_on_divergence(sequences: Tensor) -> str:
    """What to do about a training that diverged, from some of the sequences [N, T, I] that it reads.

    >>> import torch
    >>> advice_on_divergence(torch.tensor([[[0.5], [-3e6]]]))
    'scale the data, whose values reach 3e+06, to about -1 to 1, or try a lower learning rate'
    """
    largest = float(as_float(sequences[:SAMPLE]).abs().max())
    if not largest > LARGE:
        return "try a lower learning rate"
    return f"scale the data, whose values reach {largest:.3g}, to about -1 to 1, or try a lower learning rate"
