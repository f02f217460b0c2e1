"""A network's weights under the names that TensorFlow 1 would have given them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from torch import nn

from unrolled.cells import Cell, DropoutCell, GRUCell, LSTMCell
from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks import SequenceClassifier
from unrolled.tf1.checkpoints.slots import initial_slots
from unrolled.tf1.rnn import gate_layout

KNOWN_TO_TENSORFLOW = ("final", "last", "state")
SLOTS = ("adam", "rmsprop", "none")


def network_checkpoint(network: SequenceClassifier, slots: str = "none") -> dict[str, ndarray]:
    """The variables of the TensorFlow 1 program that builds the same network.

    Cells and layers are named as `static_rnn`, `dynamic_rnn`, `bidirectional_dynamic_rnn` and the
    `stack_bidirectional_` functions name them, dense layers `input_layer` and `fully_connected`, each further
    one with a number. Forget biases are in no variable: the TensorFlow program gives them to its cells.

    Args:
        network: the network.
        slots: "adam" or "rmsprop" for what that optimizer keeps, as it is before the first step; "none".

    Returns:
        Arrays by name, for `write_checkpoint`.

    Raises:
        UnrolledError: TensorFlow 1 has no such cell, or no such slots are known.

    >>> from unrolled.networks import build
    >>> list(network_checkpoint(build("single-layer-dynamic-lstm")))[:2]
    ['rnn/basic_lstm_cell/kernel', 'rnn/basic_lstm_cell/bias']
    """
    if slots not in SLOTS:
        raise unknown_name("optimizer with slots", slots, SLOTS)
    if (kind := network.config.direction) == "backward" or network.config.read not in KNOWN_TO_TENSORFLOW:
        raise UnrolledError(
            f"network {network.config.name} is {kind} and reads {network.config.read!r}: no variable says "
            "so, and another program would come of it"
        )
    if network.config.scan != "rows":
        raise UnrolledError(
            f"network {network.config.name} reads pictures {network.config.order}: no variable says so, "
            "and another program would come of it"
        )
    if any(option.get("residual") for _, _, *options in network.config.layers for option in options):
        raise UnrolledError(f"network {network.config.name} has residual layers, of which no variable knows")
    if network.config.one_way:
        stacks: dict[str, Any] = {"": network.cell.cells}
    else:
        stacks = {"fw": network.forward_cells, "bw": network.backward_cells}
    variables = {}
    for direction, cells in stacks.items():
        for layer, cell in enumerate(cells):
            cell = cell.cell if isinstance(cell, DropoutCell) else cell
            scope = _scope(network, direction, layer, len(cells))
            for name, tensor in gate_layout.variables(cell).items():
                variables[f"{scope}/{_class(network, cell, len(cells))}/{name}"] = tensor
    dense = _linears(network, "input_layers"), [*_linears(network, "output_layers"), network.classifier]
    for name, layers in zip(("input_layer", "fully_connected"), dense, strict=True):
        for number, linear in enumerate(layers):
            scope = f"{name}_{number}" if number else name
            variables[f"{scope}/weights"] = linear.weight.detach().T
            variables[f"{scope}/biases"] = linear.bias.detach()
    arrays = {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in variables.items()}
    return arrays if slots == "none" else arrays | initial_slots(arrays, slots)


def _scope(network: SequenceClassifier, direction: str, layer: int, layers: int) -> str:
    kind = network.config.direction
    if kind == "forward":
        return "rnn" if layers == 1 else f"rnn/multi_rnn_cell/cell_{layer}"
    if layers == 1:
        return f"bidirectional_rnn/{direction}"
    if kind == "parallel":
        return f"bidirectional_rnn/{direction}/multi_rnn_cell/cell_{layer}"
    inner = "" if network.config.unroll == "static" else "bidirectional_rnn/"
    return f"stack_bidirectional_rnn/cell_{layer}/{inner}{direction}"


def _class(network: SequenceClassifier, cell: Cell, layers: int) -> str:
    if not isinstance(cell, LSTMCell):
        return "gru_cell" if isinstance(cell, GRUCell) else "basic_rnn_cell"
    if cell.layer_norm:
        return "layer_norm_basic_lstm_cell"
    options = cell.peephole or cell.proj_size or cell.cell_clip is not None
    stacked = layers > 1 and network.config.direction != "bidirectional"
    return "lstm_cell" if options or stacked else "basic_lstm_cell"


def _linears(network: SequenceClassifier, place: str) -> list[nn.Linear]:
    return [module for module in getattr(network, place, ()) if isinstance(module, nn.Linear)]
