"""What to do about a training whose numbers are no longer finite."""

from __future__ import annotations

from unrolled.data import Examples

SAMPLE = 256  # sequences
LARGE = 100.0  # values of whitened data stay far below


def advice_on_divergence(examples: Examples) -> str:
    """What to do about a training that diverged, from some of the examples that it reads.

    >>> import torch
    >>> advice_on_divergence(Examples([[[0.5], [-3e6]]], torch.tensor([0])))
    'scale the data, whose values reach 3e+06, to about -1 to 1, or try a lower learning rate'
    """
    largest = max(float(block.steps.abs().max()) for block in examples[:SAMPLE].blocks())
    if not largest > LARGE:
        return "try a lower learning rate"
    return f"scale the data, whose values reach {largest:.3g}, to about -1 to 1, or try a lower learning rate"
