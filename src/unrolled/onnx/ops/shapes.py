"""Shapes: asked for, changed, filled, joined and split."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.onnx.limits import MOST_NUMBERS
from unrolled.onnx.registry import Node, operator


def numbers(value: Tensor | list[int] | None) -> list[int] | None:
    """Whole numbers that an input or an attribute holds, None if neither is there."""
    if isinstance(value, Tensor):
        return [int(number) for number in value.reshape(-1).tolist()]
    return value


def check_shape(sizes: list[int]) -> list[int]:
    """Refuse a shape that no tensor of a model has: it may be a number that stands in a file.

    Raises:
        UnrolledError: a size below 0, or more than 2²⁶ numbers.
    """
    if any(size < 0 for size in sizes) or math.prod(sizes) > MOST_NUMBERS:
        raise UnrolledError(f"a tensor of shape {sizes} is asked for, of {MOST_NUMBERS:,} numbers at most")
    return sizes


@operator("Constant")
def constant(node: Node) -> Tensor:
    for name, dtype in (("value_float", torch.float32), ("value_int", torch.int64)):
        for attribute in (name, name + "s"):
            if attribute in node.attributes:
                return torch.tensor(node.get(attribute), dtype=dtype)
    value = node.get("value")
    if not isinstance(value, Tensor):
        raise UnrolledError("it holds no numbers")
    return value


@operator("ConstantOfShape")
def constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    value = node.get("value", torch.zeros(1))
    filled: Tensor = value.reshape(()).repeat(check_shape(numbers(shape) or []))
    return filled


@operator("Shape")
def shape_of(node: Node, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[slice(node.get("start", 0), node.get("end"))], dtype=torch.int64)


@operator("Size")
def size_of(node: Node, x: Tensor) -> Tensor:
    return torch.tensor(x.numel())


@operator("Transpose")
def transpose(node: Node, x: Tensor) -> Tensor:
    return x.permute(node.get("perm", list(range(x.dim()))[::-1]))


@operator("Squeeze")
def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = numbers(axes if axes is not None else node.get("axes"))
    if chosen is None:
        return x.squeeze()
    for axis in chosen:
        if x.shape[axis] != 1:
            raise UnrolledError(f"axis {axis} of shape {list(x.shape)} is not of size 1")
    return x.squeeze(tuple(chosen))


@operator("Unsqueeze")
def unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = numbers(axes if axes is not None else node.get("axes")) or []
    rank = x.dim() + len(chosen)
    for axis in sorted(axis + rank if axis < 0 else axis for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@operator("Reshape")
def reshape(node: Node, x: Tensor, shape: Tensor | None = None) -> Tensor:
    sizes = numbers(shape if shape is not None else node.get("shape")) or []
    if not node.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    if x.numel() == 0:  # of nothing torch does not say how large an axis is
        sizes = [0 if size == -1 else size for size in sizes]
    return x.reshape(sizes)


@operator("Flatten")
def flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Expand")
def expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(check_shape(list(torch.broadcast_shapes(x.shape, numbers(shape) or []))))


@operator("Tile")
def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    times = numbers(repeats) or []
    check_shape([size * count for size, count in zip(x.shape, times, strict=True)])
    return x.repeat(times)


@operator("Range")
def span(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    first, end, step = (number.item() for number in (start, limit, delta))
    if step == 0 or not all(math.isfinite(number) for number in (first, end, step)):
        raise UnrolledError(f"it goes from {first} to {end} in steps of {step}")
    (count,) = check_shape([max(0, math.ceil((end - first) / step))])
    return (torch.arange(count) * delta + start).to(start.dtype)


@operator("Concat")
def concat(node: Node, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, node.get("axis", 0))


@operator("Split")
def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> Any:
    axis = node.get("axis", 0)
    chosen = numbers(sizes if sizes is not None else node.get("split"))
    if chosen is None:
        width = -(-x.shape[axis] // len(node.outputs))
        chosen = [width] * (len(node.outputs) - 1)
        chosen.append(x.shape[axis] - sum(chosen))
    return x.split(chosen, axis)


@operator("Pad")
def pad(node: Node, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None,
        axes: Tensor | None = None) -> Tensor:  # fmt: skip
    if node.get("mode", "constant") != "constant":
        raise UnrolledError(f"its mode is {node.get('mode')!r}, expected 'constant'")
    amounts = numbers(pads if pads is not None else node.get("pads")) or []
    of = numbers(axes) or list(range(x.dim()))
    number = node.get("value", 0.0) if value is None else value.item()
    around = [[0, 0] for _ in range(x.dim())]
    for axis, before, after in zip(of, amounts[: len(of)], amounts[len(of) :], strict=True):
        around[axis] = [before, after]
    check_shape([size + sum(both) for size, both in zip(x.shape, around, strict=True)])
    return torch.nn.functional.pad(x, [amount for both in around[::-1] for amount in both], value=number)
