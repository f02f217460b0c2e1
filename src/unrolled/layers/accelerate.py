"""The recurrent layers of a whole model, put on the fused kernels in place, and taken off them again."""

from __future__ import annotations

from typing import NamedTuple, TypeGuard, TypeVar

import torch
from torch import Tensor, nn

from unrolled.kernels import isa
from unrolled.kernels.readable import DTYPES, is_memory, is_watched
from unrolled.layers.drop_in import DropIn
from unrolled.layers.fits import weight_shapes, weights_of
from unrolled.layers.lineage import why_not, with_drop_in, without_drop_in

Model = TypeVar("Model", bound=nn.Module)

_NAMES = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")  # of torch.nn's, jit's and torch.ao's


class Finding(NamedTuple):
    """A recurrent module: its name in the model, its class, whether it is a drop-in, and why."""

    name: str
    kind: str
    replaced: bool
    reason: str

    def __str__(self) -> str:
        verdict = "replaced" if self.replaced else "left"
        return f"{self.name or 'the model itself'}: {self.kind}, {verdict}: {self.reason}"


def accelerate(model: Model, *, verbose: bool = False) -> Model:
    """Put every torch.nn.LSTM, GRU and RNN inside a model on the fused kernels, in place.

    Each becomes its drop-in, `unrolled.LSTM`, `GRU` or `RNN`, and stays the same object with the same
    parameters: optimizers, hooks, parametrizations, shared layers, `state_dict`, `isinstance` and the
    training flag go on as they were. A subclass of theirs whose forward goes on to `super().forward` keeps
    what it does around that. Subclasses that may compute something else and single-step cells are left
    alone: `unrolled.layers.explain` gives the reasons.

    Args:
        model: any module, a layer itself among them.
        verbose: whether to print what `explain` finds.

    Returns:
        The model.

    >>> model = nn.Sequential(nn.Linear(4, 4), nn.GRU(4, 3))
    >>> type(accelerate(model)[1]), type(restore(model)[1])
    (<class 'unrolled.layers.gru.GRU'>, <class 'torch.nn.modules.rnn.GRU'>)
    """
    for module in model.modules():
        if _is_layer(module) and not isinstance(module, DropIn) and why_not(module) is None:
            module.__class__ = with_drop_in(type(module))
    if verbose:
        for finding in explain(model):
            print(finding)
    return model


def restore(model: Model) -> Model:
    """Give every drop-in inside a model the class that it had before, in place: the opposite of `accelerate`.

    Layers that were built as drop-ins become torch.nn's as well; a class that someone has derived from a
    drop-in stays.

    Args:
        model: any module.

    Returns:
        The model.

    >>> restore(nn.Sequential(accelerate(nn.LSTM(4, 3))))
    Sequential(
      (0): LSTM(4, 3)
    )
    """
    for module in model.modules():
        if isinstance(module, DropIn):
            module.__class__ = without_drop_in(type(module))
    return model


def explain(model: nn.Module) -> list[Finding]:
    """What `accelerate` replaced in a model, what it left, and why.

    A drop-in says where its calls run as things stand: its weights, what is put on it, autocast.

    Args:
        model: any module.

    Returns:
        A `Finding` for each recurrent module of torch.nn or of this package; printed, it is a line of text.

    >>> print(*explain(nn.Sequential(nn.GRUCell(4, 3))))
    0: GRUCell, left: a kernel call for a single step costs more than the step
    """
    findings = []
    for name, module in model.named_modules():
        replaced = isinstance(module, DropIn)
        reason = _how_it_runs(module) if isinstance(module, DropIn) else _why_left(module)
        if reason is not None:
            findings.append(Finding(name, _kind_of(module), replaced, reason))
    return findings


def _is_layer(module: nn.Module) -> TypeGuard[nn.RNNBase]:
    return isinstance(module, nn.RNNBase) and not isinstance(module, torch.jit.ScriptModule)


def _kind_of(module: nn.Module) -> str:
    return str(module.original_name if isinstance(module, torch.jit.ScriptModule) else type(module).__name__)


def _why_left(module: nn.Module) -> str | None:
    """Why the module is not a drop-in; None if it is no recurrent layer."""
    kind = _kind_of(module)
    if isinstance(module, torch.jit.ScriptModule):
        return "torch.jit has compiled it" if kind in _NAMES else None
    if type(module).__module__.startswith("torch.ao.nn"):
        return "it is one of torch.ao's, for quantization" if kind in _NAMES else None
    if isinstance(module, nn.RNNCellBase):
        return "a kernel call for a single step costs more than the step"
    if not _is_layer(module):
        return None
    return why_not(module) or "accelerate has not seen it yet"


def _how_it_runs(layer: DropIn) -> str:
    """Where the calls of a drop-in run."""
    reason = why_not(layer)
    if reason is not None:
        return f"its own code runs: {reason}"
    reason = _why_not_in_kernels(layer)
    return "it runs in the fused kernels" if reason is None else f"it runs in torch.nn's code{reason}"


def _why_not_in_kernels(layer: DropIn) -> str | None:
    if isa.active() == isa.REFERENCE:
        return f": {isa.explain()}"
    if is_watched():
        return " here, as autocast, torch.func or a tracer wants torch's own operators"
    weights, shapes = weights_of(layer), weight_shapes(layer)
    if len(weights) != len(shapes):  # num_layers, bias or bidirectional was set afterwards
        return f", as the number of its weights is {len(weights)}, and its sizes ask for {len(shapes)}"
    for name, weight, shape in zip(layer._flat_weights_names, weights, shapes, strict=True):
        if not isinstance(weight, Tensor):
            return f", as its {name} is {'missing' if weight is None else type(weight).__name__}"
        if weight.device.type != "cpu" or weight.dtype not in DTYPES:
            return f", as its weights are {weight.dtype} on {weight.device}"
        if not is_memory(weight):
            return f", as its {name} is a {type(weight).__name__} of layout {weight.layout}"
        if weight.shape != shape:
            return f", as its {name} has shape {list(weight.shape)}, not {list(shape)}"
        if weight.dtype != weights[0].dtype:
            return f", as its {name} is {weight.dtype}, others are {weights[0].dtype}"
    return None
