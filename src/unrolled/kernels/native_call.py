"""The way from tensors to the native kernels: memory for results, and addresses as native/layer.h has them.

Everything here takes CPU tensors of one dtype whose shapes the operators in `ops` have checked.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.kernels import isa
from unrolled.kernels.readable import resolved

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

_STEPS = ("x", "g_noise", "h_noise", "c_noise")  # what may have any strides but among its features
_NO_STEPS = (0, 0, 0)
_SMALL = 16384  # numbers up to which PyTorch's own memory is as fast


class Layer(NamedTuple):
    """One recurrent layer and what goes into it, as the operators take it.

    Symbols: x [N, T, I], or [T, N, I] if time comes first; lengths [N] int64 or None; h0 [N, P], c0 [N, H]
    or None; weights and biases as torch.nn has them, biases both or none. P is H but for a projection.

    The rest are options of the LSTM of the last three kinds, as cells/lstm.py defines them: peephole [3, H]
    of i, f and o; weight_hr [P, H]; norm_weight and norm_bias [5 H] of the gates and c, or [9 H] of W x, U h
    and c; noise, uniform in [0, 1), laid out as x: g_noise and c_noise [N, T, H], h_noise [N, T, P], where a
    number below recurrent_dropout drops a unit of g, and one below zoneout keeps an old h or c; clips, 0 for
    none.
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
        """Memory for a result [N, T, width], laid out as the user wants it."""
        time, batch = self.sizes[:2]
        return self._empty(*((batch, time, width) if self.batch_first else (time, batch, width)))

    def _empty(self, *shape: int) -> Tensor:
        """A tensor of x's type with any content, in memory that the kernels keep between calls."""
        if type(self.x) not in (Tensor, torch.nn.Parameter) or math.prod(shape) < _SMALL:
            return self.x.new_empty(shape)
        memory: Tensor = _native().memory(self.x.dtype == torch.float64, math.prod(shape))
        return memory.view(shape)

    def saved_like(self) -> Tensor:
        """Memory for what backward needs, [T, N, width]."""
        time, batch, _, hidden, output = self.sizes
        width = _native().saved_width(
            isa.active(),
            self.x.dtype == torch.float64,
            KINDS.index(self.kind),
            int(hidden),
            0 if self.weight_hr is None else int(output),
        )
        return self._empty(time, batch, width)

    def packed_like(self) -> Tensor:
        """Memory for the weights as forward reads them."""
        size = _native().packed_size(
            isa.active(), self.x.dtype == torch.float64, KINDS.index(self.kind), *self.sizes[2:]
        )
        return self._empty(size)

    def dense(self) -> Layer:
        """The same with everything in the layout that the kernels read: only what does not fit is copied."""
        changed: dict[str, Any] = {}
        for name, value in zip(Layer._fields, self, strict=True):
            if not isinstance(value, Tensor):
                continue
            dense = resolved(value)
            dense = _features_contiguous(dense) if name in _STEPS else dense.contiguous()
            if dense is not value:
                changed[name] = dense
        return self._replace(**changed) if changed else self

    def arguments(self) -> tuple[Any, ...]:
        return (
            KINDS.index(self.kind),
            self.reverse,
            self.forget_bias,
            torch.get_num_threads(),
            *self.sizes[:4],
            _address(self.lengths),
            self.view(self.x),
            _address(self.h0),
            _address(self.c0),
            self.weight_ih.data_ptr(),
            self.weight_hh.data_ptr(),
            _address(self.bias_ih),
            _address(self.bias_hh),
            self.weight_hh.shape[1],
            self._options() if self.kind.startswith("lstm_") else None,
        )

    def _options(self) -> tuple[Any, ...]:
        return (
            _address(self.peephole),
            _address(self.weight_hr),
            _address(self.norm_weight),
            _address(self.norm_bias),
            self.view(self.g_noise),
            self.view(self.h_noise),
            self.view(self.c_noise),
            self.recurrent_dropout,
            self.zoneout,
            self.cell_clip,
            self.proj_clip,
        )

    def view(self, steps: Tensor | None) -> tuple[int, int, int]:
        """Address, stride between sequences and stride between steps of a tensor [N, T, ...]."""
        if steps is None:
            return _NO_STEPS
        first, second = steps.stride(0), steps.stride(1)
        return (steps.data_ptr(), first, second) if self.batch_first else (steps.data_ptr(), second, first)


