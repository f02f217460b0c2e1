"""Which kernel has a cell's maths, and the layer that it makes of a cell and its sequences."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unrolled.cells.gru import GRUCell
from unrolled.cells.lstm import GateNorm, LSTMCell
from unrolled.cells.quantized import DTYPES, GATES, QuantizedCell, check_no_gradient
from unrolled.cells.rnn import RNNCell
from unrolled.cells.state import State
from unrolled.kernels import precision
from unrolled.kernels.precision import Types
from unrolled.kernels.readable import DTYPES as KERNEL_DTYPES
from unrolled.kernels.readable import check_memories, is_like, is_memory, is_watched
from unrolled.kernels.reference import EPSILON

if TYPE_CHECKING:
    from unrolled.kernels.native_call import Layer

_GATES: dict[type, int] = {LSTMCell: 4, GRUCell: 3, RNNCell: 1}
# The norms of an LSTM's two kinds of layer norm, and how many gates each spans.
NORMS: dict[str | None, tuple[tuple[str, int], ...]] = {
    "gates": (("norm_gates", 4), ("norm_c", 1)),
    "projections": (("norm_ih", 4), ("norm_hh", 4), ("norm_c", 1)),
}


def kernel_of(cell: Any) -> str | None:
    """The name of the kernel that has this cell's maths, None if there is none.

    >>> kernel_of(GRUCell(4, 3)), kernel_of(LSTMCell(4, 3, peephole=True))
    ('gru_after', 'lstm_options')
    >>> kernel_of(LSTMCell(4, 3, activation="relu")) is None
    True
    """
    kind = type(cell)
    if kind is QuantizedCell:
        return str(cell.kind)
    if kind is RNNCell:
        return f"rnn_{cell.nonlinearity}"
    if kind is GRUCell:
        return f"gru_{cell.reset}"
    if kind is not LSTMCell or cell.activation != "tanh":
        return None
    if cell.layer_norm is not None:
        return f"lstm_norm_{cell.layer_norm}"
    options = (
        cell.peephole
        or cell.proj_size
        or cell.cell_clip is not None
        or (cell.recurrent_dropout and cell.training)
        or cell.zoneout
    )
    return "lstm_options" if options else "lstm"


def layer_of(
    cell: Any,
    x: Tensor,
    lengths: Tensor | None,
    state: Any,
    *,
    batch_first: bool,
    reverse: bool,
    resets: Tensor | None = None,
    reset_state: Any = None,
) -> Layer:
    """The layer that a cell with a kernel makes of x [N, T, I]; its noise, if any, is drawn here."""
    from unrolled.kernels.native_call import Layer

    h, c = state if isinstance(state, tuple) else (state, None)
    kind = kernel_of(cell)
    assert kind is not None
    layer = Layer(
        kind,
        x,
        _held(cell, "weight_ih"),
        _held(cell, "weight_hh"),
        _held(cell, "bias_ih"),
        _held(cell, "bias_hh"),
        lengths,
        h,
        c,
        float(cell.forget_bias) if type(cell) in (LSTMCell, QuantizedCell) else 0.0,
        reverse,
        batch_first,
    )
    if type(cell) is QuantizedCell:
        check_no_gradient(x, state, reset_state)
        layer = layer._replace(scale_ih=cell.scale_ih, scale_hh=cell.scale_hh)
    if resets is not None:
        h, c = reset_state if isinstance(reset_state, tuple) else (reset_state, None)
        layer = layer._replace(resets=resets, reset_h=h, reset_c=c)
    if type(cell) is QuantizedCell:
        return layer
    if kind.startswith("lstm_"):
        layer = layer._replace(**_options(cell, x))
    return precision.layer_in_float32(layer) if x.is_cpu else layer


def types_of(cell: Any, x: Tensor, state: Any) -> Types | None:
    """In which types the cell gives what the kernel found, from x and this state; None: as it is."""
    cast = precision.autocast_type()
    if cast is None and x.dtype in KERNEL_DTYPES:
        return None
    if type(cell) is QuantizedCell or x.dtype == torch.float64 or not x.is_cpu:
        return None
    if cast is None:
        return Types(x.dtype, x.dtype)
    kind = kernel_of(cell)
    assert kind is not None
    like = _held(cell, "weight_ih") if state is None else state
    h, c = like if isinstance(like, tuple) else (like, like)
    if type(cell) is not LSTMCell:
        return precision.types_of_cell(kind, h.dtype, c.dtype)
    beside = [_held(cell, "weight_ci").dtype] if cell.peephole else []
    if cell.layer_norm == "gates":
        beside.append(cell.norm_gates.weight.dtype)
    options: dict[str, Any] = {"projects": bool(cell.proj_size), "keeps": bool(cell.zoneout)}
    return precision.types_of_cell(kind, h.dtype, c.dtype, beside=beside, **options)


def _options(cell: LSTMCell, x: Tensor) -> dict[str, Any]:
    options: dict[str, Any] = {
        "zoneout": float(cell.zoneout),
        "cell_clip": float(cell.cell_clip or 0.0),
        "proj_clip": float(cell.proj_clip or 0.0),
    }
    if cell.peephole:
        options["peephole"] = _joined(torch.stack, cell, "weight_ci", "weight_cf", "weight_co")
    if cell.proj_size:
        options["weight_hr"] = cell.weight_hr
    if cell.layer_norm is not None:
        norms = [name for name, _ in NORMS[cell.layer_norm]]
        options["norm_weight"] = _joined(torch.cat, cell, *(f"{norm}.weight" for norm in norms))
        if getattr(cell, norms[0]).bias is not None:
            options["norm_bias"] = _joined(torch.cat, cell, *(f"{norm}.bias" for norm in norms))

    def noise(size: int) -> Tensor:
        dtype = x.dtype if x.dtype in KERNEL_DTYPES else torch.float32
        return torch.rand(*x.shape[:2], size, dtype=dtype, device=x.device)

    if cell.training and cell.recurrent_dropout:
        options["g_noise"] = noise(cell.hidden_size)
        options["recurrent_dropout"] = float(cell.recurrent_dropout)
    if cell.training and cell.zoneout:
        options["h_noise"], options["c_noise"] = noise(cell.output_size), noise(cell.hidden_size)
    return options


def _joined(join: Any, cell: LSTMCell, *names: str) -> Tensor:
    """Weights as one tensor; torch, which joins them, reads memory that was given back."""
    weights = [operator.attrgetter(name)(cell) for name in names]
    check_memories(zip(names, weights, strict=True))
    joined: Tensor = join([precision.in_float32(weight) for weight in weights])
    return joined


def _held(module: nn.Module, name: str, *default: None) -> Any:
    """The same as getattr, for which torch.nn takes five times as long."""
    parameters = module._parameters
    if name in parameters and name not in module.__dict__:
        return parameters[name]
    return getattr(module, name, *default)


def has_hooks(module: nn.Module) -> bool:
    """Whether something waits for calls of the module, or stands in for them: a kernel makes none."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or nn.modules.module._has_any_global_hook()
        or "forward" in module.__dict__
        or "step" in module.__dict__
    )


