"""What a kernel may read: real memory of the right kind that nobody watches. Whoever calls one asks here.

| who watches | what happens |
|---|---|
| torch.jit.trace and torch.onnx.export(dynamo=False), autocast, torch.func, forward-mode differentiation | they want torch's own operators, one by one: the loop, or torch.nn's own forward (`is_watched`) |
| torch.compile and export; make_fx, FakeTensorMode, FlopCounterMode and every other dispatch or function mode; the `__torch_function__` of a subclass | they want to see what is called: the operator `unrolled::unroll` is dispatched (`is_dispatched`) |
| nobody | the kernel is called without the dispatch, which costs as much as a small layer |

A subclass of Tensor or Parameter over plain memory is read, and its results are what its `__torch_function__`
makes of the operator's. One with a `__torch_dispatch__` of its own is a wrapper that may be anything: it goes
where the watched go. Negative and conjugate views and zeros without memory are read through a copy (`resolved`).
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

DTYPES = (torch.float32, torch.float64)


def is_watched(device_type: str = "cpu") -> bool:
    """Whether someone wants each of torch's own operators, to record, transform or change them."""
    return (
        torch._C._get_tracing_state() is not None
        or torch.is_autocast_enabled(device_type)
        or (not torch.compiler.is_compiling() and is_transformed())
    )


def is_transformed() -> bool:
    """Whether torch.func (vmap, grad, jvp) or forward-mode differentiation is at work."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
    )


def is_batched(values: Sequence[Any]) -> bool:
    """Whether one of these stands for many, as gradients do with is_grads_batched=True."""
    return any(value is not None and torch._C._functorch.is_legacy_batchedtensor(value) for value in values)


def is_dispatched(values: Sequence[Any]) -> bool:
    """Whether someone wants to see the operator that is called on these, tensors or not."""
    return (
        torch.compiler.is_compiling()
        or _has_dispatch_mode()
        or torch._C._is_torch_function_mode_enabled()
        or torch._C._has_torch_function(values)
    )


def _has_dispatch_mode() -> bool:
    return torch._C._len_torch_dispatch_stack() > 0 or torch._C._dispatch_tls_is_dispatch_key_included(
        torch._C.DispatchKey.PreDispatch
    )


def is_recorded() -> bool:
    """Whether what is called now goes into a graph that is to hold for other numbers as well."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._dispatch_tls_is_dispatch_key_included(torch._C.DispatchKey.PreDispatch)
        or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is not None
        or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None
    )


def is_memory(value: Any) -> bool:
    """Whether this is a dense tensor of real numbers of a kernel's dtype, on any device.

    >>> is_memory(torch.zeros(2)), is_memory(torch.zeros(2, dtype=torch.half)), is_memory(0.0)
    (True, False, False)
    """
    kind = type(value)
    return (
        (kind is Tensor or kind is nn.Parameter or _stands_for_memory(kind))
        and value.layout is torch.strided
        and value.dtype in DTYPES
        and not value.is_nested
    )


def is_like(value: Any, x: Tensor) -> bool:
    """Whether this is memory of the dtype of x where x is, which is memory."""
    kind = type(value)
    return (
        (kind is Tensor or kind is nn.Parameter or _stands_for_memory(kind))
        and value.dtype == x.dtype
        and value.device == x.device
        and value.layout is torch.strided
        and not value.is_nested
    )


def _stands_for_memory(kind: type) -> bool:
    """Whether tensors of a class other than torch's own two may be read, or have a shape that is known."""
    if kind is FakeTensor:  # it has a shape: enough for an operator that someone watches
        return torch.compiler.is_compiling() or _has_dispatch_mode()
    return torch.compiler.is_compiling() or _wraps_nothing(kind)


@lru_cache(maxsize=256)
def _wraps_nothing(kind: type) -> bool:
    return (
        issubclass(kind, Tensor)
        and not issubclass(kind, UninitializedBuffer | UninitializedParameter)
        and getattr(kind, "__torch_dispatch__", None) == Tensor.__torch_dispatch__
    )


def resolved(tensor: Tensor) -> Tensor:
    """The same numbers as they stand in memory: of negative views and zeros without memory a copy.

    >>> negative = torch.ones(2, dtype=torch.complex64).mul(1j).conj().imag
    >>> negative.is_neg(), resolved(negative).is_neg(), resolved(negative).tolist()
    (True, False, [-1.0, -1.0])
    """
    if tensor._is_zerotensor():
        return tensor.clone()
    return tensor.resolve_conj().resolve_neg()
