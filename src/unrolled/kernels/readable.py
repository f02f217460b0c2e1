"""What a kernel may read: real memory of the right kind that nobody watches. Whoever calls one asks here.

| who watches | what happens |
|---|---|
| torch.jit.trace and torch.onnx.export(dynamo=False), torch.func, forward-mode differentiation | they want torch's own operators, one by one: the loop, or torch.nn's own forward (`is_watched`) |
| torch.compile and export; make_fx, FakeTensorMode, FlopCounterMode and every other dispatch or function mode; the `__torch_function__` of a subclass | they want to see what is called: the operator `unrolled::unroll` is dispatched (`is_dispatched`) |
| nobody | the kernel is called without the dispatch, which costs as much as a small layer |

A subclass of Tensor or Parameter over plain memory is read, and its results are what its `__torch_function__`
makes of the operator's. One with a `__torch_dispatch__` of its own is a wrapper that may be anything: it goes
where the watched go. Negative and conjugate views and zeros without memory are read through a copy (`resolved`).

PyTorch's own operators are no judge of what has numbers: a product with a weight on meta leaves in its result
what was there before, and memory that was given back is read all the same. `check_numbers` says so first.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from unrolled.errors import UnrolledError

DTYPES = (torch.float32, torch.float64)


def is_watched() -> bool:
    """Whether someone wants each of torch's own operators, to record or transform them."""
    return torch._C._get_tracing_state() is not None or (
        not torch.compiler.is_compiling() and is_transformed()
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


def is_memory(value: Any, dtypes: Sequence[torch.dtype] = DTYPES) -> bool:
    """Whether this is a dense tensor of real numbers of one of these types, a kernel's, on any device.

    >>> is_memory(torch.zeros(2)), is_memory(torch.zeros(2, dtype=torch.half)), is_memory(0.0)
    (True, False, False)
    """
    kind = type(value)
    return (
        (kind is Tensor or kind is nn.Parameter or _stands_for_memory(kind))
        and value.layout is torch.strided
        and value.dtype in dtypes
        and not value.is_nested
    )


def is_like(value: Any, x: Tensor, dtypes: Sequence[torch.dtype]) -> bool:
    """Whether this is memory of one of these types where x is, which is memory."""
    kind = type(value)
    return (
        (kind is Tensor or kind is nn.Parameter or _stands_for_memory(kind))
        and value.dtype in dtypes
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


def check_memory(name: str, tensor: Tensor) -> None:
    """Raise an UnrolledError if the storage of a strided tensor ends before the tensor does.

    >>> emptied = torch.ones(2)
    >>> _ = emptied.untyped_storage().resize_(0)
    >>> check_memory("x", emptied)
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: x has no memory: its storage holds nothing, though its shape is [2]
    """
    if not tensor.numel() or tensor._is_zerotensor():
        return
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + last + 1) * tensor.element_size()
    held = tensor.untyped_storage().nbytes()
    if held < needed:
        what = f"{held} of {needed} bytes" if held else "nothing"
        raise UnrolledError(
            f"{name} has no memory: its storage holds {what}, though its shape is {list(tensor.shape)}"
        )


def check_numbers(module: nn.Module, **beside: Any) -> None:
    """Raise an UnrolledError if a weight of the module, or what stands beside it, has no numbers.

    A module that is on meta as a whole has none and is right: it tells shapes. So is whatever is recorded
    or transformed.
    """
    given, weights = _measurable(_parts(beside.items())), _measurable(_tensors(module))
    real = next(((name, value.device) for name, value in (*given, *weights) if not value.is_meta), None)
    for name, weight in weights:
        if weight.is_meta and real is not None:
            raise UnrolledError(
                f"{name} is on meta, without numbers, but {real[0]} is on {real[1]}: load weights"
            )
    for name, value in (*given, *weights):
        check_memory(name, value)


def check_memories(named: Iterable[tuple[str, Any]]) -> None:
    """Raise an UnrolledError for the first of these whose memory ends too early: see `check_memory`."""
    for name, value in _measurable(named):
        check_memory(name, value)


def _measurable(named: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Those that have memory of their own: none of what is recorded or transformed."""
    if is_recorded() or is_transformed():
        return []
    return [(name, value) for name, value in named if _has_storage(value)]


def _tensors(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The parameters, buffers and plain attributes of a module and of its parts, with their names."""
    for path, part in module.named_modules():
        for holder in (part._parameters, part._buffers, vars(part)):
            if type(holder) is dict:  # torch.jit's modules keep theirs elsewhere
                for name, value in holder.items():
                    yield f"{path}.{name}" if path else name, value


def _parts(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What is nested in tuples and lists, one by one."""
    for name, value in named:
        if isinstance(value, tuple | list):
            yield from _parts((f"{name}[{place}]", part) for place, part in enumerate(value))
        else:
            yield name, value


def _has_storage(value: Any) -> bool:
    kind: type = type(value)
    return (
        (kind is Tensor or kind is nn.Parameter or _wraps_nothing(kind))
        and value.layout is torch.strided
        and not value.is_nested
        and value.numel() > 0
    )
