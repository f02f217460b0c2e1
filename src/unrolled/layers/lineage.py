"""The class of a module with a drop-in in it, and without: what accelerate gives and restore takes back.

torch.nn.LSTM becomes unrolled.LSTM. A subclass of torch.nn.LSTM whose forward goes on to `super().forward`
becomes a subclass of itself and of unrolled.LSTM, which then is what `super()` finds. A class that torch has
made of either for one module, of a parametrization for example, is made again of the other.
"""

from __future__ import annotations

import abc
import dis
import functools
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from torch import nn

from unrolled.layers.cell_drop_in import CellDropIn, GRUCell, LSTMCell, RNNCell
from unrolled.layers.drop_in import DropIn
from unrolled.layers.gru import GRU
from unrolled.layers.keeping import Keeping
from unrolled.layers.lstm import LSTM
from unrolled.layers.rnn import RNN

_CLASSES: tuple[type[Keeping], ...] = (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)
DROP_INS: dict[type[nn.Module], type[Keeping]] = {drop_in.peer: drop_in for drop_in in _CLASSES}

# What a subclass may have of its own: nothing of it is asked when torch.nn's forward computes.
_FREE = {
    *("__init__", "__doc__", "__module__", "__annotations__", "__annotate_func__", "__firstlineno__"),
    *("__constants__", "__static_attributes__", "__jit_unused_properties__", "__getstate__", "__setstate__"),
    *("forward", "extra_repr", "reset_parameters", "flatten_parameters", "all_weights"),
}
_STORED = {"_flat_weights", "_flat_weights_names"}  # each layer has its own
_ASKED = (
    {
        name
        for kind in (nn.RNNBase, nn.RNNCellBase, *DROP_INS, Keeping, DropIn, CellDropIn)
        for name in vars(kind)
    }
    | {"__getattr__", "__getattribute__", "__call__", "_call_impl", "__reduce__", "__reduce_ex__"}
    | _STORED
) - _FREE
_BEFORE = "_class_before_accelerate"
_LOADS = ("LOAD_GLOBAL", "LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")


def with_drop_in(cls: Any) -> Any:
    """The class with a drop-in in it; `why_not` has nothing against it.

    >>> class Reversed(nn.GRU):
    ...     def forward(self, x, hx=None):
    ...         return super().forward(x.flip(0), hx)
    >>> [base.__name__ for base in with_drop_in(Reversed).mro()[:5]]
    ['Reversed', 'Reversed', 'GRU', 'DropIn', 'Keeping']
    """
    if cls in DROP_INS:
        return DROP_INS[cls]
    return _made_again(cls, with_drop_in) if _is_made(cls) else _derived(cls)


def without_drop_in(cls: Any) -> Any:
    """The class as it was before `with_drop_in`; one that was written with a drop-in in it stays as it is."""
    if cls in DROP_INS.values():
        return cls.peer
    if _BEFORE in vars(cls):
        return vars(cls)[_BEFORE]
    if issubclass(cls, Keeping) and _is_made(cls):
        return _made_again(cls, without_drop_in)
    return cls


def why_not(module: nn.Module) -> str | None:
    """Why a module may compute something else than torch.nn's forward, or never call it; None if not so."""
    own = vars(module).keys() & ((_ASKED - _STORED) | {"forward"})
    if own:
        return f"something has put its own {min(own)} on it"
    return _why_not(_written(type(module)))


@functools.cache
def _why_not(cls: type[Any]) -> str | None:
    peers = [peer for peer in DROP_INS if issubclass(cls, peer)]
    if len(peers) != 1:
        return "a class of its own, which may compute something else than torch.nn's"
    own = cls.__mro__[
        : min(cls.__mro__.index(kind) for kind in (*peers, DropIn, CellDropIn) if issubclass(cls, kind))
    ]
    own = tuple(kind for kind in own if kind not in DROP_INS.values() and _BEFORE not in vars(kind))
    if type(cls) not in (type, abc.ABCMeta) or any("__init_subclass__" in vars(kind) for kind in own):
        return "a class of its own, with rules for its subclasses"
    for kind in own:
        asked = vars(kind).keys() & _ASKED
        if asked:
            return f"a class of its own, whose {min(asked)} may compute something else than torch.nn's"
        for name, value in vars(kind).items():
            if _depends_on_type(value):
                return f"a class of its own, whose {name} calls super of type(self)"
        if "forward" in vars(kind) and not _goes_on_to_super(vars(kind)["forward"]):
            return "a class of its own, whose forward does not go on to super().forward"
    return None


def _is_recurrent(cls: type) -> bool:
    return issubclass(cls, nn.RNNBase | nn.RNNCellBase)


def _is_made(cls: type) -> bool:
    """Whether torch has made this class, of a layer's and for one module: `ParametrizedGRU`, `FSDPGRU`."""
    return cls.__module__.startswith("torch.") and any(
        issubclass(base, tuple(DROP_INS)) for base in cls.__bases__
    )


def _written(cls: type) -> type:
    """The class that stands in a source, below those that torch has made of it."""
    return _written(next(filter(_is_recurrent, cls.__bases__))) if _is_made(cls) else cls


def _depends_on_type(function: Any) -> bool:
    """Whether a method asks for the superclass of type(self), which is another one after accelerate."""
    code = getattr(function, "__code__", None)
    return code is not None and any({"type", "__class__"} & set(names) for names in _after_super(code))


def _goes_on_to_super(forward: Any) -> bool:
    """Whether a forward has calls of super().forward, or of super(ItsClass, self).forward."""
    code = getattr(inspect.unwrap(forward), "__code__", None)
    return code is not None and any(names[-1:] == ["forward"] for names in _after_super(code))


def _after_super(code: CodeType) -> Iterator[list[str]]:
    """For each `super` in a function, the names that follow it up to the method that is asked for.

    They are read from the compiled code, as there need not be a source.
    """
    names: list[str] | None = None
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, CodeType):
            yield from _after_super(instruction.argval)
        elif instruction.opname == "LOAD_GLOBAL" and instruction.argval == "super":
            names = []
        elif names is not None and instruction.opname in _LOADS:
            names.append(instruction.argval)
            if instruction.opname != "LOAD_GLOBAL" and instruction.argval != "__class__":
                yield names
                names = None


@functools.cache
def _derived(cls: Any) -> Any:
    drop_in = next(drop_in for peer, drop_in in DROP_INS.items() if issubclass(cls, peer))
    names = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(cls)(cls.__name__, (cls, drop_in), {**names, _BEFORE: cls, "__reduce_ex__": _reduce})


def _reduce(layer: nn.Module, protocol: int) -> Any:
    """For copies and pickles: a class that was made on the fly cannot be found by its name."""
    found: Any = object.__reduce_ex__(layer, max(2, protocol))
    _, arguments, *state = found
    before = getattr(layer, _BEFORE)
    if arguments != (_derived(before),):
        return found
    return (_new, (before,), *state)


def _new(cls: Any) -> Any:
    kind = cls if _why_not(cls) else _derived(cls)
    return kind.__new__(kind)


def _made_again(cls: Any, change: Any) -> Any:
    bases = tuple(change(base) if _is_recurrent(base) else base for base in cls.__bases__)
    names = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    return type(cls)(cls.__name__, bases, names)
