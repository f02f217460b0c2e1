"""Parts of tensors, and tensors around parts."""

from __future__ import annotations

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


@operator("Slice")
def slice_(node: Node, x: Any, begin: Tensor, size: Tensor) -> Any:
    """From `begin`, so many; all that follow where the size is -1."""
    part = []
    for start, count, whole in zip(sizes(begin), sizes(size), x.shape, strict=True):
        end = whole if count == -1 else start + count
        if not 0 <= start <= end <= whole:
            raise UnrolledError(f"a part from {start} to {end} of an axis of {whole}")
        part.append(slice(start, end))
    return x[tuple(part)]


@operator("StridedSlice")
def strided_slice(node: Node, x: Any, begin: Tensor, end: Tensor, strides: Tensor) -> Any:
    part, shape = strided_part(node, x.shape, sizes(begin), sizes(end), sizes(strides))
    return take_part(x, part).reshape(shape)


Part = list[range]


def strided_part(
    node: Node, shape: Any, begin: list[int], end: list[int], strides: list[int]
) -> tuple[Part, list[int]]:
    """The positions that are taken along each axis, and the shape that the part gets.

    The masks have a bit for each entry of begin, end and strides: begin or end does not count; an ellipsis
    stands for all axes that the others leave; a new axis; a single position whose axis goes away.
    """
    masks = [node.integer(f"{kind}_mask") for kind in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    no_begin, no_end, ellipsis, new, shrink = masks
    entries = len(begin)
    named = sum(1 for at in range(entries) if not (ellipsis >> at & 1 or new >> at & 1))
    part: Part = []
    result: list[int] = []

    def take_all(count: int) -> None:
        for size in shape[len(part) : len(part) + count]:
            part.append(range(size))
            result.append(size)

    for at in range(entries):
        if ellipsis >> at & 1:
            take_all(len(shape) - named)
            continue
        if new >> at & 1:
            result.append(1)
            continue
        if len(part) >= len(shape):
            raise UnrolledError(f"a part of {entries} axes of a tensor that has {len(shape)}")
        size, step = shape[len(part)], strides[at]
        if step == 0:
            raise UnrolledError("a part has strides of 0")
        if shrink >> at & 1:
            position = begin[at] + size if begin[at] < 0 else begin[at]
            if not 0 <= position < size:
                raise UnrolledError(f"position {begin[at]} of an axis of {size}")
            part.append(range(position, position + 1))
            continue
        first = None if no_begin >> at & 1 else begin[at]
        last = None if no_end >> at & 1 else end[at]
        part.append(range(*slice(first, last, step).indices(size)))
        result.append(len(part[-1]))
    take_all(len(shape) - len(part))
    return part, result


def take_part(x: Any, part: Part) -> Any:
    forward = []
    for positions in part:
        ascending = positions if positions.step > 0 else positions[::-1]
        forward.append(slice(ascending.start, max(ascending.stop, ascending.start), ascending.step))
    x = x[tuple(forward)]
    turned = [axis for axis, positions in enumerate(part) if positions.step < 0]
    if not turned:
        return x
    return np.flip(x, tuple(turned)) if isinstance(x, np.ndarray) else x.flip(turned)


@operator("Pad", "PadV2")
def pad(node: Node, x: Tensor, paddings: Tensor, value: Tensor | None = None) -> Tensor:
    amounts = paddings.tolist()
    if min((min(pair) for pair in amounts), default=0) < 0 or len(amounts) != x.ndim:
        raise UnrolledError(f"paddings are {amounts} for a tensor of shape {list(x.shape)}")
    shape = [before + size + after for (before, after), size in zip(amounts, x.shape, strict=True)]
    count = 1
    for size in shape:
        count *= size
    check_memory(count, x.dtype)
    flat = [amount for pair in reversed(amounts) for amount in pair]
    return torch.nn.functional.pad(x, flat, value=0 if value is None else value.item())


@operator("MirrorPad")
def mirror_pad(node: Node, x: Tensor, paddings: Tensor) -> Tensor:
    """What lies beyond an edge is what lies before it, backwards: without the edge itself for REFLECT."""
    skipped = 1 if node.text("mode") == "REFLECT" else 0
    for axis, (before, after) in enumerate(paddings.tolist()):
        size = x.shape[axis]
        if max(before, after) > size - skipped or min(before, after) < 0:
            raise UnrolledError(f"paddings {before} and {after} of an axis of {size}")
        left = x.narrow(axis, skipped, before).flip(axis)
        right = x.narrow(axis, size - skipped - after, after).flip(axis)
        x = torch.cat([left, x, right], axis)
    return x


@operator("Reverse")
def reverse(node: Node, x: Tensor, turned: Tensor) -> Tensor:
    return x.flip([axis for axis, is_turned in enumerate(turned.tolist()) if is_turned])


@operator("ReverseV2")
def reverse_v2(node: Node, x: Tensor, axes: Tensor) -> Tensor:
    return x.flip(axes_of(axes, x.ndim))


@operator("Roll")
def roll(node: Node, x: Tensor, shift: Tensor, axis: Tensor) -> Tensor:
    return x.roll(sizes(shift), sizes(axis))


@operator("ReverseSequence")
def reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    """The first steps of each row backwards, so many as its length says; the others stay."""
    T, N = node.integer("seq_dim"), node.integer("batch_dim")
    steps = torch.arange(x.shape[T])
    ends = lengths.long().unsqueeze(1)
    if bool((ends > x.shape[T]).any()) or bool((ends < 0).any()):
        raise UnrolledError(f"lengths are {lengths.tolist()[:8]}, and there are {x.shape[T]} steps")
    taken = torch.where(steps < ends, ends - 1 - steps, steps)  # [N, T]
    shape = [1] * x.ndim
    shape[T], shape[N] = x.shape[T], x.shape[N]
    taken = (taken if N < T else taken.T).reshape(shape)
    return torch.gather(x, T, taken.expand(x.shape))
