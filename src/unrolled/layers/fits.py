"""Which calls of a drop-in the fused kernels take: those whose every tensor they can read, and none other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.kernels import isa, precision
from unrolled.kernels.native_call import Layer
from unrolled.kernels.readable import is_like, is_memory, is_watched

# torch.nn's modes: the kernel with the same maths, and how many gates it has.
_MODES = {
    "LSTM": ("lstm", 4),
    "GRU": ("gru_after", 3),
    "RNN_TANH": ("rnn_tanh", 1),
    "RNN_RELU": ("rnn_relu", 1),
}

# A kernel call lays out the weights anew: with fewer rows N·T, and for a single step, torch.nn is quicker.
FEWEST_ROWS = 16


def kernel_of(layer: nn.RNNBase) -> str:
    """The kernel that has this layer's maths."""
    return "lstm_options" if layer.proj_size else _MODES[layer.mode][0]


def kernel_of_cell(cell: nn.RNNCellBase) -> str:
    """The same of a cell."""
    return _MODES[mode_of(cell)][0]


def weights_of_layer(layer: nn.RNNBase) -> list[str]:
    """The kernels' names of the weights of one layer and direction, in torch.nn's order."""
    return [*weights_of_cell(layer), *(["weight_hr"] if layer.proj_size else [])]


def weights_of_cell(cell: nn.RNNCellBase | nn.RNNBase) -> list[str]:
    """The same of a cell, whose own names they are."""
    return ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if cell.bias else [])]


def is_short(layer: nn.RNNBase, x: Any) -> bool:
    """Whether there is so little that a kernel call does not pay; a graph is traced for any length."""
    if torch.compiler.is_compiling() or not isinstance(x, Tensor) or x.dim() not in (2, 3) or x.is_nested:
        return False
    return is_step(layer, x) or x.numel() < FEWEST_ROWS * x.shape[-1]


def is_step(layer: nn.RNNBase, x: Tensor) -> bool:
    """Whether a batch, or a sequence alone, has a single step."""
    return x.shape[1 if layer.batch_first and x.dim() == 3 else 0] == 1


def mode_of(cell: nn.RNNCellBase) -> str:
    """torch.nn's mode of the layers that take the steps of this cell."""
    if isinstance(cell, nn.RNNCell):
        return f"RNN_{cell.nonlinearity.upper()}"
    return "LSTM" if isinstance(cell, nn.LSTMCell) else "GRU"


def cell_shapes(cell: nn.RNNCellBase) -> list[tuple[int, ...]]:
    """The shapes that a cell's sizes give its weights: weight_ih, weight_hh, bias_ih, bias_hh."""
    gates = _MODES[mode_of(cell)][1]
    return _shapes(gates, cell.input_size, cell.hidden_size, 0, 1, cell.bias, False)


def step_layers(kind: str, names: list[str], weights: list[Tensor]) -> list[Layer]:
    """For each layer and direction what a kernel takes a step by, of weights with these names in each."""
    layers = []
    for place in range(len(weights) // len(names)):
        weight_ih = weights[place * len(names)]
        x = weight_ih.new_zeros(1, 1, weight_ih.shape[1], requires_grad=False)
        layers.append(layer_of(kind, names, weights, place, x, parts=precision.parts_for(x.dtype)))
    return layers


def layer_of(
    kind: str, names: list[str], weights: list[Tensor], place: int, x: Tensor, **sequences: Any
) -> Layer:
    """One layer in one direction, the `place`-th of torch.nn's weights; sequences: more fields of a Layer."""
    own = zip(names, weights[place * len(names) : (place + 1) * len(names)], strict=True)
    return Layer(kind, x, **(_NOTHING | dict(own) | sequences))


# The fields of a layer without bias, and of sequences of which nothing is said.
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("bias_ih", "bias_hh", "lengths", "h0", "c0")),
    "forget_bias": 0.0,
    "reverse": False,
    "batch_first": False,
}


def weights_of(layer: nn.RNNBase) -> list[Any]:
    """The weights in torch.nn's order, as they are now: a parametrization may compute them."""
    return [getattr(layer, name, None) for name in layer._flat_weights_names]


