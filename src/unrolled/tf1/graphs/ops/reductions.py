"""Sums, means, extremes and products over axes, and along them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

Reduction = Callable[[Tensor, list[int], bool], Tensor]


def axes_of(axes: Tensor, rank: int) -> list[int]:
    """Axes as numbers from 0, each once."""
    found = []
    for axis in axes.reshape(-1).tolist():
        if not -rank <= axis < rank:
            raise UnrolledError(f"axis {axis} of a tensor that has {rank} axes")
        found.append(axis % rank)
    return sorted(set(found))


def is_whole(x: Tensor) -> bool:
    return not x.dtype.is_floating_point and not x.dtype.is_complex


def mean(x: Tensor, axes: list[int], kept: bool) -> Tensor:
    if not is_whole(x):
        return x.mean(axes, kept)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return torch.div(x.sum(axes, kept, dtype=x.dtype), count, rounding_mode="trunc")


def prod(x: Tensor, axes: list[int], kept: bool) -> Tensor:
    for axis in reversed(axes):
        x = x.prod(axis, kept, dtype=x.dtype)
    return x


def extreme(function: Callable[..., Tensor], sign: int) -> Reduction:
    """The largest or smallest; of nothing, what every number is beyond."""

    def reduce(x: Tensor, axes: list[int], kept: bool) -> Tensor:
        if x.numel():
            return function(x, axes, kept)
        limits = torch.iinfo(x.dtype) if is_whole(x) else torch.finfo(x.dtype)
        worst = (limits.min if sign > 0 else limits.max) if is_whole(x) else -sign * float("inf")
        sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
        kept_sizes = sizes if kept else [size for axis, size in enumerate(sizes) if axis not in axes]
        return torch.full(kept_sizes, worst, dtype=x.dtype)

    return reduce


REDUCTIONS: dict[str, Reduction] = {
    "All": lambda x, axes, kept: x.all(axes, kept),
    "Any": lambda x, axes, kept: x.any(axes, kept),
    "EuclideanNorm": lambda x, axes, kept: x.square().sum(axes, kept).sqrt(),
    "Max": extreme(torch.amax, 1),
    "Mean": mean,
    "Min": extreme(torch.amin, -1),
    "Prod": prod,
    "Sum": lambda x, axes, kept: x.sum(axes, kept, dtype=x.dtype),
}


def _reduction(function: Reduction) -> Callable[[Node, Tensor, Tensor], Tensor]:
    def reduce(node: Node, x: Tensor, axes: Tensor) -> Tensor:
        over = axes_of(axes, x.ndim)
        return function(x, over, node.flag("keep_dims")) if over else x

    return reduce


for _name, _function in REDUCTIONS.items():
    operator(_name)(_reduction(_function))


@operator("ArgMax", "ArgMin")
def arg_extreme(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    """The first of the largest, or smallest."""
    (over,) = axes_of(axis, x.ndim)
    found = torch.argmax(x, over) if node.op == "ArgMax" else torch.argmin(x, over)
    return found.to(node.dtype("output_type", torch.int64))


@operator("Cumsum", "Cumprod")
def cumulate(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    """x0, x0 + x1, ...; exclusive: 0, x0, ...; reverse: from the other end."""
    (over,) = axes_of(axis, x.ndim)
    if node.flag("reverse"):
        x = x.flip(over)
    neutral = 0 if node.op == "Cumsum" else 1
    if node.flag("exclusive") and x.shape[over]:
        first = torch.full_like(x.narrow(over, 0, 1), neutral)
        x = torch.cat([first, x.narrow(over, 0, x.shape[over] - 1)], over)
    x = x.cumsum(over, dtype=x.dtype) if node.op == "Cumsum" else x.cumprod(over, dtype=x.dtype)
    return x.flip(over) if node.flag("reverse") else x


@operator("L2Loss")
def l2_loss(node: Node, x: Tensor) -> Tensor:
    return x.square().sum() / 2
