"""A whole model with recurrent weights of fewer bits, for inference."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from unrolled.cells import (
    Cell,
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
)
from unrolled.cells.quantized import WIDEST, QuantizedCell, check_dtype
from unrolled.errors import UnrolledError
from unrolled.kernels import isa
from unrolled.layers.finding import Finding
from unrolled.layers.lineage import DROP_INS
from unrolled.layers.quantized import QuantizedLayers, QuantizedStep
from unrolled.unroll.kernel_layer import has_hooks, kernel_of

_AROUND = (StackedCell, DropoutCell, ResidualCell, HighwayCell)  # of cells, without weights of a step's own


def quantize(model: nn.Module, dtype: torch.dtype = torch.int8, *, verbose: bool = False) -> nn.Module:
    r"""A copy of a model for inference, whose recurrent weights are int8 or bfloat16.

        int8       a quarter of the memory: weights have a scale in each row, x and h one in each row of the
                   batch and at each step; sums are whole numbers, gates and states float32
        bfloat16   half of the memory: the weights alone have fewer bits

    Every LSTM, GRU and RNN in it, as a cell of this package, a layer or a cell of torch.nn or a drop-in, has
    a `QuantizedCell` in its place, or one for each layer and direction; `unrolled.cells.QuantizedCell` has
    the equations. Dense layers and whatever else is there stay as they are. An LSTM with options (peepholes,
    projection, clips, layer norm, zoneout, another activation), a class of one's own, one with hooks, and
    weights that are not float32 on the CPU stay as they are, too: `unrolled.layers.explain` says so of each.

    The copy evaluates, takes no gradients and has state dicts of its own; `unrolled.Stream`, `dynamic_unroll`
    and the networks take it as they take the model.

    Args:
        model: any module, a cell or a layer itself among them. It stays as it is.
        dtype: torch.int8 or torch.bfloat16.
        verbose: whether to print what `unrolled.layers.explain` finds in the copy.

    Returns:
        The copy.

    Raises:
        ValueError: another dtype.
        UnrolledError: there is nothing in the model to quantize, or it cannot be copied.

    >>> from unrolled import GRUCell, dynamic_unroll
    >>> cell, x = GRUCell(28, 64), torch.randn(2, 30, 28)
    >>> with torch.no_grad():
    ...     exact, near = (dynamic_unroll(one, x)[0] for one in (cell, quantize(cell)))
    >>> bool((exact - near).abs().max() < 0.05)
    True
    """
    check_dtype(dtype)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}, expected a torch.nn.Module")
    # copy.deepcopy asks here first for what stands in the place of an object.
    copies: dict[int, Any] = {}
    left = []
    for name, module in model.named_modules():
        if not _is_recurrent(module):
            continue
        reason = why_not(module)
        if reason is None:
            copies[id(module)] = _quantized(module, dtype)
        else:
            left.append(str(_left(name, module, reason)))
    if not copies:
        what = f": {left[0]}" if left else ": it has no LSTM, GRU or RNN"
        raise UnrolledError(f"there is nothing to quantize in a {type(model).__name__}{what}")
    try:
        small: nn.Module = copy.deepcopy(model, copies)
    except RuntimeError as error:
        raise UnrolledError(f"a {type(model).__name__} cannot be copied: {error}") from error
    small.eval().requires_grad_(False)
    if verbose:
        for finding in findings(small):
            print(finding)
    return small


def why_not(module: Any) -> str | None:
    """Why a recurrent module cannot have weights of fewer bits; None if it can.

    >>> why_not(LSTMCell(4, 3, peephole=True))
    'an LSTM with peephole'
    """
    if isinstance(module, QuantizedCell):
        return "it is quantized already"
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        if type(module) not in (*DROP_INS, *DROP_INS.values()):
            return "a class of its own, which may compute something else"
        if getattr(module, "proj_size", 0):
            return "an LSTM with proj_size"
    elif type(module) is LSTMCell:
        options = ("peephole", "proj_size", "cell_clip", "layer_norm", "zoneout")
        set_ = [name for name in options if getattr(module, name)]
        if module.activation != "tanh":
            set_.append(f"activation {module.activation}")
        if set_:
            return f"an LSTM with {' and '.join(set_)}"
    elif type(module) not in (GRUCell, RNNCell):
        return "a class of its own, which may compute something else"
    if has_hooks(module):
        return "hooks wait for its calls"
    for name, weight in module.named_parameters():
        if weight.dtype != torch.float32 or weight.device.type not in ("cpu", "meta"):
            return f"its {name} is {weight.dtype} on {weight.device}, not float32 on the CPU"
        if weight.dim() == 2 and weight.shape[1] > WIDEST:
            return f"its {name} has rows of more than {WIDEST} numbers"
    return None


def findings(model: nn.Module) -> Iterator[Finding]:
    """What is quantized in a model, and, where something is, which other cells are not."""
    seen: set[int] = set()
    if not any(isinstance(module, QuantizedCell) for module in model.modules()):
        return
    for name, module in model.named_modules():
        if id(module) in seen:
            continue
        if isinstance(module, QuantizedLayers | QuantizedStep | QuantizedCell):
            seen |= {id(part) for part in module.modules()}
            cell = next(part for part in module.modules() if isinstance(part, QuantizedCell))
            yield Finding(name, type(module).__name__, True, how_it_runs(cell))
        elif _is_recurrent(module):
            yield _left(name, module, why_not(module) or "it came later")


def how_it_runs(cell: QuantizedCell) -> str:
    """Where the steps of a quantized cell run."""
    dtype = str(cell.weight_ih.dtype).removeprefix("torch.")
    if isa.active() == isa.REFERENCE:
        return f"its weights are {dtype}, and it runs in plain PyTorch: {isa.explain()}"
    if has_hooks(cell) or cell.like.dtype != torch.float32 or cell.weight_ih.device.type != "cpu":
        return f"its weights are {dtype}, and it runs in plain PyTorch: hooks, or not float32 on the CPU"
    return f"its weights are {dtype}, and it runs in the fused kernels"


def _is_recurrent(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule):
        return False
    return isinstance(module, nn.RNNBase | nn.RNNCellBase | QuantizedCell) or (
        isinstance(module, Cell) and type(module) not in _AROUND
    )


def _left(name: str, module: nn.Module, reason: str) -> Finding:
    return Finding(name, type(module).__name__, False, f"its weights stay as they are: {reason}")


def _quantized(module: Any, dtype: torch.dtype) -> nn.Module:
    if isinstance(module, nn.RNNBase):
        return QuantizedLayers(module, dtype)
    if isinstance(module, nn.RNNCellBase):
        return QuantizedStep(module, dtype)
    return quantized_cell(module, dtype)


def quantized_cell(cell: Any, dtype: torch.dtype) -> QuantizedCell:
    """The same cell with weights of fewer bits."""
    kind = "lstm" if type(cell) is LSTMCell else kernel_of(cell)  # one that trains may drop a part of g
    assert kind is not None
    weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    return QuantizedCell(kind, *weights, dtype=dtype, forget_bias=getattr(cell, "forget_bias", 0.0))
