"""The packed weights that a drop-in keeps from one single step to the next, and when it takes them anew.

A step in inference reads its weights once, and to pack them first would cost several steps. So the first
step packs them, and the others ask in nanoseconds whether they are still those of the module.

| what changed | it counts |
|---|---|
| what PyTorch counts: a function that writes a weight in place, another tensor in its place, a step of any optimizer | from the next step |
| the memory of a weight: `p.data = ...`, `to`, `double`, `vector_to_parameters`, `swap_tensors` | from the next step |
| what nobody counts, such as `p.data.mul_(2)`, an array of NumPy or another process that shares the memory: any number of a bias, or all or most numbers of a matrix (64 of each are compared) | from the next step |
| the same, but a few numbers of a matrix | after `train()` or `eval()` where that changes the mode, `load_state_dict`, `to` or any other `_apply`, `accelerate`, `restore`; or what is in the lines above |

Weights that are computed at each call (parametrizations, weight norm, pruning) or that nobody counts at all (made under
`torch.inference_mode`) are not kept. A copy or a pickle takes none along, and a module's die with it.
"""  # noqa: E501

from __future__ import annotations

import copy
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.kernels import isa, native_call
from unrolled.kernels.native_call import Layer
from unrolled.kernels.precision import SHORT
from unrolled.kernels.readable import is_dispatched, is_like, is_memory, is_watched
from unrolled.kernels.watch import optimizer_steps, slot

KEPT = "_unrolled_kept"  # the attribute of a module
_PAYS = 16  # steps after which to have packed the weights has paid for itself
_FIRST_WAIT, _LONGEST_WAIT = 8, 1024  # steps

# What a module is made of beside its weights: with another value of one of these they are packed anew.
_FORM = {
    *("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"),
    *("proj_size", "mode", "nonlinearity", "training"),
}


class Form(NamedTuple):
    """How a module takes a step.

    Attributes:
        layers: for each layer and direction a `Layer` of its weights.
        is_cell: whether an input is [N, I] and a state [N, H]; else they have axes of time and of layers.
        batch_first: whether the first axis of a batch is N.
        directions: one or two.
    """

    layers: list[Layer]
    is_cell: bool
    batch_first: bool
    directions: int


class Kept:
    """What a module keeps: packed weights, or how many steps it has yet to leave to torch.nn.

    Weights that move before packing them has paid are packed again only after some steps of torch.nn's, and
    after twice as many each time that it happens: so a module that is trained between its steps is as fast as
    torch.nn's.
    """

    __slots__ = ("_native", "_patience", "step", "waits")

    def __init__(self, native: Any = None, patience: int = 0, waits: int = 0) -> None:
        self._native = native
        self._patience = patience
        self.waits = waits
        self.step = _nothing if native is None else native.step

    def is_over(self, module: nn.Module) -> bool:
        """Whether it is time to pack weights; it is asked at each step that `step` does not take."""
        if self._native is not None:
            return bool(self._native.moved(vars(module)))
        self.waits -= 1
        return self.waits < 0

    def without_weights(self) -> Kept:
        """What is left when the weights have moved."""
        if self._native is None and self._patience:
            return self
        if self._native is None or self._native.taken >= _PAYS:
            return Kept()
        patience = min(max(_FIRST_WAIT, 2 * self._patience), _LONGEST_WAIT)
        return Kept(patience=patience, waits=patience)

    def with_weights(self, native: Any) -> Kept:
        """The same with weights that have just been packed; for long without, if there is no way to."""
        return Kept(waits=_LONGEST_WAIT) if native is None else Kept(native, self._patience)

    def __reduce__(self) -> Any:
        return Kept, ()  # copies and pickles begin with nothing


def _nothing(*_: object) -> None:
    """While nothing is kept, no step is taken."""


