"""What each layer of a network did at every step of one sequence: its state, and its gates."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.cells.state import LSTMState
from unrolled.networks.sequence_classifier import SequenceClassifier, last_mean
from unrolled.unroll import dynamic_unroll


class Trace(NamedTuple):
    """What one layer did in one direction.

    Attributes:
        layer: its number; that of the lowest is 1.
        backward: whether it has read the sequence from its end.
        values: each [T, H], by name, step t at t: the state after the step, h and of an LSTM c, and the gates
            of the step, i, f, g and o of an LSTM, r, z and n of a GRU.
    """

    layer: int
    backward: bool
    values: dict[str, Tensor]

    def ordered(self, name: str) -> Tensor:
        """Values [T, H] with their units in an order that is one for the state and all gates.

        It is that of h after the last step that was read, the least first: units that end up alike stand side
        by side, so that the eye finds bands instead of noise. Where h is narrower, a projection, what is as
        wide as c is in the order of c.
        """
        values = self.values[name]
        by = self.values["h"] if values.shape == self.values["h"].shape else self.values["c"]
        return values[:, by[0 if self.backward else -1].argsort(stable=True)]


def trace(network: SequenceClassifier, sequence: Tensor) -> tuple[Trace, ...]:
    """Let a network read a whole sequence, and keep what every layer did, the lowest first.

    Where a layer reads in both directions, the forward one comes before the backward one, whose first step is
    the sequence's last.

    Args:
        network: in evaluation mode.
        sequence: [T, I] floats, where the network is: the steps that `config.scan` has made.
    """
    config = network.config
    x = sequence[None]
    if config.centre:
        x = x - last_mean(x, None, config.centre)
    if config.input_layers:
        x = network.input_layers(x)
    ways: list[tuple[Any, bool]]
    if config.one_way:
        ways = [(network.cell.cells, config.direction == "backward")]
    else:
        ways = [(network.forward_cells, False), (network.backward_cells, True)]
    traces = []
    inputs = [x] * len(ways)
    for layer in range(len(config.layers)):
        outputs = []
        for (cells, backward), below in zip(ways, inputs, strict=True):
            output, values = _walk(cells[layer], below, backward)
            outputs.append(output)
            traces.append(Trace(layer + 1, backward, values))
        if config.direction == "bidirectional":  # each direction reads both of the layer below
            outputs = [torch.cat(outputs, dim=2)] * len(ways)
        inputs = outputs
    return tuple(traces)


def _walk(cell: Cell, x: Tensor, backward: bool) -> tuple[Tensor, dict[str, Tensor]]:
    output, _, states, gates = dynamic_unroll(
        cell, x, reverse=backward, return_states=True, return_gates=True
    )
    values = states._asdict() if isinstance(states, LSTMState) else {"h": states}
    values |= {} if gates is None else gates._asdict()
    return output, {name: value[0].cpu() for name, value in values.items()}