def fits(layer: nn.RNNBase, weights: list[Any], input: Any, *states: Any) -> bool:
    """Whether the kernels compute this call of `layer`; states: hx, and what resets go back to.

    Whatever torch.nn would refuse does not fit, so that torch.nn says what is wrong with it.
    """
    packed = isinstance(input, PackedSequence)
    hxs = [hx if layer.mode == "LSTM" else (hx,) for hx in states if hx is not None]
    x = input.data if packed else input
    return (
        isa.active() != isa.REFERENCE
        and not is_watched()
        and all(isinstance(hx, tuple | list) for hx in hxs)
        and is_memory(x, precision.TYPES)
        and x.device.type == "cpu"
        and _are_like(x, itertools.chain(*hxs, weights))
        and (_packing_fits(input) if packed else x.dim() in (2, 3) and x.numel() > 0)
        and x.shape[-1] == layer.input_size
        and all(_states_fit(layer, input, hx) for hx in hxs)
        and [weight.shape for weight in weights] == weight_shapes(layer)
    )


def _are_like(x: Tensor, tensors: Iterable[Any]) -> bool:
    dtypes = precision.beside(x)
    return all(is_like(tensor, x, dtypes) for tensor in tensors)


def _packing_fits(packed: PackedSequence) -> bool:
    """Whether the batch sizes are those of sequences in falling lengths, and account for every row."""
    sizes = packed.batch_sizes
    return (
        not torch.compiler.is_compiling()
        and packed.data.dim() == 2
        and sizes.dtype == torch.int64
        and sizes.dim() == 1
        and len(sizes) > 0
        and int(sizes[-1]) > 0
        and int(sizes.sum()) == len(packed.data)
        and bool((sizes[1:] <= sizes[:-1]).all())
    )


def _states_fit(layer: nn.RNNBase, input: Any, states: tuple[Any, ...] | list[Any]) -> bool:
    if layer.mode == "LSTM" and len(states) != 2:
        return False
    walks = layer.num_layers * (2 if layer.bidirectional else 1)
    batch: tuple[int, ...]
    if isinstance(input, PackedSequence):
        batch = (int(input.batch_sizes[0]),)
    else:
        batch = (input.shape[0 if layer.batch_first else 1],) if input.dim() == 3 else ()
    widths = (layer.proj_size or layer.hidden_size, layer.hidden_size)  # of h and of c
    return all(state.shape == (walks, *batch, width) for state, width in zip(states, widths, strict=False))


def check_shapes(layer: nn.RNNBase) -> None:
    """Raise a ValueError for a weight that oneDNN, and so torch.nn's LSTM, would read past its end.

    Every other way of torch.nn says itself what does not fit, or makes do with it. A parametrization knows
    its own shape, and is not computed for this.
    """
    if layer.mode != "LSTM" or layer.proj_size or not torch._C._get_mkldnn_enabled():
        return
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return  # shapes are recorded there, and not compared
    for name, expected in zip(layer._flat_weights_names, _known_shapes(*_sizes(layer)), strict=False):
        weight: Any = layer._parameters.get(name)
        if weight is None:
            weight = layer._buffers.get(name, vars(layer).get(name))
        if not isinstance(weight, Tensor) or weight.shape == expected:
            continue
        if weight.dtype is not torch.float64 and weight.device.type == "cpu":
            raise ValueError(
                f"{name} has shape {list(weight.shape)}, expected {list(expected)}: input_size is "
                f"{layer.input_size}, hidden_size {layer.hidden_size}"
            )


def weight_shapes(layer: nn.RNNBase) -> list[tuple[int, ...]]:
    """The shapes that the layer's sizes give its weights, in torch.nn's order."""
    return _shapes(*_sizes(layer))


def _sizes(layer: nn.RNNBase) -> tuple[Any, ...]:
    width = (layer.input_size, layer.hidden_size, layer.proj_size)
    return (_MODES[layer.mode][1], *width, layer.num_layers, layer.bias, layer.bidirectional)


def _shapes(
    gates: int, width: int, hidden: int, proj_size: int, layers: int, bias: bool, bidirectional: bool
) -> list[tuple[int, ...]]:
    rows, output, directions = gates * hidden, proj_size or hidden, 2 if bidirectional else 1
    shapes: list[tuple[int, ...]] = []
    for _ in range(layers):
        biases = [(rows,), (rows,)] if bias else []
        projection = [(output, hidden)] if proj_size else []
        shapes += [(rows, width), (rows, output), *biases, *projection] * directions
        width = directions * output
    return shapes


_known_shapes = lru_cache(maxsize=256)(_shapes)
