"""The sides that are compared in one process: a row's layers on its cells, and on torch.nn."""

from __future__ import annotations

import abc
import copy
import warnings
from collections.abc import Callable

from torch import Tensor, nn

from unrolled.bench.problem import Problem
from unrolled.unroll import stacked_bidirectional_unroll
from unrolled.unroll.kinds import unroll


class Model(nn.Module, abc.ABC):
    """A row's layers, with weights of their own that start from the problem's."""

    @abc.abstractmethod
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """The outputs [N, T, O]; past a length they may be anything."""

    @abc.abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """The parameters, by the names of `weights_of`."""


def weight_name(name: str, layer: int, direction: int) -> str:
    """torch.nn's name of a cell's weight in a stack.

    >>> weight_name("weight_ih", layer=2, direction=1)
    'weight_ih_l2_reverse'
    """
    return f"{name}_l{layer}" + ("_reverse" if direction else "")


class CellModel(Model):
    """The problem's cells through `dynamic_unroll`, fused where they can be, or `static_unroll`, the loop."""

    def __init__(self, problem: Problem, kind: str = "dynamic") -> None:
        super().__init__()
        self.kind = kind
        self.ways = copy.deepcopy(problem.cells)
        self.cells = nn.ModuleList(cell for way in self.ways for cell in way)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if len(self.ways) == 2:
            outputs, _ = stacked_bidirectional_unroll(*self.ways, x, lengths, kind=self.kind)
            return outputs
        for cell in self.ways[0]:
            x, _ = unroll(cell, x, lengths, kind=self.kind)
        return x

    def weights(self) -> dict[str, Tensor]:
        return {
            weight_name(name, layer, direction): parameter
            for direction, way in enumerate(self.ways)
            for layer, cell in enumerate(way)
            for name, parameter in cell.named_parameters()
        }


LAYERS: dict[str, Callable[..., nn.RNNBase]] = {
    "lstm": nn.LSTM,
    "lstm-projection": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}


class TorchModel(Model):
    """torch.nn's layers with the same weights, on packed sequences where lengths differ.

    Layers of one width are one module, as torch.nn has it; layers of several widths are one module each.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        row, cells = problem.row, problem.cells[0]
        if row.cell == "lstm-projection":  # that oneDNN has none is known
            warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        together = len(set(row.H)) == 1
        groups = [(0, len(row.H))] if together else [(layer, 1) for layer in range(len(row.H))]
        self.layers = nn.ModuleList(
            LAYERS[row.cell](
                cells[first].input_size,
                row.H[first],
                count,
                batch_first=True,
                bidirectional=row.bidirectional,
                **({"proj_size": cells[first].output_size} if row.cell == "lstm-projection" else {}),
            )
            for first, count in groups
        )
        self._together = together
        given = CellModel(problem).weights()
        for name, parameter in self.weights().items():
            parameter.data.copy_(given[name].data)

    @staticmethod
    def has(cell: str) -> bool:
        """Whether torch.nn has layers of that kind."""
        return cell in LAYERS

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            for layer in self.layers:
                x, _ = layer(x)
            return x
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        for layer in self.layers:
            packed, _ = layer(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return outputs

    def weights(self) -> dict[str, Tensor]:
        if self._together:
            return dict(self.layers[0].named_parameters())
        return {
            name.replace("_l0", f"_l{number}"): parameter
            for number, layer in enumerate(self.layers)
            for name, parameter in layer.named_parameters()
        }