def fits(cell: Any, x: Tensor) -> bool:
    """Whether a kernel takes this cell on this x, which is plain; the loop says what is wrong."""
    if type(cell) is QuantizedCell:
        return _quantized_fits(cell, x)
    if kernel_of(cell) is None or x.shape[2] != cell.input_size:
        return False
    parts = (cell, *cell._modules.values())
    return not any(has_hooks(part) for part in parts) and _weights_fit(cell, x)


def _quantized_fits(cell: QuantizedCell, x: Tensor) -> bool:
    """The same of a cell with quantized weights, which has kernels on the CPU in float32."""
    rows, weights = GATES[cell.kind] * cell.hidden_size, (cell.weight_ih, cell.weight_hh)
    is_int8 = cell.weight_ih.dtype == torch.int8
    beside = [part for part in (cell.scale_ih, cell.scale_hh, cell.bias_ih, cell.bias_hh) if part is not None]
    return (
        not has_hooks(cell)
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.shape[2] == cell.input_size
        and (cell.scale_ih is not None) == (cell.scale_hh is not None) == is_int8
        and (cell.bias_ih is None) == (cell.bias_hh is None)
        and precision.autocast_type() is None
        and all(
            type(part) is Tensor and part.shape == (rows,) and is_like(part, x, (x.dtype,)) for part in beside
        )
        and all(type(part) is Tensor and part.device == x.device for part in weights)
        and weights[0].dtype == weights[1].dtype
        and weights[0].dtype in DTYPES
        and weights[0].shape == (rows, cell.input_size)
        and weights[1].shape == (rows, cell.hidden_size)
    )


