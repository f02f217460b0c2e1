"""The operators that a model may be made of, by ONNX's names: one small function each, in `ops/`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Node:
    """An operator in a graph.

    Attributes:
        op: what it computes; with its domain before it, where that is not ONNX's own.
        name: its own, or that of its first output.
        inputs: the values that it takes; "" for one that is left out.
        outputs: the values that it gives; "" for one that nobody wants.
        attributes: numbers, texts, tensors, and lists of them.
        opset: the version of ONNX's operators that the model was written for.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

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
