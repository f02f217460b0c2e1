"""Branches and loops of functions, calls, and nodes that only hand on or order others."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator, stateful
from unrolled.tf1.graphs.run import Run


@operator("Identity", "LoopCond", "PreventGradient", "Snapshot")
def identity(node: Node, x: Any) -> Any:
    return x


@operator("StopGradient")
def stop_gradient(node: Node, x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


@operator("IdentityN")
def identity_n(node: Node, *xs: Any) -> tuple[Any, ...]:
    return xs


@operator("NoOp")
def nothing(node: Node) -> None:
    return None


@operator("Assert")
def assert_(node: Node, condition: Tensor, *data: Any) -> None:
    if not bool(condition):
        said = [each.item() if each.size == 1 else each for each in data if isinstance(each, np.ndarray)]
        texts = " ".join(str(each, "utf-8", "replace") for each in said if isinstance(each, bytes))
        raise UnrolledError(f"an assertion of the graph does not hold: {texts}")


@operator("Print")
def print_(node: Node, x: Any, *data: Any) -> Any:
    return x


@operator("PrintV2")
def print_v2(node: Node, text: Any) -> None:
    return None


def is_true(value: Any) -> bool:
    """A condition: text that is not empty and numbers other than 0 are true, too."""
    if isinstance(value, np.ndarray):
        return bool(value.item())
    return bool(value) if value.ndim == 0 else value.numel() > 0


@stateful("PartitionedCall", "StatefulPartitionedCall")
def call(run: Run, node: Node, *arguments: Any) -> tuple[Any, ...]:
    return tuple(run.call(node.function("f") or node.op, arguments))


@stateful("If", "StatelessIf")
def if_(run: Run, node: Node, condition: Any, *arguments: Any) -> tuple[Any, ...]:
    branch = "then_branch" if is_true(run.read(condition)) else "else_branch"
    return tuple(run.call(node.function(branch), arguments))


@stateful("Case", "StatelessCase")
def case(run: Run, node: Node, number: Tensor, *arguments: Any) -> tuple[Any, ...]:
    """The branch of that number; the last if there is none."""
    branches, chosen = node.function_list("branches"), int(run.read(number))
    if not branches:
        raise UnrolledError("it has no branches")
    return tuple(run.call(branches[chosen if 0 <= chosen < len(branches) else -1], arguments))


@stateful("While", "StatelessWhile")
def while_(run: Run, node: Node, *state: Any) -> tuple[Any, ...]:
    condition, body = node.function("cond"), node.function("body")
    while is_true(run.read(run.call(condition, state)[0])):
        state = tuple(run.call(body, state))
    return state


class Optional:
    """A value, or none: what a branch keeps for its gradient if it was taken."""

    def __init__(self, values: tuple[Any, ...] | None) -> None:
        self.values = values


@operator("OptionalFromValue")
def optional_from_value(node: Node, *values: Any) -> Optional:
    return Optional(values)


@operator("OptionalNone")
def optional_none(node: Node) -> Optional:
    return Optional(None)


@operator("OptionalHasValue")
def optional_has_value(node: Node, optional: Optional) -> Tensor:
    return torch.tensor(optional.values is not None)


@operator("OptionalGetValue")
def optional_get_value(node: Node, optional: Optional) -> tuple[Any, ...]:
    if optional.values is None:
        raise UnrolledError("there is no value")
    return optional.values
