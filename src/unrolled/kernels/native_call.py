"""The way from tensors to the native kernels, and the shapes of what they give.

The native door (native/contract.h) looks at every tensor of a call, whoever calls: what cannot be right is an
error that names it. What is right but lies otherwise in memory than a kernel reads it is copied here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.kernels import isa
from unrolled.kernels.readable import check_memory, resolved

# As CellKind in native/layer.h.
KINDS = (
    "lstm",
    "gru_after",
    "gru_before",
    "rnn_tanh",
    "rnn_relu",
    "lstm_options",
    "lstm_norm_gates",
    "lstm_norm_projections",
)

# How much forward keeps for backward: nothing, which kernels ran, or all. Keep in native/module.cpp.
NOTHING, HEAD, EVERYTHING = range(3)


class Layer(NamedTuple):
    """One recurrent layer and what goes into it, as the operators take it.

    Symbols: x [N, T, I], or [T, N, I] if time comes first; lengths [N] int64 or None; h0 [N, P], c0 [N, H]
    or None; weights and biases as torch.nn has them, biases both or none. P is H but for a projection.

    The rest are options of the LSTM of the last three kinds, as cells/lstm.py defines them: peephole [3, H]
    of i, f and o; weight_hr [P, H]; norm_weight and norm_bias [5 H] of the gates and c, or [9 H] of W x, U h
    and c; noise, uniform in [0, 1), laid out as x: g_noise and c_noise [N, T, H], h_noise [N, T, P], where a
    number below recurrent_dropout drops a unit of g, and one below zoneout keeps an old h or c; clips, 0 for
    none.

    Of every kind: resets [N, T] bool, in either layout, true where the state before the step, as the layer
    reads them, is reset_h [N, P] and reset_c [N, H], zeros if None.

    Weights of the first five kinds may be bfloat16 or, with scale_ih and scale_hh [G H], int8, where all else
    is float32: cells/quantized.py defines their products. There is no backward then.

    parts says what is multiplied, forward and backward, of numbers that are float32: 0 the numbers
    themselves, 1, 2 or 3 that many bfloat16 parts of each; kernels/parts.py defines these products.
    """

    kind: str
    x: Tensor
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    lengths: Tensor | None
    h0: Tensor | None
    c0: Tensor | None
    forget_bias: float
    reverse: bool
    batch_first: bool
    peephole: Tensor | None = None
    weight_hr: Tensor | None = None
    norm_weight: Tensor | None = None
    norm_bias: Tensor | None = None
    g_noise: Tensor | None = None
    h_noise: Tensor | None = None
    c_noise: Tensor | None = None
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    cell_clip: float = 0.0
    proj_clip: float = 0.0
    resets: Tensor | None = None
    reset_h: Tensor | None = None
    reset_c: Tensor | None = None
    scale_ih: Tensor | None = None
    scale_hh: Tensor | None = None
    parts: int = 0

    @property
    def has_c(self) -> bool:
        return self.kind.startswith("lstm")

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """T, N, I, H, P."""
        time_axis = 1 if self.batch_first else 0
        output = self.weight_hh.shape[1]
        hidden = output if self.weight_hr is None else self.weight_hr.shape[1]
        return self.x.shape[time_axis], self.x.shape[1 - time_axis], self.x.shape[2], hidden, output

    def steps_like(self, width: int) -> Tensor:
        """Memory for every step, laid out as x: [N, T, width] or [T, N, width]."""
        time, batch = self.sizes[:2]
        return self.x.new_empty((batch, time, width) if self.batch_first else (time, batch, width))

    def dense(self) -> Layer:
        """The same with every tensor as the kernels read it: only what does not fit is copied."""
        return Layer(*(dense(name, value) for name, value in zip(Layer._fields, self, strict=True)))


class Results(NamedTuple):
    """What forward gives: out, h_n, c_n, c of every step and what backward needs; None where not wanted.

    The operator has no None: there, it is an empty tensor.
    """

    out: Tensor
    h_n: Tensor
    c_n: Any
    c: Any
    saved: Any


def forward(
    layer: Layer,
    keep: int = NOTHING,
    keep_c: bool = False,
    chosen: str | None = None,
    packed: Tensor | None = None,
) -> Results:
    """Run a layer.

    Args:
        layer: the layer and its inputs.
        keep: how much is kept for backward.
        keep_c: whether c of every step is wanted.
        chosen: the kernels, in place of the active ones.
        packed: what `pack` made of its weights for these kernels; None to do so now.
    """
    native, threads = _native(), torch.get_num_threads()
    chosen = chosen or isa.active()
    found = native.forward(chosen, layer, threads, keep, keep_c, packed)
    if found is None:
        found = native.forward(chosen, layer.dense(), threads, keep, keep_c, packed)
    return Results(*found)


def forward_both(
    layers: tuple[Layer, Layer],
    keep: int = NOTHING,
    keep_c: bool = False,
    packed: tuple[Tensor | None, Tensor | None] = (None, None),
) -> tuple[Results, Results]:
    """Run two layers of the same numbers, side by side if there are threads for both."""
    native, threads = _native(), torch.get_num_threads()
    found = native.forward_both(isa.active(), *layers, threads, keep, keep_c, packed)
    if found is None:
        one, other = (layer.dense() for layer in layers)
        found = native.forward_both(isa.active(), one, other, threads, keep, keep_c, packed)
    return Results(*found[0]), Results(*found[1])


def forward_shapes(layer: Layer, keep: int, keep_c: bool) -> Results:
    """The results of a layer with the right shapes and any content."""
    time, batch, _, hidden, output = layer.sizes
    saved = _head_numbers(layer.x) if keep else 0  # without gradients no kernels are asked
    if keep == EVERYTHING:
        saved += time * batch * (saved_width(layer, isa.active()) + output)
    return Results(
        layer.steps_like(output),
        layer.x.new_empty(batch, output),
        layer.x.new_empty(batch, hidden) if layer.has_c else None,
        layer.steps_like(hidden) if layer.has_c and keep_c else None,
        layer.x.new_empty(saved) if keep else None,
    )


def saved_width(layer: Layer, isa_name: str) -> int:
    """How many numbers of each step and sequence those kernels keep for backward, h aside."""
    *_, hidden, output = layer.sizes
    projected = 0 if layer.weight_hr is None else int(output)
    double = layer.x.dtype == torch.float64
    width = _native().saved_width(isa_name, double, KINDS.index(layer.kind), int(hidden), projected)
    return int(width)


def pack(layer: Layer) -> Tensor:
    """The weights of a dense layer as its kernel reads them, for a stream."""
    packed: Tensor = _native().pack(isa.active(), layer)
    return packed


class Incoming(NamedTuple):
    """The gradients of forward's results; None where nothing used them."""

    out: Tensor | None
    h_n: Tensor | None
    c_n: Tensor | None
    c: Tensor | None

    def dense(self) -> Incoming:
        """The same as the kernels read it."""
        return Incoming(*(dense(f"d_{name}", value) for name, value in zip(self._fields, self, strict=True)))


