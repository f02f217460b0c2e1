"""TensorFlow 1's variables of a cell, read from and written to the parameters of a cell of the library.

TensorFlow has one kernel [I + H, gates H], which x and h share, and one bias. An LSTM's gates stand there in
the order i, j, f, o (j is g), and w_*_diag are the peepholes. A GRU has a kernel for its gates r, u (u is z),
and one for its candidate. Here bias_hh stays zero and is not trained, so that bias_ih is TensorFlow's bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unrolled.cells import Cell, GRUCell, LSTMCell

_NORMS = ("input", "transform", "forget", "output")  # i, j, f, o


def read_variables(cell: Cell) -> dict[str, Tensor]:
    """The variables by TensorFlow's names, in the order in which it makes them."""
    if isinstance(cell, GRUCell):
        return _read_gru(cell)
    if isinstance(cell, LSTMCell):
        return _read_lstm(cell)
    return _joint(cell, slice(None))


def write_variables(cell: Cell, variables: Mapping[str, Tensor]) -> None:
    """Write what `read_variables` gives."""
    if isinstance(cell, GRUCell):
        _write_gru(cell, variables)
    elif isinstance(cell, LSTMCell):
        _write_lstm(cell, variables)
    else:
        _split(cell, slice(None), variables)


def freeze_second_bias(cell: Any) -> None:
    """Make bias_hh zero for good: TensorFlow's cells train one bias."""
    if cell.bias_hh is not None:
        cell.bias_hh.requires_grad_(False).zero_()


def _joint(cell: Any, rows: slice, scope: str = "") -> dict[str, Tensor]:
    """Kernel and bias of the units in `rows` of the cell's weights."""
    kernel = torch.cat([cell.weight_ih[rows], cell.weight_hh[rows]], dim=1).T
    bias = {} if cell.bias_ih is None else {f"{scope}bias": cell.bias_ih[rows]}
    return {f"{scope}kernel": kernel} | bias


def _split(cell: Any, rows: slice, variables: Mapping[str, Tensor], scope: str = "") -> None:
    kernel = variables[f"{scope}kernel"].T
    cell.weight_ih[rows] = kernel[:, : cell.input_size]
    cell.weight_hh[rows] = kernel[:, cell.input_size :]
    if cell.bias_ih is not None:
        cell.bias_ih[rows] = variables[f"{scope}bias"]


def _read_gru(cell: GRUCell) -> dict[str, Tensor]:
    gates = 2 * cell.hidden_size
    return _joint(cell, slice(gates), "gates/") | _joint(cell, slice(gates, None), "candidate/")


def _write_gru(cell: GRUCell, variables: Mapping[str, Tensor]) -> None:
    gates = 2 * cell.hidden_size
    _split(cell, slice(gates), variables, "gates/")
    _split(cell, slice(gates, None), variables, "candidate/")


def _read_lstm(cell: LSTMCell) -> dict[str, Tensor]:
    variables = {name: _swap(value) for name, value in _joint(cell, slice(None)).items()}
    if cell.peephole:
        variables |= {f"w_{k}_diag": getattr(cell, f"weight_c{k}") for k in "fio"}
    if cell.proj_size:
        variables["projection/kernel"] = cell.weight_hr.T
    return variables | _read_norms(cell)


def _write_lstm(cell: LSTMCell, variables: Mapping[str, Tensor]) -> None:
    joint = {name: _swap(variables[name]) for name in ("kernel", "bias") if name in variables}
    _split(cell, slice(None), joint)
    if cell.peephole:
        for k in "fio":
            getattr(cell, f"weight_c{k}").copy_(variables[f"w_{k}_diag"])
    if cell.proj_size:
        cell.weight_hr.copy_(variables["projection/kernel"].T)
    for name, norm in _read_norms(cell).items():
        norm.copy_(variables[name])


def _swap(ifgo: Tensor) -> Tensor:
    """From i, f, g, o to i, j, f, o and back, on the last axis."""
    i, f, g, o = ifgo.chunk(4, dim=-1)
    return torch.cat([i, g, f, o], dim=-1)


def _read_norms(cell: LSTMCell) -> dict[str, Tensor]:
    """Views of the layer norms: gamma is the scale, beta the shift."""
    if cell.layer_norm is None:
        return {}
    norms: dict[str, Tensor] = {}
    for gate, position in zip(_NORMS, (0, 2, 1, 3), strict=True):
        rows = slice(position * cell.hidden_size, (position + 1) * cell.hidden_size)
        norms[f"{gate}/gamma"] = cell.norm_gates.weight[rows]
        norms[f"{gate}/beta"] = cell.norm_gates.bias[rows]  # type: ignore[index]
    norms["state/gamma"] = cell.norm_c.weight  # type: ignore[assignment]
    norms["state/beta"] = cell.norm_c.bias  # type: ignore[assignment]
    return norms
