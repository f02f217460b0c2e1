"""Comparisons, logic, and choices by them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Greater": torch.gt,
    "GreaterEqual": torch.ge,
    "Less": torch.lt,
    "LessEqual": torch.le,
    "LogicalAnd": torch.logical_and,
    "LogicalOr": torch.logical_or,
    "ApproximateEqual": lambda a, b: (a - b).abs() < 1e-5,
}
TESTS: dict[str, Callable[[Tensor], Tensor]] = {
    "IsFinite": torch.isfinite,
    "IsInf": torch.isinf,
    "IsNan": torch.isnan,
    "LogicalNot": torch.logical_not,
}


def _of_two(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Node, Tensor, Tensor], Tensor]:
    return lambda node, a, b: function(a, b)


def _of_one(function: Callable[[Tensor], Tensor]) -> Callable[[Node, Tensor], Tensor]:
    return lambda node, x: function(x)


for _name, _comparison in COMPARISONS.items():
    operator(_name)(_of_two(_comparison))
for _name, _test in TESTS.items():
    operator(_name)(_of_one(_test))


@operator("Equal", "NotEqual")
def equal(node: Node, a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a == b if node.op == "Equal" else a != b
    same = np.asarray(a) == np.asarray(b)
    return torch.from_numpy(np.asarray(same if node.op == "Equal" else ~same, bool))


@operator("Select")
def select(node: Node, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Of a vector of conditions each chooses a row, however many axes a row has."""
    if condition.ndim == 1 and a.ndim > 1:
        condition = condition.reshape(-1, *[1] * (a.ndim - 1))
    return torch.where(condition, a, b)


@operator("SelectV2")
def select_v2(node: Node, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(condition, a, b)


@operator("Where")
def where(node: Node, condition: Tensor) -> Tensor:
    return torch.nonzero(condition)