class Gradients(NamedTuple):
    """The gradients that backward gives; None where not wanted or where there is no such input.

    The operator has no None: there, it is an empty tensor.
    """

    x: Any
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Any
    bias_hh: Any
    h0: Tensor
    c0: Any
    peephole: Any
    weight_hr: Any
    norm_weight: Any
    norm_bias: Any
    reset_h: Any
    reset_c: Any


def backward(layer: Layer, saved: Tensor, incoming: Incoming, wants_x: bool) -> Gradients:
    """The gradients of a layer's inputs, by the kernels that forward used; saved: all that it kept."""
    native, threads = _native(), torch.get_num_threads()
    found = native.backward(layer, threads, saved, incoming, wants_x)
    if found is None:
        dense_saved, arrived = dense("saved", saved), incoming.dense()
        found = native.backward(layer.dense(), threads, dense_saved, arrived, wants_x)
    return Gradients(*found)


def backward_both(
    layers: tuple[Layer, Layer],
    saved: tuple[Tensor, Tensor],
    incoming: tuple[Incoming, Incoming],
    wants_x: bool,
) -> tuple[Gradients, Gradients]:
    """The gradients of the inputs of two layers that forward_both has run."""
    native, threads = _native(), torch.get_num_threads()
    found = native.backward_both(layers, threads, saved, incoming, wants_x)
    if found is None:
        layers = (layers[0].dense(), layers[1].dense())
        saved = (dense("saved", saved[0]), dense("saved", saved[1]))
        incoming = (incoming[0].dense(), incoming[1].dense())
        found = native.backward_both(layers, threads, saved, incoming, wants_x)
    return Gradients(*found[0]), Gradients(*found[1])


def backward_shapes(layer: Layer, wants_x: bool) -> Gradients:
    """The gradients of a layer's inputs with the right shapes and any content."""
    _, batch, width, hidden, output = layer.sizes

    def like(parameter: Tensor | None) -> Tensor | None:
        return None if parameter is None else layer.x.new_empty(parameter.shape)

    return Gradients(
        layer.steps_like(width) if wants_x else None,
        layer.x.new_empty(layer.weight_ih.shape),
        layer.x.new_empty(layer.weight_hh.shape),
        like(layer.bias_ih),
        like(layer.bias_hh),
        layer.x.new_empty(batch, output),
        layer.x.new_empty(batch, hidden) if layer.has_c else None,
        like(layer.peephole),
        like(layer.weight_hr),
        like(layer.norm_weight),
        like(layer.norm_bias),
        like(layer.reset_h),
        like(layer.reset_c),
    )


def gates_of(layer: Layer, saved: Tensor, isa_name: str) -> Tensor:
    """What the kernels kept of every step [T, ...], in their own layout: see Saved in native/plan.h."""
    time, batch = layer.sizes[:2]
    return saved[_head_numbers(saved) :][: time * batch * saved_width(layer, isa_name)].view(time, -1)


def is_head(saved: Any) -> bool:
    """Whether this tells which kernels ran, and nothing else."""
    return isinstance(saved, Tensor) and saved.numel() == _head_numbers(saved)


def isa_of(saved: Tensor) -> str:
    """The instruction set whose kernels wrote this."""
    return str(_native().isa_of(saved))


def _native() -> Any:
    return isa._native()


def _head_numbers(like: Tensor) -> int:
    return int(_native().saved_head_bytes // like.element_size())


# What may have any strides but among its features.
_STEPS = ("x", "g_noise", "h_noise", "c_noise", "d_out", "d_c")


def dense(name: str, value: Any) -> Any:
    """The tensor of this name as the kernels read it: a copy if it does not lie so."""
    if not isinstance(value, Tensor):
        return value
    value = resolved(value)
    check_memory(name, value)
    if not value.numel():  # PyTorch calls it contiguous whatever its strides, which NumPy sets to 0
        return value.new_empty(value.shape)
    if name in _STEPS and (value.shape[-1] <= 1 or value.stride(-1) == 1):
        aligned = value
    else:
        aligned = value.contiguous()
    return aligned.clone() if aligned.data_ptr() % aligned.element_size() else aligned
