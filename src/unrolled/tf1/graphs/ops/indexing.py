"""Rows and elements by their indices: embeddings, gathers and scatters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


def checked(indices: Tensor, size: int) -> Tensor:
    """Indices as PyTorch takes them; TensorFlow counts from the front only."""
    indices = indices.long()
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < size:
        worst = int(indices.min()) if int(indices.min()) < 0 else int(indices.max())
        raise UnrolledError(f"index {worst} of an axis of {size}")
    return indices


def gather_axis(x: Any, indices: Tensor, axis: int = 0, batch_dims: int = 0) -> Any:
    """x with an axis replaced by those of the indices; the first `batch_dims` axes are common to both."""
    axis = axis + x.ndim if axis < 0 else axis
    batch_dims = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    if not 0 <= batch_dims <= min(axis, indices.ndim) or axis >= x.ndim:
        raise UnrolledError(f"axis {axis} of a tensor of shape {list(x.shape)}, {batch_dims} axes in common")
    indices = checked(indices, x.shape[axis])
    if isinstance(x, np.ndarray):
        return np.take(x, indices.numpy(), axis)
    shape = [*x.shape[:axis], *indices.shape[batch_dims:], *x.shape[axis + 1 :]]
    if not batch_dims:
        return x.index_select(axis, indices.reshape(-1)).reshape(shape)
    rows = x.flatten(0, batch_dims - 1)
    of_rows = indices.reshape(rows.shape[0], -1)
    axis -= batch_dims - 1
    spread = of_rows.reshape([rows.shape[0]] + [1] * (axis - 1) + [-1] + [1] * (rows.ndim - axis - 1))
    sizes_ = list(rows.shape)
    sizes_[axis] = of_rows.shape[1]
    return torch.gather(rows, axis, spread.expand(sizes_)).reshape(shape)


@operator("Gather")
def gather(node: Node, x: Any, indices: Tensor) -> Any:
    return gather_axis(x, indices)


@operator("GatherV2")
def gather_v2(node: Node, x: Any, indices: Tensor, axis: Tensor) -> Any:
    return gather_axis(x, indices, int(axis), node.integer("batch_dims"))


def split_indices(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The last axis of indices, one for each axis of a tensor of that shape that they index."""
    depth = indices.shape[-1]
    if depth > len(shape):
        raise UnrolledError(f"indices of {depth} axes of a tensor that has {len(shape)}")
    return tuple(checked(indices[..., axis], shape[axis]) for axis in range(depth))


@operator("GatherNd")
def gather_nd(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    if indices.shape[-1] == 0:
        return x.expand([*indices.shape[:-1], *x.shape])
    return x[split_indices(indices, x.shape)]


@operator("ScatterNd")
def scatter_nd(node: Node, indices: Tensor, updates: Tensor, shape: Tensor) -> Tensor:
    """Zeros, to which the updates are added where the indices say."""
    count = 1
    for size in sizes(shape):
        count *= size
    check_memory(count, updates.dtype)
    return scattered("Add", torch.zeros(sizes(shape), dtype=updates.dtype), indices, updates)


@operator("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub")
def tensor_scatter(node: Node, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    return scattered(node.op.removeprefix("TensorScatter"), x, indices, updates)


def scattered(kind: str, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """x with updates put, added or subtracted ("Update", "Add", "Sub") where the indices say."""
    places = split_indices(indices, x.shape)
    updates = updates.expand([*indices.shape[:-1], *x.shape[indices.shape[-1] :]])
    if not places:
        raise UnrolledError("the indices have no axis")
    return x.index_put(places, -updates if kind == "Sub" else updates, accumulate=kind != "Update")


@operator("DynamicPartition")
def dynamic_partition(node: Node, x: Tensor, partitions: Tensor) -> tuple[Tensor, ...]:
    """The rows of each number, of as many as `num_partitions` says."""
    count = node.integer("num_partitions")
    checked(partitions, count)
    return tuple(x[partitions == number] for number in range(count))


@operator("DynamicStitch", "ParallelDynamicStitch")
def dynamic_stitch(node: Node, *inputs: Tensor) -> Tensor:
    """Rows of several tensors at the places that their indices say; of two for one place the later."""
    indices, parts = inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]
    rest = parts[0].shape[indices[0].ndim :]
    count = max((int(each.max()) + 1 for each in indices if each.numel()), default=0)
    stitched = torch.zeros([count, *rest], dtype=parts[0].dtype)
    for each, part in zip(indices, parts, strict=True):
        places = checked(each.reshape(-1), count)
        stitched = stitched.index_put((places,), part.reshape([-1, *rest]))
    return stitched
