"""torch.nn's recurrent layers and cells, and their drop-ins, as cells with the same weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from unrolled.cells import Cell, GRUCell, LSTMCell, RNNCell, StackedCell
from unrolled.errors import UnrolledError
from unrolled.layers.cell_drop_in import CellDropIn
from unrolled.layers.drop_in import DropIn
from unrolled.onnx.walk import Level

_FORWARDS = [
    kind.forward
    for kind in (nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell, DropIn, CellDropIn)
]


def is_of_torch(model: object) -> bool:
    """Whether it is a recurrent layer or cell of torch.nn or one of their drop-ins."""
    return isinstance(model, nn.RNNBase | nn.RNNCellBase)


def levels_of(layers: Any) -> list[Level]:
    """The cells of torch.nn's layers, or the one cell of torch.nn's cells.

    Raises:
        UnrolledError: it is a subclass with a forward of its own, which may compute something else.
    """
    if type(layers).forward not in _FORWARDS or "forward" in vars(layers):
        kind = type(layers)
        raise UnrolledError(
            f"the {kind.__module__}.{kind.__qualname__} has a forward of its own, which is not looked into: "
            "expected one of torch.nn's recurrent layers or cells, or their drop-ins"
        )
    if isinstance(layers, nn.RNNCellBase):
        mode = {nn.LSTMCell: "LSTM", nn.GRUCell: "GRU"}
        kind_of = next((name for peer, name in mode.items() if isinstance(layers, peer)), "RNN")
        return [Level(_cell(layers, kind_of, layers.input_size, ""))]
    below = [layers.input_size] + [
        (layers.proj_size or layers.hidden_size) * (2 if layers.bidirectional else 1)
    ] * (layers.num_layers - 1)
    forwards, *backwards = [
        [_cell(layers, layers.mode, width, f"_l{layer}{ending}") for layer, width in enumerate(below)]
        for ending in (("", "_reverse") if layers.bidirectional else ("",))
    ]
    if backwards:
        return [Level(*pair) for pair in zip(forwards, backwards[0], strict=True)]
    return [Level(StackedCell(forwards))]


def _cell(module: Any, mode: str, input_size: int, ending: str) -> Cell:
    cell: Cell
    if mode == "LSTM":
        projection = getattr(module, "proj_size", 0)
        cell = LSTMCell(input_size, module.hidden_size, module.bias, proj_size=projection)
    elif mode == "GRU":
        cell = GRUCell(input_size, module.hidden_size, module.bias)
    else:
        φ = module.nonlinearity
        cell = RNNCell(input_size, module.hidden_size, module.bias, nonlinearity=φ)
    cell.double().load_state_dict(
        {name: getattr(module, name + ending) for name, _ in cell.named_parameters()}
    )
    return cell
