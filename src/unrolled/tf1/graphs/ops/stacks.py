"""Stacks: what a loop keeps of its steps for its gradient."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator


class Stack:
    """What was pushed, the newest last."""

    def __init__(self) -> None:
        self.items: list[Any] = []


@operator("Stack", "StackV2")
def stack(node: Node, most: Tensor | None = None) -> Stack:
    return Stack()


@operator("StackPush", "StackPushV2")
def push(node: Node, stack: Stack, x: Any) -> Any:
    stack.items.append(x)
    return x


@operator("StackPop", "StackPopV2")
def pop(node: Node, stack: Stack) -> Any:
    if not stack.items:
        raise UnrolledError("the stack is empty")
    return stack.items.pop()


@operator("StackClose", "StackCloseV2")
def close(node: Node, stack: Stack) -> None:
    return None
