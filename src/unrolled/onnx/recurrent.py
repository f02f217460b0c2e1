"""Cells for which the standard has an operator: LSTM, GRU and RNN, in one direction or in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from unrolled.cells import Cell, GRUCell, LSTMCell, RNNCell
from unrolled.onnx.activations import OPERATORS
from unrolled.onnx.builder import Builder, LSTMNames, under
from unrolled.onnx.layout import TORCH, Array, join_biases, join_peepholes, to_standard

# Those that need no parameters, which runtimes count in different ways.
_ACTIVATIONS = ("tanh", "relu", "sigmoid", "softsign", "softplus")


class Operator(NamedTuple):
    """The operator that computes a cell, and what a node says of it: cells of one go into one node."""

    name: str
    hidden_size: int
    activation: str = "tanh"
    peephole: bool = False
    reset: str = "before"

    @property
    def attributes(self) -> dict[str, Any]:
        """The node's attributes for one direction."""
        φ = OPERATORS[self.activation][0]
        activations = {"LSTM": ["Sigmoid", φ, φ], "GRU": ["Sigmoid", "Tanh"], "RNN": [φ]}[self.name]
        reset = {"linear_before_reset": int(self.reset == "after")} if self.name == "GRU" else {}
        return {"hidden_size": self.hidden_size, **reset, "activations": activations}


def operator_of(cell: Cell) -> Operator | None:
    """The operator that computes this cell as it evaluates; None if the standard has none."""
    if type(cell) is GRUCell:
        return Operator("GRU", cell.hidden_size, reset=cell.reset)
    if type(cell) is RNNCell:
        return Operator("RNN", cell.hidden_size, cell.nonlinearity)
    if type(cell) is not LSTMCell or cell.activation not in _ACTIVATIONS:
        return None
    # The standard's clip is of what goes into the gates, not of the cell's state.
    if cell.proj_size or cell.cell_clip is not None or cell.layer_norm is not None or cell.zoneout:
        return None
    return Operator("LSTM", cell.hidden_size, cell.activation, cell.peephole)


def recurrent(
    builder: Builder,
    place: str,
    cells: Sequence[Cell],
    x: str,
    lengths: str | None,
    states: Sequence[Any] | None,
    reverse: bool = False,
) -> tuple[str, list[Any]]:
    """One cell, or the two of both directions, over a whole sequence.

    Args:
        builder: takes the nodes.
        place: where in the network this is.
        cells: one, or a forward and a backward one of the same operator.
        x: [T, N, I].
        lengths: [N] int32, or None.
        states: the initial state of each cell, its tensors [N, H]; None for zeros.
        reverse: whether one cell reads from the end.

    Returns:
        The outputs [T, N, H], or [T, N, 2 H], and the final state of each cell.
    """
    operator = operator_of(cells[0])
    assert operator is not None
    ways = len(cells)
    weights = [_weights(operator, cell) for cell in cells]
    W, R = (
        builder.weight(under(place, name), np.stack([of_cell[name] for of_cell in weights])) for name in "WR"
    )
    B = P = ""
    if any(of_cell["B"].any() for of_cell in weights):
        B = builder.weight(under(place, "B"), np.stack([of_cell["B"] for of_cell in weights]))
    if operator.peephole:
        P = builder.weight(under(place, "P"), np.stack([of_cell["P"] for of_cell in weights]))

    parts = ["h", "c"] if operator.name == "LSTM" else ["h"]
    initial = ["" for _ in parts]
    if states is not None:
        initial = [
            _stacked(builder, under(place, f"initial_{part}"), [_part(state, part) for state in states])
            for part in parts
        ]
    inputs = [x, W, R, B, lengths or "", *initial, *([P] if P else [])]
    while not inputs[-1]:
        inputs.pop()
    direction = "bidirectional" if ways == 2 else "reverse" if reverse else "forward"
    outputs, *final = builder.add_many(
        operator.name,
        *inputs,
        names=[under(place, operator.name), *(under(place, f"final_{part}") for part in parts)],
        direction=direction,
        **{
            name: value * ways if name == "activations" else value
            for name, value in operator.attributes.items()
        },
    )
    if ways == 1:
        outputs = builder.add("Squeeze", outputs, builder.ints(1), name=under(place, "all_outputs"))
    else:
        beside = builder.add("Transpose", outputs, name=under(place, "by_step"), perm=[0, 2, 1, 3])
        shape = builder.ints(0, 0, 2 * operator.hidden_size)
        outputs = builder.add("Reshape", beside, shape, name=under(place, "all_outputs"))
    of_part = [_unstacked(builder, value, ways) for value in final]
    return outputs, [LSTMNames(*each) if len(parts) == 2 else each[0] for each in zip(*of_part, strict=True)]


def _weights(operator: Operator, cell: Any) -> dict[str, Array]:
    """The cell's weights by the standard's letters, in its order."""
    name, gates = operator.name, len(TORCH[operator.name])
    bias_ih, bias_hh = (
        np.zeros(gates * cell.hidden_size) if bias is None else _array(bias)
        for bias in (cell.bias_ih, cell.bias_hh)
    )
    if name == "LSTM":
        forget = np.repeat([0, cell.forget_bias, 0, 0], cell.hidden_size)
        bias_ih = bias_ih + forget
    weights = {
        "W": to_standard(name, _array(cell.weight_ih)),
        "R": to_standard(name, _array(cell.weight_hh)),
        "B": join_biases(name, bias_ih, bias_hh),
    }
    if operator.peephole:
        weights["P"] = join_peepholes(*map(_array, (cell.weight_ci, cell.weight_cf, cell.weight_co)))
    return weights


def _array(weight: Tensor) -> Array:
    array: Array = weight.detach().cpu().double().numpy()
    return array


def _part(state: Any, part: str) -> str:
    value: str = getattr(state, part) if isinstance(state, LSTMNames) else state
    return value


def _stacked(builder: Builder, name: str, values: list[str]) -> str:
    """[N, H] of each direction as [D, N, H]."""
    raised = [
        builder.add("Unsqueeze", value, builder.ints(0), name=f"{name}_{way}" if len(values) == 2 else name)
        for value, way in zip(values, ("forward", "backward"), strict=False)
    ]
    return builder.add("Concat", *raised, name=name, axis=0) if len(raised) == 2 else raised[0]


def _unstacked(builder: Builder, value: str, ways: int) -> list[str]:
    """The inverse of `_stacked`."""
    if ways == 1:
        return [builder.add("Squeeze", value, builder.ints(0), name=f"{value}_state")]
    halves = builder.add_many(
        "Split", value, names=[f"{value}_forward", f"{value}_backward"], axis=0, num_outputs=2
    )
    return [builder.add("Squeeze", half, builder.ints(0), name=f"{half}_state") for half in halves]
