"""Which kernel has a cell's maths, and the layer that it makes of a cell and its sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unrolled.cells.gru import GRUCell
from unrolled.cells.lstm import LSTMCell
from unrolled.cells.rnn import RNNCell
from unrolled.cells.state import State

if TYPE_CHECKING:
    from unrolled.kernels.native_call import Layer


def kernel_of(cell: Any) -> str | None:
    """The name of the kernel that has this cell's maths, None if there is none.

    >>> kernel_of(GRUCell(4, 3)), kernel_of(LSTMCell(4, 3, peephole=True))
    ('gru_after', 'lstm_options')
    >>> kernel_of(LSTMCell(4, 3, activation="relu")) is None
    True
    """
    kind = type(cell)
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
    cell: Any, x: Tensor, lengths: Tensor | None, state: Any, *, batch_first: bool, reverse: bool
) -> Layer:
    """The layer that a cell with a kernel makes of x [N, T, I]; its noise, if any, is drawn here."""
    from unrolled.kernels.native_call import Layer

    h, c = state if isinstance(state, tuple) else (state, None)
    kind = kernel_of(cell)
    assert kind is not None
    layer = Layer(
        kind,
        x,
        cell.weight_ih,
        cell.weight_hh,
        cell.bias_ih,
        cell.bias_hh,
        lengths,
        h,
        c,
        float(getattr(cell, "forget_bias", 0.0)),
        reverse,
        batch_first,
    )
    return layer._replace(**_options(cell, x)) if kind.startswith("lstm_") else layer


def _options(cell: LSTMCell, x: Tensor) -> dict[str, Any]:
    options: dict[str, Any] = {
        "zoneout": float(cell.zoneout),
        "cell_clip": float(cell.cell_clip or 0.0),
        "proj_clip": float(cell.proj_clip or 0.0),
    }
    if cell.peephole:
        options["peephole"] = torch.stack([cell.weight_ci, cell.weight_cf, cell.weight_co])
    if cell.proj_size:
        options["weight_hr"] = cell.weight_hr
    if cell.layer_norm is not None:
        names = ["norm_gates", "norm_c"] if cell.layer_norm == "gates" else ["norm_ih", "norm_hh", "norm_c"]
        norms: list[Any] = [getattr(cell, name) for name in names]
        options["norm_weight"] = torch.cat([norm.weight for norm in norms])
        if norms[0].bias is not None:
            options["norm_bias"] = torch.cat([norm.bias for norm in norms])

    def noise(size: int) -> Tensor:
        return torch.rand(*x.shape[:2], size, dtype=x.dtype, device=x.device)

    if cell.training and cell.recurrent_dropout:
        options["g_noise"] = noise(cell.hidden_size)
        options["recurrent_dropout"] = float(cell.recurrent_dropout)
    if cell.training and cell.zoneout:
        options["h_noise"], options["c_noise"] = noise(cell.output_size), noise(cell.hidden_size)
    return options


def has_hooks(cell: nn.Module) -> bool:
    """Whether a hook waits for calls of the cell, which a kernel would not make."""
    return bool(
        cell._forward_hooks or cell._forward_pre_hooks or cell._backward_hooks or cell._backward_pre_hooks
    )


def fits(cell: Any, x: Tensor) -> bool:
    """Whether a kernel takes this cell on this x, which is plain."""
    if kernel_of(cell) is None or x.shape[2] != cell.input_size:  # the loop has the words for a wrong width
        return False
    parts = (cell, *cell._modules.values())
    return not any(has_hooks(part) for part in parts) and all(
        _like(parameter, x) for part in parts for parameter in part._parameters.values()
    )


def state_fits(state: State, x: Tensor) -> bool:
    """Whether a kernel takes this initial state beside x."""
    if isinstance(state, tuple):
        return all(state_fits(part, x) for part in state)
    return _like(state, x)


def is_plain(x: Any) -> bool:
    """Whether a kernel may see x: real memory, and no transformation that wants every operation."""
    return (
        _is_real(x)
        and x.device.type in ("cpu", "cuda", "mps")
        and x.dtype in (torch.float32, torch.float64)
        and x.dim() == 3
        and not torch.is_autocast_enabled(x.device.type)
        and (torch.compiler.is_compiling() or not is_transformed())
    )


def _like(tensor: Tensor | None, x: Tensor) -> bool:
    return tensor is None or (_is_real(tensor) and tensor.dtype == x.dtype and tensor.device == x.device)


def _is_real(tensor: Any) -> bool:
    """Whether the tensor is one of torch's own kind, or stands for such a one in a graph."""
    known = type(tensor) in (Tensor, nn.Parameter) or torch.compiler.is_compiling()
    return known and tensor.layout is torch.strided


def is_transformed() -> bool:
    """Whether torch.func (vmap, grad, jvp) or forward-mode differentiation is at work."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
    )
