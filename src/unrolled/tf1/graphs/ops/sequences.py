"""Sequences of labels: how far two lie apart, and those that a beam search has found."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


def edits(one: list[int], other: list[int]) -> int:
    """The least number of labels to put in, take out or replace that makes one sequence the other."""
    costs = list(range(len(other) + 1))
    for at, label in enumerate(one):
        diagonal, costs[0] = costs[0], at + 1
        for place, wanted in enumerate(other, start=1):
            replaced = diagonal + (label != wanted)
            diagonal = costs[place]
            costs[place] = min(replaced, costs[place] + 1, costs[place - 1] + 1)
    return costs[-1]


def groups(indices: Tensor, values: Tensor) -> dict[tuple[int, ...], list[int]]:
    """The sequences of a sparse tensor, by all axes but the last."""
    found: dict[tuple[int, ...], list[int]] = {}
    for place, value in zip(indices.tolist(), values.tolist(), strict=True):
        found.setdefault(tuple(place[:-1]), []).append(value)
    return found


@operator("EditDistance")
def edit_distance(
    node: Node, of_indices: Tensor, of_values: Tensor, of_shape: Tensor, indices: Tensor, values: Tensor,
    shape: Tensor,
) -> Tensor:  # fmt: skip
    """For each pair of sequences the edits between them; if `normalize`, by the length of the second."""
    outer = [max(a, b) for a, b in zip(sizes(of_shape)[:-1], sizes(shape)[:-1], strict=True)]
    count = 1
    for size in outer:
        count *= size
    check_memory(count, torch.float32)
    found, wanted = groups(of_indices, of_values), groups(indices, values)
    distances = torch.zeros(outer)
    for place in found.keys() | wanted.keys():
        if any(not 0 <= at < size for at, size in zip(place, outer, strict=True)):
            raise UnrolledError(f"a sequence stands at {list(place)}, outside of {outer}")
        one, other = found.get(place, []), wanted.get(place, [])
        distance = float(edits(one, other))
        if node.flag("normalize", True):
            distance = distance / len(other) if other else float("inf")
        distances[place] = distance
    return distances


@operator("GatherTree", "Addons>GatherTree")
def gather_tree(node: Node, labels: Tensor, parents: Tensor, lengths: Tensor, end: Tensor) -> Tensor:
    """The sequences that end in each beam, [T, N, W], from the labels of each step and the beams before it.

    What follows the first end label, or a row's length, is the end label.
    """
    T, N, W = labels.shape
    found = torch.full_like(labels, int(end))
    parents = parents.long()
    if parents.numel() and not 0 <= int(parents.min()) <= int(parents.max()) < W:
        raise UnrolledError(f"a beam continues beam {int(parents.max())}, and there are {W}")
    for n in range(N):
        beams = torch.arange(W)
        for t in reversed(range(min(T, int(lengths[n])))):
            found[t, n] = labels[t, n][beams]
            beams = parents[t, n][beams]
    ended = (found == int(end)).long().cumsum(0) > 0
    return torch.where(ended, torch.full_like(found, int(end)), found)
