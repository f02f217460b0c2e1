"""The operators `unrolled::unroll` and `unrolled::unroll_backward`, as PyTorch knows them.

`unroll` has a CPU kernel, a shape rule, and a gradient, which is `unroll_backward`; where a gradient of the
gradient is asked for (create_graph=True), backward runs through the plain-PyTorch reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.kernels import flops, native_call, recompute, reference
from unrolled.kernels.native_call import Gradients, Incoming, Layer, Results
from unrolled.kernels.readable import is_batched, is_dispatched, is_transformed

_INPUTS = (
    "str kind, Tensor x, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih, Tensor? bias_hh, "
    "Tensor? lengths, Tensor? h0, Tensor? c0, float forget_bias, bool reverse, bool batch_first, "
    "Tensor? peephole, Tensor? weight_hr, Tensor? norm_weight, Tensor? norm_bias, "
    "Tensor? g_noise, Tensor? h_noise, Tensor? c_noise, "
    "float recurrent_dropout, float zoneout, float cell_clip, float proj_clip, "
    "Tensor? resets, Tensor? reset_h, Tensor? reset_c, Tensor? scale_ih, Tensor? scale_hh, "
    "int parts"
)
_LIBRARY = torch.library.Library("unrolled", "DEF")
_LIBRARY.define(
    f"unroll({_INPUTS}, bool keep, bool keep_c, bool recompute) "
    "-> (Tensor out, Tensor h_n, Tensor c_n, Tensor c, Tensor saved)"
)
_LIBRARY.define(
    f"unroll_backward({_INPUTS}, Tensor? out, Tensor? c, Tensor saved, "
    "Tensor? d_out, Tensor? d_h_n, Tensor? d_c_n, Tensor? d_c, bool wants_x) "
    "-> (Tensor d_x, Tensor d_weight_ih, Tensor d_weight_hh, Tensor d_bias_ih, Tensor d_bias_hh, "
    "Tensor d_h0, Tensor d_c0, "
    "Tensor d_peephole, Tensor d_weight_hr, Tensor d_norm_weight, Tensor d_norm_bias, "
    "Tensor d_reset_h, Tensor d_reset_c)"
)
_LAYER_INPUTS = len(Layer._fields)
_COPIED = ("lengths", "resets")
# Where the gradient of each of a layer's inputs stands; of one that has none nobody asks.
_PLACES = [Gradients._fields.index(name) if name in Gradients._fields else 0 for name in Layer._fields]


def unroll(
    layer: Layer,
    keep_c: bool = False,
    keep_gates: bool = False,
    recompute_gates: bool = False,
    packed: Tensor | None = None,
) -> Results:
    """Run a layer over its sequences.

    Args:
        layer: the layer and its inputs.
        keep_c: whether c of every step is wanted, for an LSTM.
        keep_gates: whether `saved` is wanted, also where there is no backward.
        recompute_gates: whether backward computes the gates again from h and c of every step.
        packed: the weights as `native_call.pack` made them for the active kernels, if someone keeps them.
    """
    differentiable = torch.is_grad_enabled() and any(
        isinstance(value, Tensor) and value.requires_grad for value in layer
    )
    recompute = differentiable and recompute_gates
    keep = keep_gates or (differentiable and not recompute)
    how = (keep, keep_c or recompute, recompute)
    if is_dispatched(layer):
        return Results(*torch.ops.unrolled.unroll(*layer, *how))
    # The same without the operator's dispatch, which costs as much as a small layer.
    if not differentiable:
        return native_call.forward(layer, _kept(*how), keep_c, packed=packed)
    return Results(*_Unroll.apply(*layer, *how))  # type: ignore[no-untyped-call]


def unroll_both(
    one: Layer, other: Layer, *, packed: tuple[Tensor | None, Tensor | None] = (None, None)
) -> tuple[Results, Results]:
    """Run two layers of the same numbers, such as the directions of one: at once, where that is faster."""
    values = (*one, *other)
    if is_dispatched(values) or torch.get_num_threads() < 2:
        return unroll(one, packed=packed[0]), unroll(other, packed=packed[1])
    if torch.is_grad_enabled() and any(isinstance(value, Tensor) and value.requires_grad for value in values):
        found = _UnrollBoth.apply(*values)  # type: ignore[no-untyped-call]
        return Results(*found[: len(found) // 2]), Results(*found[len(found) // 2 :])
    return native_call.forward_both((one, other), packed=packed)


def _kept(keep: bool, keep_c: bool, recompute: bool) -> int:
    return native_call.EVERYTHING if keep else native_call.HEAD if recompute else native_call.NOTHING


def _filled(layer: Layer, results: Any) -> Any:
    """The same with an empty tensor for each None."""
    return type(results)(*(layer.x.new_empty(0) if result is None else result for result in results))


def _run(*arguments: Any) -> Results:
    layer, how = Layer(*arguments[:_LAYER_INPUTS]), arguments[_LAYER_INPUTS:]
    return native_call.forward(layer, _kept(*how), how[1])


def _unroll_cpu(*arguments: Any) -> Any:
    return _filled(Layer(*arguments[:_LAYER_INPUTS]), _run(*arguments))


def _check_one_device(arguments: tuple[Any, ...]) -> None:
    """Raise an UnrolledError if tensors lie apart: one of meta would leave the results unfilled."""
    devices = sorted({str(value.device) for value in arguments if isinstance(value, Tensor)})
    if len(devices) > 1:
        raise UnrolledError(
            f"tensors are on {' and '.join(devices)}, expected one device: move them together"
        )


def _unroll_fake(*arguments: Any) -> Any:
    _check_one_device(arguments)
    layer, how = Layer(*arguments[:_LAYER_INPUTS]), arguments[_LAYER_INPUTS:]
    return _filled(layer, native_call.forward_shapes(layer, _kept(*how), how[1]))


def _run_backward(
    layer: Layer, out: Tensor | None, c: Tensor | None, saved: Tensor, incoming: Incoming, wants_x: bool
) -> Gradients:
    if out is not None and out.numel() and native_call.is_head(saved):
        return recompute.backward(layer, out, c, saved, incoming, wants_x)
    return native_call.backward(layer, saved, incoming, wants_x)


def _unroll_backward_cpu(*arguments: Any) -> Any:
    layer = Layer(*arguments[:_LAYER_INPUTS])
    out, c, saved, *incoming, wants_x = arguments[_LAYER_INPUTS:]
    return _filled(layer, _run_backward(layer, out, c, saved, Incoming(*incoming), wants_x))


def _unroll_backward_fake(*arguments: Any) -> Any:
    _check_one_device(arguments)
    layer = Layer(*arguments[:_LAYER_INPUTS])
    return _filled(layer, native_call.backward_shapes(layer, arguments[-1]))


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    layer, (keep, _, recomputes) = Layer(*inputs[:_LAYER_INPUTS]), inputs[_LAYER_INPUTS:]
    results = Results(*output)
    ctx.set_materialize_grads(False)
    if results.saved is not None:
        ctx.mark_non_differentiable(results.saved)
    ctx.native = keep or recomputes
    ctx.plain, tensors = _parted(layer)
    # Where `saved` holds all, out is the user's to change.
    ctx.save_for_backward(
        *tensors,
        results.out if recomputes and not keep else None,
        results.c if recomputes and not keep and layer.has_c else None,
        results.saved,
    )


def _parted(layer: Layer) -> tuple[list[Any], list[Tensor | None]]:
    """A layer as backward will need it, its tensors apart from the rest."""
    # Whoever gave these may change them, through NumPy without a trace.
    own = {name: value.clone() for name in _COPIED if (value := getattr(layer, name)) is not None}
    if own:
        layer = layer._replace(**own)
    return (
        [None if isinstance(value, Tensor) else value for value in layer],
        [value if isinstance(value, Tensor) else None for value in layer],
    )


def _joined(plain: list[Any], tensors: list[Tensor | None]) -> Layer:
    values: Any = (value if tensor is None else tensor for value, tensor in zip(plain, tensors, strict=True))
    return Layer(*values)


def _backward(ctx: Any, *d_results: Tensor | None) -> tuple[Tensor | None, ...]:
    *tensors, out, c, saved = ctx.saved_tensors
    layer, incoming = _joined(ctx.plain, tensors), Incoming(*d_results[:4])
    needed = ctx.needs_input_grad[:_LAYER_INPUTS]
    if not ctx.native or _is_beyond_kernels(incoming):
        return (*_reference_backward(layer, incoming, needed), None, None, None)
    arguments = (*layer, out, c, saved, *incoming, needed[1])
    if _is_seen(arguments, incoming):
        found = Gradients(*torch.ops.unrolled.unroll_backward(*arguments))
    else:
        found = _run_backward(layer, out, c, saved, incoming, needed[1])
    return (*_in_order(found, needed), None, None, None)


def _is_beyond_kernels(incoming: Incoming) -> bool:
    """Whether these gradients must be formed by operators that PyTorch can differentiate or map over."""
    return torch.is_grad_enabled() or is_transformed() or is_batched(incoming)


def _is_seen(arguments: Any, incoming: Incoming) -> bool:
    """Whether something watches operators, or is not a plain tensor."""
    return is_dispatched(arguments) or not all(type(d) in (Tensor, type(None)) for d in incoming)


def _in_order(found: Gradients, needed: tuple[bool, ...]) -> list[Tensor | None]:
    """The gradients in the order of a layer's inputs, None where none is needed."""
    return [found[place] if needs else None for place, needs in zip(_PLACES, needed, strict=True)]


