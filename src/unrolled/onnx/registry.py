"""The operators that a model may be made of, by ONNX's names: one small function each, in `ops/`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Body:
    """A graph within a node.

    Attributes:
        nodes: in an order in which each can be computed.
        constants: values of its own, by name.
        inputs, outputs: what it takes and gives.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def captured(self) -> tuple[str, ...]:
        """What it takes from outside, by the names that values have there."""
        own = {*self.constants, *self.inputs, *(name for node in self.nodes for name in node.outputs)}
        taken = [name for node in self.nodes for name in node.inputs] + list(self.outputs)
        return tuple(dict.fromkeys(name for name in taken if name and name not in own))


@dataclasses.dataclass(frozen=True)
class Node:
    """An operator in a graph.

    Attributes:
        op: what it computes; with its domain before it, where that is not ONNX's own.
        name: its own, or that of its first output.
        inputs: the values that it takes; "" for one that is left out.
        outputs: the values that it gives; "" for one that nobody wants.
        attributes: numbers, texts, tensors, and lists of them; a `Body`.
        opset: the version of ONNX's operators that the model was written for.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

    @functools.cached_property
    def needs(self) -> tuple[str, ...]:
        """The values that it takes, those among them that a graph within it takes from outside."""
        bodies = [value for value in self.attributes.values() if isinstance(value, Body)]
        return (*self.inputs, *(name for body in bodies for name in body.captured))

    def get(self, attribute: str, default: Any = None) -> Any:
        """The value of an attribute, or that which it has by default."""
        return self.attributes.get(attribute, default)


OPERATORS: dict[str, Callable[..., Any]] = {}


def operator(*names: str) -> Callable[[Function], Function]:
    """Enter a function of a node and its inputs, None for one that is left out; it returns one output or a
    tuple of them.
    """

    def enter(function: Function) -> Function:
        for name in names:
            assert name not in OPERATORS, name
            OPERATORS[name] = function
        return function

    return enter
