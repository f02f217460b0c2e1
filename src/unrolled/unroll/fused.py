"""Which cells walk through the fused kernels: layer by layer, wherever that is the loop's own result."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.cells import DropoutCell, GRUCell, LSTMCell, ResidualCell, RNNCell, StackedCell
from unrolled.cells.state import LSTMState, State, map_state
from unrolled.kernels import isa
from unrolled.kernels.native_call import Layer
from unrolled.unroll.lengths import Lengths, check_lengths

_KINDS = (RNNCell, LSTMCell, GRUCell, StackedCell, ResidualCell, DropoutCell)
_DTYPES = (torch.float32, torch.float64)


class Unrolled(NamedTuple):
    """Outputs, final state, and the states of every step (None if they were not asked for)."""

    outputs: Tensor
    state: Any
    states: Any


def fused_unroll(
    cell: nn.Module,
    x: Tensor,
    lengths: Lengths | None,
    state: State | None,
    *,
    batch_first: bool,
    reverse: bool = False,
    return_states: bool = False,
) -> Unrolled | None:
    """The results of `dynamic_unroll` through the fused kernels, or None where they cannot give them.

    Args:
        cell, x, lengths, state, batch_first, return_states: as `dynamic_unroll` takes them; x has steps.
        reverse: read each sequence from its last step to its first; outputs stay beside their inputs.

    Raises:
        ValueError: lengths or a state that do not fit.
    """
    if not (_is_plain(x) and _fuses(cell, x) and isa.active() != isa.REFERENCE):
        return None
    batch_size, time = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
    if x.shape[2] != cell.input_size:
        return None  # the reference has the words for it
    if state is not None:
        if not _all_plain(state, x):
            return None
        cell._check_state(state, batch_size)  # type: ignore[operator]
    known = None if lengths is None else check_lengths(lengths, batch_size, time, x.device)
    return _Walk(known, batch_first, reverse, return_states).through(cell, x, state)


class _Walk(NamedTuple):
    lengths: Tensor | None
    batch_first: bool
    reverse: bool
    return_states: bool

    def through(self, cell: Any, x: Tensor, state: Any) -> Unrolled:
        if isinstance(cell, StackedCell):
            return self._stack(cell, x, state)
        if isinstance(cell, DropoutCell):
            return self.through(cell.cell, x, state)
        if isinstance(cell, ResidualCell):
            inner = self.through(cell.cell, x, state)
            return inner._replace(outputs=self._within(x + inner.outputs, x))
        return self._layer(cell, x, state)

    def _stack(self, stack: StackedCell, x: Tensor, state: Any) -> Unrolled:
        walked = []
        for layer, cell in enumerate(stack.cells):
            walked.append(self.through(cell, x, None if state is None else state[layer]))
            x = walked[-1].outputs
        return Unrolled(x, tuple(one.state for one in walked), tuple(one.states for one in walked))

    def _layer(self, cell: Any, x: Tensor, state: Any) -> Unrolled:
        from unrolled.kernels import ops  # registers the operators: only now, as it needs the native module

        layer = layer_of(cell, x, self.lengths, state, reverse=self.reverse, batch_first=self.batch_first)
        results = ops.unroll(layer, keep_c=self.return_states)
        if not layer.has_c:
            states = self._carried(results.out, results.h_n) if self.return_states else None
            return Unrolled(results.out, results.h_n, states)
        final = LSTMState(results.h_n, results.c_n)
        if not self.return_states:
            return Unrolled(results.out, final, None)
        every = LSTMState(self._carried(results.out, results.h_n), self._carried(results.c, results.c_n))
        return Unrolled(results.out, final, every)

    def _running(self, steps: Tensor) -> Tensor:
        """Whether a sequence has a step there, to be compared with `steps`."""
        assert self.lengths is not None
        t = torch.arange(steps.shape[1 if self.batch_first else 0])
        running = t < self.lengths[:, None]
        return (running if self.batch_first else running.T).unsqueeze(2)

    def _within(self, outputs: Tensor, x: Tensor) -> Tensor:
        return outputs if self.lengths is None else torch.where(self._running(x), outputs, 0)

    def _carried(self, steps: Tensor, final: Tensor) -> Tensor:
        """The states of every step: past its length a sequence keeps the last."""
        if self.lengths is None:
            return steps
        return torch.where(self._running(steps), steps, final.unsqueeze(1 if self.batch_first else 0))


def layer_of(
    cell: Any,
    x: Tensor,
    lengths: Tensor | None,
    state: Any,
    *,
    reverse: bool = False,
    batch_first: bool = True,
) -> Layer:
    """A cell that has a kernel, as the operators take it."""
    h, c = state if isinstance(state, tuple) else (state, None)
    return Layer(
        kernel_of(cell) or "",
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


def kernel_of(cell: Any) -> str | None:
    """The name of the kernel that has this cell's maths, None if there is none.

    >>> kernel_of(GRUCell(4, 3)), kernel_of(LSTMCell(4, 3, peephole=True))
    ('gru_after', None)
    """
    kind = type(cell)
    if kind is RNNCell:
        return f"rnn_{cell.nonlinearity}"
    if kind is GRUCell:
        return f"gru_{cell.reset}"
    if kind is not LSTMCell:
        return None
    plain = (
        cell.activation == "tanh"
        and not cell.peephole
        and not cell.proj_size
        and cell.cell_clip is None
        and cell.layer_norm is None
        and not (cell.recurrent_dropout and cell.training)
        and not cell.zoneout
    )
    return "lstm" if plain else None


def _fuses(cell: Any, x: Tensor) -> bool:
    """Whether a walk layer by layer, with a kernel for each, gives what the loop gives."""
    kind = type(cell)
    if kind not in _KINDS or _has_hooks(cell):
        return False
    if kind is StackedCell:
        return all(_fuses(part, x) for part in cell.cells)
    if kind is ResidualCell:
        return _fuses(cell.cell, x)
    if kind is DropoutCell:
        drops = cell.training and (cell.input or cell.output or cell.state)
        return not drops and _fuses(cell.cell, x)
    return kernel_of(cell) is not None and all(
        _is_plain(parameter) and parameter.dtype == x.dtype for parameter in cell.parameters()
    )


def _has_hooks(cell: nn.Module) -> bool:
    return bool(
        cell._forward_hooks or cell._forward_pre_hooks or cell._backward_hooks or cell._backward_pre_hooks
    )


def _all_plain(state: State, x: Tensor) -> bool:
    parts: list[bool] = []
    map_state(lambda part: parts.append(_is_plain(part) and part.dtype == x.dtype), state)
    return all(parts)


def _is_plain(tensor: Any) -> bool:
    """Whether the kernels may see the tensor: real memory, and no transformation that wants every op."""
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.dtype in _DTYPES
        and tensor.dim() <= 3
        and tensor.layout == torch.strided
        and not torch.is_autocast_enabled("cpu")
        and (torch.compiler.is_compiling() or not _is_transformed())
    )


def _is_transformed() -> bool:
    """Whether torch.func (vmap, grad, jvp) or forward-mode differentiation is at work."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
    )
