"""TensorFlow 1's layout of a cell's weights and this library's: the one file that knows both.

A TensorFlow cell multiplies [x, h] with one joint kernel [I + H, gates H] and has one bias; its LSTM's gates
stand in the order i, j, f, o (j is our g). Here W = weight_ih and U = weight_hh are two transposed halves,
the order is i, f, g, o, and there are two biases that only add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unrolled.cells import Cell, GRUCell, HighwayCell, LSTMCell, RNNCell
from unrolled.errors import UnrolledError

GATE_NORMS = ("input", "forget", "transform", "output")  # TensorFlow's scopes for i, f, g, o
# In the order in which TensorFlow makes them.
PEEPHOLES = {"w_f_diag": "weight_cf", "w_i_diag": "weight_ci", "w_o_diag": "weight_co"}


def swap_gates(joint: Tensor, axis: int = -1) -> Tensor:
    """i, j, f, o from i, f, g, o, and the other way round: the two in the middle change places.

    >>> swap_gates(torch.tensor([1, 2, 3, 4])).tolist()
    [1, 3, 2, 4]
    """
    first, second, third, fourth = joint.chunk(4, dim=axis)
    return torch.cat([first, third, second, fourth], dim=axis)


def parameters(cell: Cell, variables: Mapping[str, Any]) -> dict[str, Tensor]:
    """A cell's own parameters from those of the TensorFlow cell with the same options.

    Args:
        cell: an RNNCell, LSTMCell, GRUCell with reset="before" or HighwayCell (of which only the gate).
        variables: arrays or tensors by their name in TensorFlow, without scope: "kernel", "bias";
            "gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"; "w_i_diag", "w_f_diag",
            "w_o_diag"; "projection/kernel"; "input/gamma", "input/beta" and so on; "carry_w", "carry_b".

    Returns:
        Tensors by the names of `cell.state_dict()`. bias_hh is zero.

    Raises:
        UnrolledError: a variable is missing, or TensorFlow 1 has no such cell.

    >>> cell = RNNCell(2, 3)
    >>> kernel, bias = torch.arange(15.0).view(5, 3), torch.ones(3)
    >>> cell.load_state_dict(parameters(cell, {"kernel": kernel, "bias": bias}))
    <All keys matched successfully>
    >>> bool((cell.weight_hh == kernel[2:].T).all())
    True
    """
    _check_known(cell)

    def get(name: str) -> Tensor:
        if name not in variables:
            raise UnrolledError(
                f"a {type(cell).__name__} needs the variable {name}, and there are only "
                f"{', '.join(sorted(variables)) or 'none'}"
            )
        return torch.as_tensor(variables[name], device="cpu")

    if isinstance(cell, HighwayCell):
        return {"weight_carry": get("carry_w").T, "bias_carry": get("carry_b")}
    bias: Tensor | None
    if isinstance(cell, GRUCell):
        kernel = torch.cat([get("gates/kernel"), get("candidate/kernel")], dim=1)
        bias = torch.cat([get("gates/bias"), get("candidate/bias")])
    elif isinstance(cell, LSTMCell):
        kernel = swap_gates(get("kernel"))
        bias = None if cell.layer_norm else swap_gates(get("bias"))
    else:
        kernel, bias = get("kernel"), get("bias")

    weights = {"weight_ih": kernel[: cell.input_size].T, "weight_hh": kernel[cell.input_size :].T}
    if bias is not None and cell.bias_ih is not None:
        weights |= {"bias_ih": bias, "bias_hh": torch.zeros_like(bias)}
    if isinstance(cell, LSTMCell):
        if cell.peephole:
            weights |= {ours: get(theirs) for theirs, ours in PEEPHOLES.items()}
        if cell.proj_size:
            weights["weight_hr"] = get("projection/kernel").T
        if cell.layer_norm:
            for ours, theirs in (("weight", "gamma"), ("bias", "beta")):
                weights[f"norm_gates.{ours}"] = torch.cat([get(f"{gate}/{theirs}") for gate in GATE_NORMS])
                weights[f"norm_c.{ours}"] = get(f"state/{theirs}")
    return {name: weight.contiguous() for name, weight in weights.items()}


def variables(cell: Cell, weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The variables of the TensorFlow cell with the same options: the inverse of `parameters`.

    Args:
        cell: as there.
        weights: other tensors by the names of `cell.state_dict()`, such as an optimizer's averages of its
            gradients; by default the cell's own.

    Raises:
        UnrolledError: TensorFlow 1 has no such cell.
    """
    _check_known(cell)
    if weights is None:
        weights = {name: weight.detach() for name, weight in cell.state_dict().items()}
    if isinstance(cell, HighwayCell):
        return {"carry_w": weights["weight_carry"].T, "carry_b": weights["bias_carry"]}

    kernel = torch.cat([weights["weight_ih"].T, weights["weight_hh"].T])
    bias = (
        weights["bias_ih"] + weights["bias_hh"] if "bias_ih" in weights else kernel.new_zeros(kernel.shape[1])
    )
    if isinstance(cell, GRUCell):
        gates = 2 * cell.hidden_size
        return {
            "gates/kernel": kernel[:, :gates],
            "gates/bias": bias[:gates],
            "candidate/kernel": kernel[:, gates:],
            "candidate/bias": bias[gates:],
        }
    if not isinstance(cell, LSTMCell):
        return {"kernel": kernel, "bias": bias}

    named = {"kernel": swap_gates(kernel)}
    if not cell.layer_norm:
        named["bias"] = swap_gates(bias)
    if cell.peephole:
        named |= {theirs: weights[ours] for theirs, ours in PEEPHOLES.items()}
    if cell.proj_size:
        named["projection/kernel"] = weights["weight_hr"].T
    if cell.layer_norm:
        no_shift = kernel.new_zeros(kernel.shape[1])
        gammas, betas = (
            [
                *weights.get(f"norm_gates.{ours}", no_shift).chunk(4),
                weights.get(f"norm_c.{ours}", no_shift[: cell.hidden_size]),
            ]
            for ours in ("weight", "bias")
        )
        for place in (0, 2, 1, 3, 4):  # TensorFlow makes those of i, j, f, o, and then the state's
            name = (*GATE_NORMS, "state")[place]
            named |= {f"{name}/gamma": gammas[place], f"{name}/beta": betas[place]}
    return named


def _check_known(cell: Cell) -> None:
    if not isinstance(cell, RNNCell | LSTMCell | GRUCell | HighwayCell):
        raise UnrolledError(f"TensorFlow 1 has no cell like {type(cell).__name__}")
    if isinstance(cell, GRUCell) and cell.reset != "before":
        raise UnrolledError(
            "TensorFlow 1's GRUCell resets before the matrix product, and this one after it: "
            'the same weights are another function there; train one with reset="before"'
        )
    if isinstance(cell, LSTMCell) and (cell.layer_norm == "projections" or cell.zoneout):
        option = "zoneout" if cell.zoneout else 'layer_norm="projections"'
        raise UnrolledError(f"TensorFlow 1 has no LSTM with {option}")
