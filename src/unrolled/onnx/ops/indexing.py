"""Parts of tensors, chosen by numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.onnx.ops.shapes import check_shape, numbers
from unrolled.onnx.registry import Node, operator


@operator("Slice")
def slice_of(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    """`starts`, `ends`, `axes` and `steps` are inputs; before opset 10 three were attributes."""
    said: list[Any] = [numbers(value) for value in given]
    if not said:
        said = [node.get("starts"), node.get("ends"), node.get("axes")]
    starts, ends, axes, steps = [*said, None, None, None][:4]
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = range(*slice(start, end, step).indices(x.shape[axis]))
        if step == 1:
            x = x.narrow(axis, places.start if len(places) else 0, len(places))
        else:
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return x


@operator("Gather")
def gather(node: Node, x: Tensor, places: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    axis = axis + x.dim() if axis < 0 else axis
    wanted = _from_start(places.reshape(-1), x.shape[axis])
    check_shape([*x.shape[:axis], wanted.numel(), *x.shape[axis + 1 :]])
    return x.index_select(axis, wanted).reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


@operator("GatherElements")
def gather_elements(node: Node, x: Tensor, places: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    return x.gather(axis, _from_start(places, x.shape[axis]))


@operator("GatherND")
def gather_nd(node: Node, x: Tensor, places: Tensor) -> Tensor:
    batch = node.get("batch_dims", 0)
    depth = places.shape[-1]
    lead = x.shape[:batch]
    rows = x.reshape(-1, *x.shape[batch:])
    chosen = places.reshape(rows.shape[0], -1, depth)
    index = [_from_start(chosen[..., k], x.shape[batch + k]) for k in range(depth)]
    found = rows[(torch.arange(rows.shape[0])[:, None], *index)]
    return found.reshape([*lead, *places.shape[batch:-1], *x.shape[batch + depth :]])


@operator("ReverseSequence")
def reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths` steps of each sequence the other way round; the others stay."""
    time_axis, batch_axis = node.get("time_axis", 0), node.get("batch_axis", 1)
    moved = x.movedim((batch_axis, time_axis), (0, 1))
    steps = torch.arange(moved.shape[1])
    ends = lengths.long()[:, None]
    order = torch.where(steps < ends, ends - 1 - steps, steps)
    return moved[torch.arange(moved.shape[0])[:, None], order].movedim((0, 1), (batch_axis, time_axis))


@operator("OneHot")
def one_hot(node: Node, places: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    count = int(depth.reshape(()).item())
    check_shape([places.numel(), count])
    hot = _from_start(places, count)[..., None] == torch.arange(count)
    axis = node.get("axis", -1)
    return torch.where(hot, values[1], values[0]).movedim(-1, axis)


def _from_start(places: Tensor, size: int) -> Tensor:
    """Places counted from the start, of which negative ones were counted from the end."""
    places = places.long()
    return torch.where(places < 0, places + size, places)
