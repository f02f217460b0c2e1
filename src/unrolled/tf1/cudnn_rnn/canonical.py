"""cuDNN's weights under the canonical names of TensorFlow 1's checkpoints: the one file that knows both.

A cell of the library has cuDNN's layout: for each gate a matrix of x and one of h, and two biases. A
checkpoint has the variables of the cell that computes the same, in that cell's layout; where it has one bias
for two it is their sum, of which each gets half when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unrolled.cells import GRUCell, LSTMCell
from unrolled.tf1.rnn.gate_layout import swap_gates


def variables(cell: Any, own: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The canonical variables of an LSTMCell, a GRUCell with reset="after" or an RNNCell."""
    w = dict(cell.named_parameters()) if own is None else own
    if isinstance(cell, GRUCell):
        gates, n = 2 * cell.hidden_size, slice(2 * cell.hidden_size, None)
        return {
            "gates/kernel": torch.cat([w["weight_ih"][:gates].T, w["weight_hh"][:gates].T]),
            "gates/bias": w["bias_ih"][:gates] + w["bias_hh"][:gates],
            "candidate/input_projection/kernel": w["weight_ih"][n].T,
            "candidate/hidden_projection/kernel": w["weight_hh"][n].T,
            "candidate/input_projection/bias": w["bias_ih"][n],
            "candidate/hidden_projection/bias": w["bias_hh"][n],
        }
    kernel, bias = torch.cat([w["weight_ih"].T, w["weight_hh"].T]), w["bias_ih"] + w["bias_hh"]
    if isinstance(cell, LSTMCell):
        kernel, bias = swap_gates(kernel), swap_gates(bias)
    return {"kernel": kernel, "bias": bias}


def parameters(cell: Any, canonical: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The cell's own parameters: the inverse of `variables`, each bias that was a sum in two halves."""
    inputs = cell.input_size
    if isinstance(cell, GRUCell):
        gates, half = canonical["gates/kernel"].T, canonical["gates/bias"] / 2
        from_x, from_h = (canonical[f"candidate/{part}_projection/kernel"].T for part in ("input", "hidden"))
        b_x, b_h = (canonical[f"candidate/{part}_projection/bias"] for part in ("input", "hidden"))
        return {
            "weight_ih": torch.cat([gates[:, :inputs], from_x]),
            "weight_hh": torch.cat([gates[:, inputs:], from_h]),
            "bias_ih": torch.cat([half, b_x]),
            "bias_hh": torch.cat([half, b_h]),
        }
    kernel, half = canonical["kernel"], canonical["bias"] / 2
    if isinstance(cell, LSTMCell):
        kernel, half = swap_gates(kernel), swap_gates(half)
    return {
        "weight_ih": kernel[:inputs].T,
        "weight_hh": kernel[inputs:].T,
        "bias_ih": half,
        "bias_hh": half,
    }
