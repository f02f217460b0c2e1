"""The recurrent layers of a whole model, put on the fused kernels in place, and taken off them again."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import nn

from unrolled.kernels import isa
from unrolled.kernels.readable import DTYPES
from unrolled.layers.drop_in import DropIn
from unrolled.layers.gru import GRU
from unrolled.layers.lstm import LSTM
from unrolled.layers.rnn import RNN

Model = TypeVar("Model", bound=nn.Module)

_DROP_INS: dict[type[nn.Module], type[DropIn]] = {drop_in.peer: drop_in for drop_in in (LSTM, GRU, RNN)}


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
    parameters: optimizers, hooks, shared layers, `state_dict` and the training flag go on as they were.
    Subclasses of torch.nn's layers, which may compute something else, and single-step cells are left alone:
    `unrolled.layers.explain` gives the reasons.

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
        if type(module) in _DROP_INS and not _has_own_forward(module):
            module.__class__ = _DROP_INS[type(module)]
    if verbose:
        for finding in explain(model):
            print(finding)
    return model


def restore(model: Model) -> Model:
    """Give every drop-in inside a model torch.nn's own class back, in place: the opposite of `accelerate`.

    Layers that were built as drop-ins become torch.nn's as well.

    Args:
        model: any module.

    Returns:
        The model.

    >>> restore(LSTM(4, 3))
    LSTM(4, 3)
    """
    for module in model.modules():
        if type(module) in _DROP_INS.values():
            module.__class__ = module.peer  # type: ignore[assignment]
    return model


def explain(model: nn.Module) -> list[Finding]:
    """What `accelerate` replaced in a model, what it left, and why.

    Args:
        model: any module.

    Returns:
        A `Finding` for each recurrent module of torch.nn or of this package; printed, it is a line of text.

    >>> print(*explain(nn.Sequential(nn.GRUCell(4, 3))))
    0: GRUCell, left: a kernel call for a single step costs more than the step
    """
    findings = []
    for name, module in model.named_modules():
        reason = _why_left(module)
        replaced = type(module) in _DROP_INS.values()
        if replaced:
            reason = _how_it_runs(module)
        if reason is not None:
            findings.append(Finding(name, _kind_of(module), replaced, reason))
    return findings


def _kind_of(module: nn.Module) -> str:
    return str(module.original_name if isinstance(module, torch.jit.ScriptModule) else type(module).__name__)


def _why_left(module: nn.Module) -> str | None:
    """Why the module is not a drop-in; None if it is no recurrent layer."""
    if isinstance(module, nn.RNNCellBase):
        return "a kernel call for a single step costs more than the step"
    if isinstance(module, torch.jit.ScriptModule) and module.original_name in ("LSTM", "GRU", "RNN"):
        return "torch.jit has compiled it"
    if not isinstance(module, nn.RNNBase):
        return None
    if type(module) not in _DROP_INS:
        return "a class of its own, which may compute something else than torch.nn's"
    if _has_own_forward(module):
        return "something has put its own forward on it"
    return "accelerate has not seen it yet"


def _has_own_forward(module: nn.Module) -> bool:
    return "forward" in vars(module)


def _how_it_runs(layer: nn.RNNBase) -> str:
    """Where the calls of a drop-in run."""
    strange = [
        weight for weight in layer.parameters() if weight.device.type != "cpu" or weight.dtype not in DTYPES
    ]
    if strange:
        return f"it runs in torch.nn's code, as its weights are {strange[0].dtype} on {strange[0].device}"
    if isa.active() == isa.REFERENCE:
        return f"it runs in torch.nn's code: {isa.explain()}"
    return "it runs in the fused kernels"
