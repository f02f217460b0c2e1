"""Tensors put together, and taken apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.reductions import axes_of
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


def concatenate(parts: tuple[Any, ...], axis: Tensor) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, int(axis))
    (over,) = axes_of(axis, parts[0].ndim)
    if any(part.dtype != parts[0].dtype or part.ndim != parts[0].ndim for part in parts):
        raise UnrolledError("the parts are not of one type and rank")
    return torch.cat(parts, over)


@operator("ConcatV2")
def concat_v2(node: Node, *inputs: Any) -> Any:
    return concatenate(inputs[:-1], inputs[-1])


@operator("Concat")
def concat(node: Node, axis: Tensor, *parts: Any) -> Any:
    return concatenate(parts, axis)


@operator("ConcatOffset")
def concat_offset(node: Node, axis: Tensor, *shapes: Tensor) -> tuple[Tensor, ...]:
    found, start = [], 0
    for shape in shapes:
        offset = torch.zeros_like(shape)
        offset[int(axis)] = start
        found.append(offset)
        start += int(shape[int(axis)])
    return tuple(found)


@operator("Pack")
def pack(node: Node, *parts: Any) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, node.integer("axis"))
    return torch.stack(parts, node.integer("axis"))


@operator("ParallelConcat")
def parallel_concat(node: Node, *parts: Tensor) -> Tensor:
    return torch.cat(parts, 0)


@operator("Unpack")
def unpack(node: Node, x: Any) -> tuple[Any, ...]:
    axis, count = node.integer("axis"), node.integer("num")
    if not -x.ndim <= axis < x.ndim or x.shape[axis] != count:
        raise UnrolledError(f"axis {axis} of a tensor of shape {list(x.shape)} does not have {count} entries")
    if isinstance(x, np.ndarray):
        return tuple(np.moveaxis(x, axis, 0))
    return tuple(x.unbind(axis))


@operator("Split")
def split(node: Node, axis: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    (over,), count = axes_of(axis, x.ndim), node.integer("num_split")
    if count < 1 or x.shape[over] % count:
        raise UnrolledError(f"an axis of {x.shape[over]} cannot be split into {count} equal parts")
    return tuple(x.split(x.shape[over] // count, over)) if x.shape[over] else (x,) * count


@operator("SplitV")
def split_v(node: Node, x: Tensor, lengths: Tensor, axis: Tensor) -> tuple[Tensor, ...]:
    (over,), parts = axes_of(axis, x.ndim), sizes(lengths)
    if parts.count(-1) == 1:
        parts[parts.index(-1)] = x.shape[over] - sum(parts) - 1
    if min(parts, default=0) < 0 or sum(parts) != x.shape[over]:
        raise UnrolledError(f"an axis of {x.shape[over]} cannot be split into parts of {sizes(lengths)}")
    return tuple(x.split(parts, over))


@operator("Tile")
def tile(node: Node, x: Any, multiples: Tensor) -> Any:
    times = sizes(multiples)
    if isinstance(x, np.ndarray):
        return np.tile(x, times)
    if len(times) != x.ndim or min(times, default=0) < 0:
        raise UnrolledError(f"a tensor of shape {list(x.shape)} cannot be repeated {times} times")
    check_memory(x.numel() * math.prod(times), x.dtype)
    return x.repeat(times) if times else x


@operator("SpaceToBatchND")
def space_to_batch(node: Node, x: Tensor, block: Tensor, paddings: Tensor) -> Tensor:
    """Every k-th position of an axis becomes a row of its own: a dilated convolution as a plain one."""
    blocks, amounts = sizes(block), paddings.tolist()
    rest = x.ndim - 1 - len(blocks)
    flat = [0, 0] * rest + [amount for pair in reversed(amounts) for amount in pair]
    x = torch.nn.functional.pad(x, flat)
    N, spatial, others = x.shape[0], x.shape[1 : 1 + len(blocks)], list(x.shape[1 + len(blocks) :])
    if any(b < 1 or size % b for size, b in zip(spatial, blocks, strict=True)):
        raise UnrolledError(f"axes of {list(spatial)} cannot be cut into blocks of {blocks}")
    cut = [part for size, b in zip(spatial, blocks, strict=True) for part in (size // b, b)]
    x = x.reshape([N, *cut, *others])
    M = len(blocks)
    order = [2 * m + 2 for m in range(M)] + [0] + [2 * m + 1 for m in range(M)]
    x = x.permute([*order, *range(2 * M + 1, x.ndim)])
    inner = [size // b for size, b in zip(spatial, blocks, strict=True)]
    return x.reshape([N * math.prod(blocks), *inner, *others])


@operator("BatchToSpaceND")
def batch_to_space(node: Node, x: Tensor, block: Tensor, crops: Tensor) -> Tensor:
    """The inverse of `space_to_batch`."""
    blocks, M = sizes(block), len(sizes(block))
    inner, others = list(x.shape[1 : 1 + M]), list(x.shape[1 + M :])
    if math.prod(blocks) < 1 or x.shape[0] % math.prod(blocks):
        raise UnrolledError(f"{x.shape[0]} rows are not made of blocks of {blocks}")
    N = x.shape[0] // math.prod(blocks)
    x = x.reshape([*blocks, N, *inner, *others])
    order = [M] + [axis for m in range(M) for axis in (M + 1 + m, m)]
    x = x.permute([*order, *range(2 * M + 1, x.ndim)])
    x = x.reshape([N, *(size * b for size, b in zip(inner, blocks, strict=True)), *others])
    for axis, (before, after) in enumerate(crops.tolist(), start=1):
        x = x.narrow(axis, before, x.shape[axis] - before - after)
    return x
