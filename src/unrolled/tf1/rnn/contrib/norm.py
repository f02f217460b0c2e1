"""Layer normalisation with the variables, the scopes and the epsilon of `tf.contrib.layers.layer_norm`."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from unrolled.tf1.replay.initializers import constant
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables

EPSILON = 1e-12


def norm_variables(scope: str, num_units: int, gain: float, shift: float) -> Variables:
    """What one norm has: gamma, from `gain`, and beta, from `shift`."""
    return {
        f"{scope}/gamma": ((num_units,), constant(gain)),
        f"{scope}/beta": ((num_units,), constant(shift)),
    }


def normalised(cell: NamedCell, scope: str, value: Tensor) -> Tensor:
    """gamma * (value - mean) / √(variance + ε) + beta, over the last axis."""
    return F.layer_norm(value, value.shape[-1:], cell[f"{scope}/gamma"], cell[f"{scope}/beta"], eps=EPSILON)
