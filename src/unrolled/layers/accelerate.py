"""The recurrent layers of a whole model, put on the fused kernels in place, and taken off them again."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from unrolled.kernels import isa, precision
from unrolled.kernels.readable import is_memory, is_watched
from unrolled.layers.cell_drop_in import CellDropIn
from unrolled.layers.finding import Finding
from unrolled.layers.keeping import Keeping, forget, remove, why_not_kept
from unrolled.layers.lineage import why_not, with_drop_in, without_drop_in
from unrolled.layers.quantize import findings as quantized_findings

Model = TypeVar("Model", bound=nn.Module)

_NAMES = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")  # of torch.nn's, jit's and torch.ao's


def accelerate(model: Model, *, verbose: bool = False) -> Model:
    """Put every torch.nn.LSTM, GRU, RNN, LSTMCell, GRUCell and RNNCell inside a model on the fused kernels.

    Each becomes its drop-in, `unrolled.LSTM`, `GRU` or `RNN` or one of `unrolled.layers`' cells, in place: it
    stays the same object with the same parameters, and optimizers, hooks, parametrizations, shared layers,
    `state_dict`, `isinstance` and the training flag go on as they were. A subclass of theirs whose forward
    goes on to `super().forward` keeps what it does around that. Subclasses that may compute something else
    are left alone: `unrolled.layers.explain` gives the reasons.

    Cells, and layers that are called with a single step, keep packed weights from one step to the next in
    inference; with gradients such steps run in torch.nn's code. docs/drop-ins.md says when which change of
    the weights counts.

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
        if isinstance(module, Keeping):
            forget(module)
        elif _is_recurrent(module) and why_not(module) is None:
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
        if isinstance(module, Keeping):
            remove(module)
            module.__class__ = without_drop_in(type(module))
    return model


def explain(model: nn.Module) -> list[Finding]:
    """What `accelerate` or `quantize` replaced in a model, what they left, and why.

    A drop-in says where its calls run as things stand: its weights, what is put on it, autocast. With
    gradients, a call of fewer than 16 rows N·T is torch.nn's in any case.

    Args:
        model: any module.

    Returns:
        A `Finding` for each recurrent module of torch.nn or of this package; printed, it is a line of text.

    >>> print(*explain(nn.Sequential(nn.GRU(4, 3))))
    0: GRU, left: accelerate has not seen it yet
    """
    findings, quantized = [], {finding.name: finding for finding in quantized_findings(model)}
    for name, module in model.named_modules():
        replaced = isinstance(module, Keeping)
        reason = _how_it_runs(module) if isinstance(module, Keeping) else _why_left(module)
        if reason is not None:
            also = quantized.pop(name, None)
            reason += "" if also is None else f"; {also.reason}"
            findings.append(Finding(name, _kind_of(module), replaced, reason))
    return [*quantized.values(), *findings]


def _is_recurrent(module: nn.Module) -> bool:
    return isinstance(module, nn.RNNBase | nn.RNNCellBase) and not isinstance(module, torch.jit.ScriptModule)


def _kind_of(module: nn.Module) -> str:
    return str(module.original_name if isinstance(module, torch.jit.ScriptModule) else type(module).__name__)


def _why_left(module: nn.Module) -> str | None:
    """Why the module is not a drop-in; None if it is no recurrent layer."""
    kind = _kind_of(module)
    if isinstance(module, torch.jit.ScriptModule):
        return "torch.jit has compiled it" if kind in _NAMES else None
    if type(module).__module__.startswith("torch.ao.nn"):
        return "it is one of torch.ao's, for quantization" if kind in _NAMES else None
    if not _is_recurrent(module):
        return None
    return why_not(module) or "accelerate has not seen it yet"


def _how_it_runs(module: Keeping) -> str:
    """Where the calls of a drop-in run."""
    reason = why_not(module)
    if reason is not None:
        return f"its own code runs: {reason}"
    reason = _why_not_in_kernels(module)
    if reason is not None:
        return f"it runs in torch.nn's code{reason}"
    steps, where = why_not_kept(module), f"the fused kernels{precision.explain_products(_dtype_of(module))}"
    if isinstance(module, CellDropIn):
        if steps is not None:
            return f"it runs in torch.nn's code, as {steps}"
        return f"it runs in {where} where no gradients are needed, in torch.nn's code where they are"
    return f"it runs in {where}{'' if steps is None else f', single steps in torch.nn: {steps}'}"


def _dtype_of(module: Keeping) -> torch.dtype:
    """The type of its weights, which are all alike."""
    weight: Tensor = getattr(module, module._weight_names()[0])
    return weight.dtype


def _why_not_in_kernels(module: Keeping) -> str | None:
    if isa.active() == isa.REFERENCE:
        return f": {isa.explain()}"
    if is_watched():
        return " here, as torch.func or a tracer wants torch's own operators"
    names, shapes = module._weight_names(), module._weight_shapes()
    if len(names) != len(shapes):  # num_layers, bias or bidirectional was set afterwards
        return f", as the number of its weights is {len(names)}, and its sizes ask for {len(shapes)}"
    weights: list[Any] = [getattr(module, name, None) for name in names]
    for name, weight, shape in zip(names, weights, shapes, strict=True):
        if not isinstance(weight, Tensor):
            return f", as its {name} is {'missing' if weight is None else type(weight).__name__}"
        if weight.device.type != "cpu" or weight.dtype not in precision.TYPES:
            return f", as its weights are {weight.dtype} on {weight.device}"
        if not is_memory(weight, precision.TYPES):
            return f", as its {name} is a {type(weight).__name__} of layout {weight.layout}"
        if weight.shape != shape:
            return f", as its {name} has shape {list(weight.shape)}, not {list(shape)}"
        if weight.dtype != weights[0].dtype:
            return f", as its {name} is {weight.dtype}, others are {weights[0].dtype}"
    return None