class Results(NamedTuple):
    """What forward gives: out, h_n, c_n, c of every step and what backward needs; empty where not wanted."""

    out: Tensor
    h_n: Tensor
    c_n: Tensor
    c: Tensor
    saved: Tensor


def empty_results(layer: Layer, keep: bool, keep_c: bool) -> Results:
    """Memory for the results of `layer`."""
    _, batch, _, hidden, output = layer.sizes
    none = (0,)
    return Results(
        layer.steps_like(output),
        layer.x.new_empty(batch, output),
        layer.x.new_empty((batch, hidden) if layer.has_c else none),
        layer.steps_like(hidden) if layer.has_c and keep_c else layer.x.new_empty(none),
        layer.saved_like() if keep else layer.x.new_empty(none),
    )


def forward(layer: Layer, results: Results, packed: Tensor, packed_ready: bool = False) -> None:
    """Fill `results`; also `packed`, unless it is said to hold these weights already."""
    dense = layer.dense()
    arguments = (
        dense.view(results.out),
        results.h_n.data_ptr(),
        results.c_n.data_ptr(),
        dense.view(results.c) if results.c.dim() == 3 else _NO_STEPS,
        results.saved.data_ptr() if results.saved.dim() == 3 else 0,
        packed.data_ptr(),
        packed_ready,
    )
    _native().forward(isa.active(), layer.x.dtype == torch.float64, dense.arguments(), arguments)


class Incoming(NamedTuple):
    """The gradients of forward's results; None where nothing used them."""

    out: Tensor | None
    h_n: Tensor | None
    c_n: Tensor | None
    c: Tensor | None


class Gradients(NamedTuple):
    """The gradients that backward gives; empty where not wanted or where there is no such input."""

    x: Tensor
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor
    h0: Tensor
    c0: Tensor
    peephole: Tensor
    weight_hr: Tensor
    norm_weight: Tensor
    norm_bias: Tensor


def empty_gradients(layer: Layer, wants_x: bool) -> Gradients:
    """Memory for the gradients of `layer`'s inputs."""
    _, batch, width, hidden, output = layer.sizes

    def like(parameter: Tensor | None) -> Tensor:
        return layer.x.new_empty((0,) if parameter is None else parameter.shape)

    return Gradients(
        layer.steps_like(width) if wants_x else like(None),
        like(layer.weight_ih),
        like(layer.weight_hh),
        like(layer.bias_ih),
        like(layer.bias_hh),
        layer.x.new_empty(batch, output),
        layer.x.new_empty((batch, hidden) if layer.has_c else (0,)),
        like(layer.peephole),
        like(layer.weight_hr),
        like(layer.norm_weight),
        like(layer.norm_bias),
    )


def backward(layer: Layer, out: Tensor, saved: Tensor, incoming: Incoming, gradients: Gradients) -> None:
    """Fill `gradients`."""
    dense = layer.dense()
    d_out, d_c = _features_contiguous(incoming.out), _features_contiguous(incoming.c)
    d_h_n = None if incoming.h_n is None else incoming.h_n.contiguous()
    d_c_n = None if incoming.c_n is None or not layer.has_c else incoming.c_n.contiguous()
    arguments = (
        dense.view(out),
        saved.data_ptr(),
        dense.view(d_out),
        dense.view(d_c if layer.has_c else None),
        _address(d_h_n),
        _address(d_c_n),
        dense.view(gradients.x) if gradients.x.dim() == 3 else _NO_STEPS,
        gradients.h0.data_ptr(),
        gradients.c0.data_ptr(),
        gradients.weight_ih.data_ptr(),
        gradients.weight_hh.data_ptr(),
        *(
            _address(gradient if gradient.numel() else None)
            for gradient in (
                gradients.bias_ih,
                gradients.bias_hh,
                gradients.peephole,
                gradients.weight_hr,
                gradients.norm_weight,
                gradients.norm_bias,
            )
        ),
    )
    _native().backward(isa.active(), layer.x.dtype == torch.float64, dense.arguments(), arguments)


def _native() -> Any:
    return isa._native()


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _features_contiguous(steps: Any) -> Any:
    if steps is None or steps.shape[-1] <= 1 or steps.stride(-1) == 1:
        return steps
    return steps.contiguous()
