"""Shapes as tensors, and tensors in other shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator


def sizes(shape: Tensor) -> list[int]:
    """A shape that is a tensor, as numbers."""
    found: list[int] = shape.reshape(-1).tolist()
    return found


def shape_of(x: Any, dtype: torch.dtype) -> Tensor:
    return torch.tensor(list(x.shape), dtype=dtype, device="cpu")


@operator("Shape")
def shape(node: Node, x: Any) -> Tensor:
    return shape_of(x, node.dtype("out_type", torch.int32))


@operator("ShapeN")
def shape_n(node: Node, *xs: Any) -> tuple[Tensor, ...]:
    return tuple(shape_of(x, node.dtype("out_type", torch.int32)) for x in xs)


@operator("Size")
def size(node: Node, x: Any) -> Tensor:
    return torch.tensor(math.prod(x.shape), dtype=node.dtype("out_type", torch.int32))


@operator("Rank")
def rank(node: Node, x: Any) -> Tensor:
    return torch.tensor(x.ndim, dtype=torch.int32)


@operator("Reshape")
def reshape(node: Node, x: Any, to: Tensor) -> Any:
    wanted = sizes(to)
    known = math.prod(size for size in wanted if size != -1)
    count = math.prod(x.shape)
    if wanted.count(-1) == 1 and known:
        wanted[wanted.index(-1)] = count // known
    if min(wanted, default=0) < 0 or math.prod(wanted) != count:
        raise UnrolledError(f"a tensor of shape {list(x.shape)} cannot become one of {sizes(to)}")
    return x.reshape(wanted)


@operator("ExpandDims")
def expand_dims(node: Node, x: Any, axis: Tensor) -> Any:
    at = int(axis)
    if not -x.ndim - 1 <= at <= x.ndim:
        raise UnrolledError(f"axis {at} of a tensor that has {x.ndim} axes")
    at = at % (x.ndim + 1)
    return x.reshape([*x.shape[:at], 1, *x.shape[at:]])


@operator("Squeeze")
def squeeze(node: Node, x: Any) -> Any:
    axes = {axis % max(x.ndim, 1) for axis in node.integers("squeeze_dims") or node.integers("axis")}
    if any(x.shape[axis] != 1 for axis in axes):
        raise UnrolledError(f"axes {sorted(axes)} of a tensor of shape {list(x.shape)} are not all of size 1")
    return x.reshape([size for at, size in enumerate(x.shape) if size != 1 or (axes and at not in axes)])


@operator("Transpose", "ConjugateTranspose")
def transpose(node: Node, x: Any, order: Tensor) -> Any:
    if isinstance(x, np.ndarray):
        return x.transpose(sizes(order))
    x = x.permute(sizes(order))
    return x.conj() if node.op == "ConjugateTranspose" else x


@operator("InvertPermutation")
def invert_permutation(node: Node, order: Tensor) -> Tensor:
    return torch.argsort(order).to(order.dtype)


@operator("BroadcastTo")
def broadcast_to(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(sizes(shape))


@operator("BroadcastArgs")
def broadcast_args(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return torch.tensor(torch.broadcast_shapes(sizes(a), sizes(b)), dtype=a.dtype)


@operator("BroadcastGradientArgs", outputs=("r0", "r1"))
def broadcast_gradient_args(node: Node, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The axes over which the gradients of two operands of these shapes are summed."""
    x, y = sizes(a), sizes(b)
    if x == y:
        return torch.zeros(0, dtype=a.dtype), torch.zeros(0, dtype=a.dtype)
    rank = max(len(x), len(y))
    x, y = [1] * (rank - len(x)) + x, [1] * (rank - len(y)) + y
    of_x = [axis for axis in range(rank) if x[axis] == 1]
    of_y = [axis for axis in range(rank) if y[axis] == 1]
    return torch.tensor(of_x, dtype=a.dtype), torch.tensor(of_y, dtype=a.dtype)


@operator("EnsureShape")
def ensure_shape(node: Node, x: Any) -> Any:
    expected = node.shape("shape")
    if expected is not None and not (
        len(expected) == x.ndim and all(a in (-1, b) for a, b in zip(expected, x.shape, strict=True))
    ):
        raise UnrolledError(f"a tensor of shape {list(x.shape)} comes, expected {list(expected)}")
    return x
