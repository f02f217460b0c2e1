"""The operators that a graph may be made of, by TensorFlow's names: one small function each, in `ops/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Operator(NamedTuple):
    """How to compute an operator.

    Attributes:
        function: takes the node and its inputs, and returns the output, a tuple of several, or None.
        of_run: the function takes the `Run` before the node, and variables as references.
        outputs: the names of the outputs, where bodies of functions name them; () if there is one, or one
            list.
    """

    function: Callable[..., Any]
    of_run: bool
    outputs: tuple[str, ...]


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, outputs: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    """Enter a function of a node and its inputs, for the operators of these names."""
    return _enter(names, False, outputs)


def stateful(*names: str, outputs: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    """Enter a function of a run, a node and its inputs: it reads or changes what outlives the node."""
    return _enter(names, True, outputs)


def _enter(names: tuple[str, ...], of_run: bool, outputs: tuple[str, ...]) -> Callable[[Function], Function]:
    def enter(function: Function) -> Function:
        for name in names:
            assert name not in OPERATORS, name
            OPERATORS[name] = Operator(function, of_run, outputs)
        return function

    return enter
