"""The largest, the different, and those that are in another list."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.registry import operator


def largest(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest of the last axis in falling order, of equals the first first; and where they stand."""
    if not 0 <= count <= x.shape[-1]:
        raise UnrolledError(f"the {count} largest of {x.shape[-1]}")
    order = torch.sort(x, dim=-1, descending=True, stable=True).indices[..., :count]
    return torch.gather(x, -1, order), order.to(torch.int32)


@operator("TopKV2", outputs=("values", "indices"))
def top_k_v2(node: Node, x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    return largest(x, int(k))


@operator("TopK", outputs=("values", "indices"))
def top_k(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    return largest(x, node.integer("k"))


@operator("InTopK", "InTopKV2")
def in_top_k(node: Node, predictions: Tensor, targets: Tensor, k: Tensor | None = None) -> Tensor:
    """Whether fewer than k predictions are larger than the target's."""
    most = node.integer("k") if k is None else int(k)
    chosen = predictions.gather(1, targets.long().unsqueeze(1))
    finite = torch.isfinite(predictions).all(1)
    return ((predictions > chosen).sum(1) < most) & finite


@operator("Unique", "UniqueWithCounts", outputs=("y", "idx", "count"))
def unique(node: Node, x: Tensor) -> tuple[Tensor, ...]:
    """The different values in the order in which they come, where each stands, and how many there are."""
    values, first, inverse, counts = np.unique(
        x.numpy(), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    dtype = node.dtype("out_idx", torch.int32)
    found = (
        torch.from_numpy(values[order]),
        torch.from_numpy(place[inverse.reshape(-1)]).to(dtype),
        torch.from_numpy(counts[order]).to(dtype),
    )
    return found if node.op == "UniqueWithCounts" else found[:2]


@operator("ListDiff", outputs=("out", "idx"))
def list_diff(node: Node, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    kept = torch.nonzero(~torch.isin(x, y)).reshape(-1)
    return x[kept], kept.to(node.dtype("out_idx", torch.int32))


@operator("Bincount", "DenseBincount")
def bincount(node: Node, x: Tensor, size: Tensor, weights: Tensor) -> Tensor:
    """How often each whole number below `size` comes, or the sum of its weights."""
    if x.ndim > 1 and node.op == "DenseBincount":
        raise UnrolledError(f"counts of a tensor with {x.ndim} axes are not made here")
    kept = x.reshape(-1) < size
    given = weights.reshape(-1)[kept] if weights.numel() else torch.ones(int(kept.sum()), dtype=weights.dtype)
    check_memory(int(size), weights.dtype)
    found = torch.zeros(int(size), dtype=weights.dtype).index_add(0, x.reshape(-1)[kept].long(), given)
    return found.clamp(max=1) if node.flag("binary_output") else found