def _reference_backward(layer: Layer, incoming: Incoming, needed: tuple[bool, ...]) -> list[Tensor | None]:
    """The gradients of the layer's inputs through the reference: they can be differentiated again."""
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):  # the layer says what is multiplied
        results = reference.unroll(layer)
        pairs = [
            (result, gradient)
            for result, gradient in zip(results, incoming, strict=False)
            if gradient is not None and result.requires_grad
        ]
        wanted = [
            value for value, needs in zip(layer, needed, strict=False) if isinstance(value, Tensor) and needs
        ]
        found = iter(
            torch.autograd.grad(
                [result for result, _ in pairs],
                wanted,
                [gradient for _, gradient in pairs],
                create_graph=torch.is_grad_enabled(),
                allow_unused=True,
            )
        )
    return [next(found) if needs else None for needs in needed[:_LAYER_INPUTS]]


# With a `setup_context` of its own PyTorch would look at the signature of `forward` at each call, and take as
# long for it as a small layer takes.
class _Unroll(torch.autograd.Function):
    """The operator with its gradient, for eager mode."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Results:
        results = _run(*arguments)
        _setup_context(ctx, arguments, results)
        return results

    backward = staticmethod(_backward)


class _UnrollBoth(torch.autograd.Function):
    """Two layers and their gradients, for eager mode."""

    @staticmethod
    def forward(ctx: Any, *values: Any) -> tuple[Any, ...]:
        one, other = Layer(*values[:_LAYER_INPUTS]), Layer(*values[_LAYER_INPUTS:])
        first, second = native_call.forward_both((one, other), native_call.EVERYTHING)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(first.saved, second.saved)
        parts = [_parted(one), _parted(other)]
        ctx.plain = [plain for plain, _ in parts]
        ctx.save_for_backward(*parts[0][1], *parts[1][1], first.saved, second.saved)
        return (*first, *second)

    @staticmethod
    def backward(ctx: Any, *d_results: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, first, second = ctx.saved_tensors
        half = len(d_results) // 2
        layers = (
            _joined(ctx.plain[0], tensors[:_LAYER_INPUTS]),
            _joined(ctx.plain[1], tensors[_LAYER_INPUTS:]),
        )
        incoming = Incoming(*d_results[:4]), Incoming(*d_results[half : half + 4])
        needed = ctx.needs_input_grad[:_LAYER_INPUTS], ctx.needs_input_grad[_LAYER_INPUTS:]
        each = tuple(zip(layers, (first, second), incoming, needed, strict=True))
        if any(_is_beyond_kernels(d) for d in incoming):
            found = [_reference_backward(layer, d, needs) for layer, _, d, needs in each]
        elif any(_is_seen((*layer, saved, *d), d) for layer, saved, d, _ in each):
            run = torch.ops.unrolled.unroll_backward
            found = [
                _in_order(Gradients(*run(*layer, None, None, saved, *d, needs[1])), needs)
                for layer, saved, d, needs in each
            ]
        else:
            both = native_call.backward_both(layers, (first, second), incoming, needed[0][1] or needed[1][1])
            found = [_in_order(gradients, needs) for gradients, needs in zip(both, needed, strict=True)]
        return (*found[0], *found[1])


_LIBRARY.impl("unroll", _unroll_cpu, "CPU")
_LIBRARY.impl("unroll_backward", _unroll_backward_cpu, "CPU")
torch.library.register_fake("unrolled::unroll", _unroll_fake)
torch.library.register_fake("unrolled::unroll_backward", _unroll_backward_fake)
torch.library.register_autograd("unrolled::unroll", _backward, setup_context=_setup_context)
flops.register()
