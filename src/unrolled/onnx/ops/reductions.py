"""One number of many: sums, means, extremes, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unrolled.onnx.ops.shapes import numbers
from unrolled.onnx.registry import Node, operator


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep, dtype=x.dtype),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceProd": _product,
    "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: (x * x).sum(axes, keepdim=keep).sqrt(),
}


@operator(*REDUCTIONS)
def reduction(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = numbers(axes if axes is not None else node.get("axes"))
    if not chosen:
        if node.get("noop_with_empty_axes", 0):
            return x
        chosen = list(range(x.dim()))
    return REDUCTIONS[node.op](x, chosen, bool(node.get("keepdims", 1))) if chosen else x


@operator("ArgMax", "ArgMin")
def place_of_extreme(node: Node, x: Tensor) -> Any:
    find = torch.argmax if node.op == "ArgMax" else torch.argmin
    return find(x, node.get("axis", 0), keepdim=bool(node.get("keepdims", 1)))


@operator("CumSum")
def cumulative_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    of = int(axis.item())
    ahead = x.flip(of) if node.get("reverse", 0) else x
    sums = ahead.cumsum(of, dtype=x.dtype)
    sums = sums - ahead if node.get("exclusive", 0) else sums
    return sums.flip(of) if node.get("reverse", 0) else sums
