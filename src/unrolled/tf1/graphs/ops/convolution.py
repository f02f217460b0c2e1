"""Convolutions, channels last or first, with TensorFlow's paddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def is_channels_first(node: Node) -> bool:
    return node.text("data_format").startswith("NC")


def spatial(node: Node, name: str, axes: int) -> list[int]:
    """An attribute with an entry for each axis, of the spatial axes alone; 1 if it is not there."""
    entries = node.integers(name) or (1,) * (axes + 2)
    if len(entries) != axes + 2 or min(entries) < 1:
        raise UnrolledError(f"{name} is {list(entries)}, expected {axes + 2} numbers")
    return list(entries[2:] if is_channels_first(node) else entries[1:-1])


def channels_first(node: Node, x: Tensor) -> Tensor:
    return x if is_channels_first(node) else x.movedim(-1, 1)


def as_it_came(node: Node, x: Tensor) -> Tensor:
    return x if is_channels_first(node) else x.movedim(1, -1)


def paddings(
    node: Node, shape: Sequence[int], windows: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """How much comes before and after each spatial axis.

    SAME: so much that there are ⌈size / stride⌉ windows, the odd one after. VALID: nothing.
    """
    kind = node.text("padding")
    if kind == "VALID":
        return [(0, 0)] * len(shape)
    if kind == "SAME":
        found = []
        for size, window, stride in zip(shape, windows, strides, strict=True):
            amount = max((-(-size // stride) - 1) * stride + window - size, 0)
            found.append((amount // 2, amount - amount // 2))
        return found
    given = node.integers("explicit_paddings")
    pairs = list(zip(given[::2], given[1::2], strict=True))
    return pairs[2:] if is_channels_first(node) else pairs[1:-1]


def padded(x: Tensor, amounts: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    if not any(map(any, amounts)):
        return x
    return F.pad(x, [amount for pair in reversed(amounts) for amount in pair], value=value)


@operator("Conv2D", "Conv3D")
def convolve(node: Node, x: Tensor, filters: Tensor) -> Tensor:
    """Filters are [spatial..., I, O]; I may be a part of x's channels, which are then in groups."""
    axes = filters.ndim - 2
    strides, dilations = spatial(node, "strides", axes), spatial(node, "dilations", axes)
    x = channels_first(node, x)
    windows = [(size - 1) * d + 1 for size, d in zip(filters.shape, dilations, strict=False)]
    x = padded(x, paddings(node, x.shape[2:], windows, strides))
    weight = filters.movedim(-1, 0).movedim(-1, 1)
    groups = max(x.shape[1] // max(weight.shape[1], 1), 1)
    return as_it_came(node, CONVOLUTIONS[axes](x, weight, None, strides, 0, dilations, groups))


@operator("DepthwiseConv2dNative")
def convolve_depthwise(node: Node, x: Tensor, filters: Tensor) -> Tensor:
    """Filters are [H, W, I, M]: each channel becomes M of its own."""
    strides, dilations = spatial(node, "strides", 2), spatial(node, "dilations", 2)
    x = channels_first(node, x)
    windows = [(size - 1) * d + 1 for size, d in zip(filters.shape, dilations, strict=False)]
    x = padded(x, paddings(node, x.shape[2:], windows, strides))
    H, W, I, M = filters.shape
    weight = filters.permute(2, 3, 0, 1).reshape(I * M, 1, H, W)
    return as_it_came(node, F.conv2d(x, weight, None, strides, 0, dilations, I))


@operator("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def convolve_transposed(node: Node, shape: Tensor, filters: Tensor, x: Tensor) -> Tensor:
    """What a convolution to x would have been made of: `conv2d_transpose`, whose result has that shape."""
    axes = filters.ndim - 2
    strides, dilations = spatial(node, "strides", axes), spatial(node, "dilations", axes)
    wanted = sizes(shape)
    count = 1
    for size in wanted:
        count *= size
    check_memory(count, x.dtype)
    inner = wanted[2:] if is_channels_first(node) else wanted[1:-1]
    windows = [(size - 1) * d + 1 for size, d in zip(filters.shape, dilations, strict=False)]
    amounts = paddings(node, inner, windows, strides)
    weight = filters.movedim(-1, 0).movedim(-1, 1)
    full = TRANSPOSED[axes](channels_first(node, x), weight, None, strides, 0, 0, 1, dilations)
    ends = [size + before + after for size, (before, after) in zip(inner, amounts, strict=True)]
    # Windows with a stride may leave the end of an axis out.
    full = padded(full, [(0, max(end - size, 0)) for end, size in zip(ends, full.shape[2:], strict=True)])
    for axis, (size, (before, _)) in enumerate(zip(inner, amounts, strict=True), start=2):
        full = full.narrow(axis, before, size)
    return as_it_came(node, full)


@operator("ResizeBilinear", "ResizeNearestNeighbor")
def resize(node: Node, x: Tensor, size: Tensor) -> Tensor:
    """Pictures [N, H, W, C] at another size."""
    H, W = sizes(size)
    check_memory(x.shape[0] * H * W * x.shape[3], torch.float32)
    rows = _positions(node, x.shape[1], H)
    columns = _positions(node, x.shape[2], W)
    if "Nearest" in node.op:
        aligned = node.flag("align_corners")
        pick = [(p + 0.5 if aligned else p).floor().long() for p in (rows, columns)]
        return x[:, pick[0].clamp(0, x.shape[1] - 1)][:, :, pick[1].clamp(0, x.shape[2] - 1)]
    x = x.float()
    for axis, places in ((1, rows), (2, columns)):
        low = places.floor().clamp(0, x.shape[axis] - 1)
        high = (low + 1).clamp(max=x.shape[axis] - 1)
        share = (places.clamp(min=0) - low).reshape([-1] + [1] * (x.ndim - 1 - axis))
        first, second = x.index_select(axis, low.long()), x.index_select(axis, high.long())
        x = first + (second - first) * share
    return x


def _positions(node: Node, old: int, new: int) -> Tensor:
    """Where each new pixel lies among the old ones."""
    places = torch.arange(new, dtype=torch.float32)
    if node.flag("align_corners") and new > 1:
        return places * ((old - 1) / (new - 1))
    if node.flag("half_pixel_centers"):
        nearest = "Nearest" in node.op
        return (places + 0.5) * (old / new) - (0.0 if nearest else 0.5)
    return places * (old / new)
