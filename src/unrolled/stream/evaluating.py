"""A model as `eval()` would make it, beside the model itself, with the same weights."""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any

import torch
from torch import nn


def evaluating(model: nn.Module) -> nn.Module:
    """A twin of `model` that evaluates; `model` stays as it is, in training or not.

    Each of its modules is of the same class, and has the same dictionaries of parameters, buffers and hooks.
    No tensor is copied, and so models that hold some which cannot be, such as pruned ones, have twins too.
    """
    return _twin(model, {}).eval()


def _twin(module: nn.Module, known: dict[int, nn.Module]) -> nn.Module:
    if id(module) in known:
        return known[id(module)]
    if isinstance(module, torch.jit.ScriptModule):
        return copy.deepcopy(module) if module.training else module
    if "_orig_mod" in module._modules:  # torch.compile's wrapper, bound to the module that is in training
        return _twin(module.get_submodule("_orig_mod"), known)
    twin: nn.Module = object.__new__(type(module))
    known[id(module)] = twin
    attributes = {name: _own(value) for name, value in vars(module).items()}
    attributes |= {name: vars(module)[name] for name in ("_parameters", "_buffers")}
    attributes["_modules"] = {
        name: None if part is None else _twin(part, known) for name, part in module._modules.items()
    }
    attributes.pop("_compiled_call_impl", None)  # bound to the module, as above
    for name, value in attributes.items():
        if isinstance(value, MethodType) and id(value.__self__) in known:
            attributes[name] = MethodType(value.__func__, known[id(value.__self__)])
    twin.__dict__.update(attributes)
    return twin


def _own(value: Any) -> Any:
    """The value, copied if it is a container that a module may fill or empty while it evaluates."""
    return value.copy() if type(value) in (dict, list, set) else value