class Keeping(nn.Module):
    """A drop-in for its `peer`, a layer or cell of torch.nn; it keeps packed weights for single steps."""

    peer: ClassVar[type[nn.Module]]

    def _weight_names(self) -> list[str]:
        """The names of its weights, layer by layer."""
        raise NotImplementedError

    def _weight_shapes(self) -> list[tuple[int, ...]]:
        """The shapes that its sizes give them."""
        raise NotImplementedError

    def _form(self, weights: list[Tensor]) -> Form:
        """How it takes a step with these weights, which have those shapes."""
        raise NotImplementedError

    def _first_step(self, input: Any, hx: Any) -> Any:
        """What a single step gives, by weights that are packed now; None if this is not the time for it.

        It is asked where the `step` of what is kept, `vars(self).get(KEPT)`, has given None: that is the
        short way, which stands in each forward as another call would cost too much.
        """
        if torch.is_grad_enabled() and _differentiates(self, input, hx):
            return None
        kept = vars(self).get(KEPT)
        if kept is not None:
            if not kept.is_over(self):
                return None
            kept = vars(self)[KEPT] = kept.without_weights()
            if kept.waits > 0:
                return None
        if is_watched() or is_dispatched((input,)) or isa.active() == isa.REFERENCE:
            return None
        if torch.is_autocast_enabled("cpu"):  # in whose types torch.nn takes steps
            return None
        kept = vars(self)[KEPT] = (kept or Kept()).with_weights(_pack(self))
        return kept.step(vars(self), input, hx)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FORM and vars(self).get(name) is not value:
            forget(self)
        super().__setattr__(name, value)

    def _apply(self, *arguments: Any, **options: Any) -> Any:
        forget(self)
        return super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]

    def __prepare_scriptable__(self) -> nn.Module:
        """The peer with these parameters: that is what torch.jit.script compiles."""
        from unrolled.layers.lineage import (
            without_drop_in,
        )  # which knows the classes that derive from this one

        twin: nn.Module = copy.copy(self)
        vars(twin).pop(KEPT, None)
        twin.__class__ = without_drop_in(type(self))
        return twin


def forget(module: nn.Module) -> None:
    """Let go of the weights: they may have changed in a way that nobody counts."""
    kept = vars(module).get(KEPT)
    if kept is not None:
        vars(module)[KEPT] = kept.without_weights()


def remove(module: nn.Module) -> None:
    """Leave no trace of what a module has kept."""
    vars(module).pop(KEPT, None)


def why_not_kept(module: Keeping) -> str | None:
    """Why a module keeps no weights for its steps; None if it does."""
    if isinstance(module, nn.RNNBase) and module.dropout and module.training and module.num_layers > 1:
        return "it draws dropout between its layers"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    for name in module._weight_names():
        weight = module._parameters.get(name)
        if weight is None:
            return f"its {name} is computed for each call"
        if weight.dtype in SHORT:
            return f"its {name} is {weight.dtype}"
        if weight.is_inference():
            return f"nobody counts the changes of its {name}, which was made in torch.inference_mode"
        if not weight.is_contiguous() or weight.data_ptr() % weight.element_size():
            return f"its {name} lies in memory with gaps or between two places"
    return None


def _differentiates(module: nn.Module, input: Any, hx: Any) -> bool:
    given = (input, *hx) if isinstance(hx, tuple | list) else (input, hx)
    return any(
        isinstance(value, Tensor) and value.requires_grad for value in (*module._parameters.values(), *given)
    )


def _pack(module: Keeping) -> Any:
    """What takes the steps of a module with the weights that it has now; None if there is no way to.

    Raises:
        UnrolledError: a weight has no memory.
    """
    # Before the weights are read: no change that happens meanwhile is missed.
    steps, parameters = optimizer_steps(), module._parameters
    weights = [slot(parameters, name) for name in module._weight_names() if name in parameters]
    values = [weight.value for weight in weights]
    if [getattr(value, "shape", None) for value in values] != module._weight_shapes():
        return None
    dtypes = (values[0].dtype,)
    if (
        not is_memory(values[0])
        or not values[0].is_cpu
        or not all(is_like(v, values[0], dtypes) for v in values)
    ):
        return None
    if is_dispatched(values) or why_not_kept(module) is not None:
        return None
    form, native = module._form(values), native_call._native()
    layers = [layer.dense() for layer in form.layers]
    return (native.StepFloat64 if values[0].dtype == torch.float64 else native.StepFloat32)(
        isa.active(),
        [(layer, native_call.pack(layer)) for layer in layers],
        form[1:],
        parameters,
        [steps],
        weights,
        torch.get_num_threads,
    )
