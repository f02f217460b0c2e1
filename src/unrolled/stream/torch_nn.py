"""The recurrent layers and cells of torch.nn, and their drop-ins, as cells that take steps."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from unrolled.cells import Cell, GRUCell, LSTMCell, LSTMState, RNNCell, StackedCell
from unrolled.layers.cell_drop_in import CellDropIn
from unrolled.layers.drop_in import DropIn
from unrolled.layers.fits import mode_of
from unrolled.layers.quantized import QuantizedLayers, QuantizedStep
from unrolled.stream.evaluating import evaluating

_LAYERS = (nn.LSTM, nn.GRU, nn.RNN, DropIn, QuantizedLayers)
_CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell, CellDropIn, QuantizedStep)
_FORWARDS = [kind.forward for kind in (*_LAYERS, *_CELLS)]
_WEIGHT_HOOKS = (WeightNorm, SpectralNorm, BasePruningMethod)  # they compute a weight before each forward


def cell_of(module: Any) -> Any:
    """What takes the steps of a layer or a cell of torch.nn, in evaluation.

    A module that computes what torch.nn's own class does becomes cells of this package, with its weights as
    they are now, parametrized and pruned ones computed. Any other, a subclass with a forward of its own or
    one with hooks, is called itself.
    """
    is_cell = isinstance(module, nn.RNNCellBase | QuantizedStep)
    if not _is_as_in_torch(module):
        return CallOfCell(module) if is_cell else CallOfLayers(module)
    for hook in module._forward_pre_hooks.values():
        hook(module, ())
    if isinstance(module, QuantizedLayers):
        return StackedCell(module.cells).eval()
    if isinstance(module, QuantizedStep):
        return module.cell
    if is_cell:
        size = {"input_size": module.input_size, "hidden_size": module.hidden_size, "bias": module.bias}
        return _filled(_blank(mode_of(module), **size), module, "")
    cells: list[Any] = []
    for layer in range(module.num_layers):
        size = {
            "input_size": module.input_size if layer == 0 else module.proj_size or module.hidden_size,
            "hidden_size": module.hidden_size,
            "bias": module.bias,
        } | ({"proj_size": module.proj_size} if module.mode == "LSTM" else {})
        cells.append(_filled(_blank(module.mode, **size), module, f"_l{layer}"))
    return StackedCell(cells).eval()


def layered(states: Any) -> Any:
    """The states of a stack's cells as torch.nn's layers have them, [L, N, H]."""
    if isinstance(states[0], LSTMState):
        return tuple(torch.stack(parts) for parts in zip(*states, strict=True))
    return torch.stack(states)


def unlayered(state: Any) -> Any:
    """The inverse of `layered`."""
    if isinstance(state, Tensor):
        return tuple(state)
    return tuple(itertools.starmap(LSTMState, zip(*state, strict=True)))


class CallOfLayers(nn.Module):
    """A step of layers [T, N, I] by their own forward, on sequences of one step; states are a stack's."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.layers = layers
        self.input_size = layers.input_size

    def initial_state(self, batch_size: int) -> Any:
        like = _like(self.layers)
        h = like.new_zeros(batch_size, self.layers.proj_size or self.layers.hidden_size)
        state = LSTMState(h, like.new_zeros(batch_size, self.layers.hidden_size))
        return tuple(state if self.layers.mode == "LSTM" else h for _ in range(self.layers.num_layers))

    def forward(self, x: Tensor, states: Any) -> tuple[Tensor, Any]:
        time_axis = 1 if self.layers.batch_first else 0
        output, state = self.layers(x.unsqueeze(time_axis), layered(states))
        return output.squeeze(time_axis), unlayered(state)


class CallOfCell(nn.Module):
    """A step of one of torch.nn's cells by its own forward."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.input_size = cell.input_size

    def initial_state(self, batch_size: int) -> Any:
        h = _like(self.cell).new_zeros(batch_size, self.cell.hidden_size)
        return LSTMState(h, h.clone()) if _mode_of(self.cell) == "LSTM" else h

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = self.cell(x, state)
        return (state[0], LSTMState(*state)) if isinstance(state, tuple) else (state, state)


def _like(module: Any) -> Tensor:
    """A tensor of the dtype that a module computes in, where it is."""
    like: Tensor = (
        module.like if isinstance(module, QuantizedLayers | QuantizedStep) else next(module.parameters())
    )
    return like


def _mode_of(cell: Any) -> str:
    return str(cell.mode) if isinstance(cell, QuantizedStep) else mode_of(cell)


def _is_as_in_torch(module: Any) -> bool:
    return (
        type(module).forward in _FORWARDS
        and "forward" not in vars(module)
        and not module._forward_hooks
        and all(isinstance(hook, _WEIGHT_HOOKS) for hook in module._forward_pre_hooks.values())
    )


@functools.lru_cache(maxsize=64)
def _blank(mode: str, **size: Any) -> Cell:
    """A cell of these sizes without memory for its weights: to make one takes longer than to fill it."""
    if mode == "LSTM":
        return LSTMCell(**size, device="meta")
    if mode == "GRU":
        return GRUCell(**size, device="meta")
    return RNNCell(**size, nonlinearity=mode.removeprefix("RNN_").lower(), device="meta")


def _filled(blank: Cell, module: Any, suffix: str) -> nn.Module:
    """The blank cell with the weights of a module, named there with this suffix."""
    cell = evaluating(blank)
    cell._parameters = {
        name: None
        if weight is None
        else nn.Parameter(getattr(module, name + suffix).detach(), requires_grad=False)
        for name, weight in blank._parameters.items()
    }
    return cell