def _weights_fit(cell: Any, x: Tensor) -> bool:
    """Whether the weights, parameters or not, are as a kernel reads them; the loop may do with others."""
    hidden, output = cell.hidden_size, cell.output_size
    rows = _GATES[type(cell)] * hidden
    biases = _held(cell, "bias_ih", None), _held(cell, "bias_hh", None)
    weights: list[tuple[Any, tuple[int, ...]]] = [
        (_held(cell, "weight_ih", None), (rows, cell.input_size)),
        (_held(cell, "weight_hh", None), (rows, output)),
    ]
    if any(bias is not None for bias in biases):
        weights += [(bias, (rows,)) for bias in biases]
    if type(cell) is LSTMCell:
        if cell.peephole:
            weights += [
                (_held(cell, name, None), (hidden,)) for name in ("weight_ci", "weight_cf", "weight_co")
            ]
        if cell.proj_size:
            weights.append((_held(cell, "weight_hr", None), (output, hidden)))
        if cell.layer_norm is not None:
            if any(bias is not None for bias in biases) or not _norms_fit(cell):
                return False
            weights += _norm_weights(cell)
    dtypes = precision.beside(x)
    return all(is_like(weight, x, dtypes) and weight.shape == shape for weight, shape in weights)


def _norms_fit(cell: LSTMCell) -> bool:
    """Whether the cell's norms are still those that it was made with, with a shift each or none."""
    norms = [getattr(cell, name, None) for name, _ in NORMS[cell.layer_norm]]
    shifts = [getattr(norm, "bias", None) is not None for norm in norms]
    if any(shifts) != all(shifts):
        return False
    if cell.layer_norm == "gates":
        return all(
            type(norm) is GateNorm and (norm.gates, norm.hidden_size) == (gates, cell.hidden_size)
            for norm, (_, gates) in zip(norms, NORMS["gates"], strict=True)
        )
    return all(
        type(norm) is nn.LayerNorm
        and norm.eps == EPSILON["lstm_norm_projections"]
        and norm.normalized_shape == (gates * cell.hidden_size,)
        for norm, (_, gates) in zip(norms, NORMS["projections"], strict=True)
    )


def _norm_weights(cell: LSTMCell) -> list[tuple[Any, tuple[int, ...]]]:
    norms = [(getattr(cell, name), (gates * cell.hidden_size,)) for name, gates in NORMS[cell.layer_norm]]
    names = ("weight",) if norms[0][0].bias is None else ("weight", "bias")
    return [(getattr(norm, name, None), shape) for norm, shape in norms for name in names]


def state_fits(state: State, x: Tensor) -> bool:
    """Whether a kernel takes this initial state beside x."""
    if isinstance(state, tuple):
        return all(state_fits(part, x) for part in state)
    return is_like(state, x, precision.beside(x))


def is_plain(x: Any) -> bool:
    """Whether a kernel may see x, a batch of sequences."""
    return (
        is_memory(x, precision.TYPES)
        and (x.is_cpu or _is_plain_elsewhere(x))
        and x.dim() == 3
        and not is_watched()
    )


def _is_plain_elsewhere(x: Tensor) -> bool:
    """Whether torch's own fused operators are given x there: autocast has its own way with them."""
    return (
        x.device.type in ("cuda", "mps")
        and x.dtype in KERNEL_DTYPES
        and not torch.is_autocast_enabled(x.device.type)
    )
