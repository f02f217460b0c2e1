"""A recurrent network that reads a sequence and names its class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, DropoutCell, GRUCell, LSTMCell, RNNCell, StackedCell
from unrolled.cells.state import hidden
from unrolled.networks.config import NetworkConfig
from unrolled.unroll.kinds import unroll
from unrolled.unroll.lengths import Lengths, check_lengths
from unrolled.unroll.stacked_bidirectional import stacked_bidirectional_unroll

# TensorFlow 1's defaults, which the seeds' networks have: a forget bias of 1, and the paper's GRU.
CELL_MAKERS: dict[str, Callable[[int, int], Cell]] = {
    "rnn": RNNCell,
    "lstm": partial(LSTMCell, forget_bias=1.0),
    "gru": partial(GRUCell, reset="before"),
}


class SequenceClassifier(nn.Module):
    r"""Layers of cells that read a sequence, and a linear layer that names its class.

        logits = W v + b,    v the features that `config.read` picks from the last recurrent layer

    Symbols: x [N, T, I] sequences; v [N, F], F = H, or 2 H for a bidirectional network;
    logits [N, classes], not yet normalised: softmax turns them into probabilities.

    With f_t and b_t the outputs of the last layer's two directions and L a sequence's length, v is

        "final"  [f_L, b_1]: what each direction knows when it has read everything
        "last"   [f_L, b_L]: the outputs beside the last step, where the backward direction has read one
                 step only; what the tutorials with bidirectional networks do
        "state"  the h of each direction's final state: as "final", but before any output dropout

    Forward networks have no b: there "final" and "last" are one.

    Args:
        config: what the network is made of.

    >>> network = SequenceClassifier(NetworkConfig("mine", (("lstm", 32), ("gru", 64)), classes=3))
    >>> tuple(network(torch.zeros(5, 28, 28)).shape)
    (5, 3)
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        directions = 1 if config.direction == "forward" else 2
        if directions == 1:
            self.cell = StackedCell(_make_cells(config, directions))
        else:
            self.forward_cells: Any = nn.ModuleList(_make_cells(config, directions))
            self.backward_cells: Any = nn.ModuleList(_make_cells(config, directions))
        self.classifier = nn.Linear(directions * config.layers[-1][1], config.classes)

    def forward(self, x: Tensor, lengths: Lengths | None = None) -> Tensor:
        """Read the sequences x [N, T, I] with lengths [N], T at least 1, and return logits [N, classes]."""
        logits: Tensor = self.classifier(self.features(x, lengths))
        return logits

    def features(self, x: Tensor, lengths: Lengths | None = None) -> Tensor:
        """The vector v [N, F] of each sequence that the classifier sees."""
        if x.dim() != 3 or x.shape[1] == 0:
            raise ValueError(f"x has shape {list(x.shape)}, expected [N, T, I] with at least one step")
        kind, read = self.config.unroll, self.config.read
        if self.config.direction == "forward":
            outputs, state = unroll(self.cell, x, lengths, kind=kind)
            return hidden(state) if read == "state" else last_output(outputs, lengths)

        outputs, (forwards, backwards) = stacked_bidirectional_unroll(
            self.forward_cells, self.backward_cells, x, lengths, kind=kind
        )
        if read == "state":
            return torch.cat([hidden(forwards), hidden(backwards)], dim=1)
        last = last_output(outputs, lengths)
        if read == "last":
            return last
        forward_width = self.config.layers[-1][1]
        return torch.cat([last[:, :forward_width], outputs[:, 0, forward_width:]], dim=1)

    @property
    def parameter_count(self) -> int:
        """How many numbers training can change, the second of two biases that only add up left out."""
        # In every cell of the catalogue bias_hh is only ever added to bias_ih.
        return sum(
            parameter.numel() for name, parameter in self.named_parameters() if not name.endswith("bias_hh")
        )


def last_output(outputs: Tensor, lengths: Lengths | None) -> Tensor:
    """The output y_L [N, O] of each sequence's last step, zero for a sequence of length 0."""
    if lengths is None:
        return outputs[:, -1]
    batch_size, time, _ = outputs.shape
    lengths = check_lengths(lengths, batch_size, time, outputs.device)
    # An empty sequence wraps to the last step, which is padding and so zero.
    return outputs[torch.arange(batch_size, device=outputs.device), lengths - 1]


def _make_cells(config: NetworkConfig, directions: int) -> list[Cell]:
    cells: list[Cell] = []
    input_size = config.input_size
    for kind, width in config.layers:
        cell: Cell = CELL_MAKERS[kind](input_size, width)
        cells.append(DropoutCell(cell, output=config.output_dropout) if config.output_dropout else cell)
        input_size = directions * width
    return cells
