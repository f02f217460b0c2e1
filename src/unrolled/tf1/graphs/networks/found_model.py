"""A recurrent network that was found in a checkpoint."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from unrolled.cells import ResidualCell
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.tf1.graphs.networks.dense_layers import Chains
from unrolled.tf1.graphs.networks.other_layouts import parameters_reset_after, resets_after
from unrolled.tf1.graphs.networks.recognition import Layers
from unrolled.tf1.rnn import gate_layout


@dataclasses.dataclass(frozen=True)
class FoundModel:
    """A network that a checkpoint holds.

    Attributes:
        layers: the recurrent layers.
        dense: the dense layers before and after them, the last of which is the classifier.
        config: the network as data. Its forget biases are TensorFlow's default of 1 where nothing says more.
        asks_forget_bias: whether it has LSTMs whose forget bias nothing says.
        notes: what had to be assumed, and what a run folder cannot hold.
        original: the checkpoint's own name of each variable by its modern name.
        doubt: what in the graph speaks against the network as it was found; only a proof allays it.
    """

    layers: Layers
    dense: Chains
    config: NetworkConfig
    asks_forget_bias: bool
    notes: list[str]
    original: dict[str, str]
    doubt: str | None = None

    def network(self) -> SequenceClassifier:
        """The network with the checkpoint's weights, in evaluation mode."""
        network = SequenceClassifier(self.config)
        places = {"cell.cells": self.layers.forward}
        if self.layers.backward:
            places = {"forward_cells": self.layers.forward, "backward_cells": self.layers.backward}
        weights: dict[str, Tensor] = {}
        for place, cells in places.items():
            for number, found in enumerate(cells):
                where = f"{place}.{number}"
                cell = network.get_submodule(where)
                if isinstance(cell, ResidualCell):
                    where, cell = f"{where}.cell", cell.cell
                if resets_after(found.variables):
                    named = parameters_reset_after(found.variables)
                else:
                    named = gate_layout.parameters(cell, found.variables)  # type: ignore[arg-type]
                weights |= {f"{where}.{name}": weight for name, weight in named.items()}
        for place, dense in (("input_layers", self.dense.before), ("output_layers", self.dense.after[:-1])):
            for number, layer in enumerate(dense):  # an activation follows each
                weights |= _linear(f"{place}.{2 * number}", layer.kernel, layer.bias)
        if self.dense.after:
            weights |= _linear("classifier", self.dense.after[-1].kernel, self.dense.after[-1].bias)
        else:
            size = self.config.classes
            weights |= _linear("classifier", np.eye(size, dtype="f4"), np.zeros(size, "f4"))
        network.load_state_dict(weights)
        return network.eval()

    def describe(self) -> list[str]:
        """What was found, a line for each part in the order in which data pass them."""
        layers = (
            [self.layers.forward, self.layers.backward] if self.layers.backward else [self.layers.forward]
        )
        cells = [(cell.kernel, None, cell) for layer in zip(*layers, strict=True) for cell in layer]
        before, after = (
            [(layer.name, layer.bias_name, layer) for layer in part]
            for part in (self.dense.before, self.dense.after)
        )
        lines = []
        for kernel, bias, part in [*before, *cells, *after]:
            names = ", ".join(self.original[name] for name in (kernel, bias) if name)
            if names:  # not of a layer that only carries an activation or a factor
                lines.append(f"{names}: {part.describe()}")
        return lines


def _linear(place: str, kernel: ndarray, bias: ndarray) -> dict[str, Tensor]:
    return {
        f"{place}.weight": torch.from_numpy(kernel.T.copy()),
        f"{place}.bias": torch.from_numpy(bias.copy()),
    }
