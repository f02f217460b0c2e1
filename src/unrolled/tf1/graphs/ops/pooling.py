"""Pooling over windows."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.convolution import as_it_came, channels_first, padded, paddings, spatial
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator

MAXIMA = {2: F.max_pool2d, 3: F.max_pool3d}
AVERAGES = {2: F.avg_pool2d, 3: F.avg_pool3d}


@operator("MaxPool", "MaxPool3D", "MaxPoolV2")
def max_pool(node: Node, x: Tensor, window: Tensor | None = None, stride: Tensor | None = None) -> Tensor:
    """The largest of each window; what pads counts as smaller than all."""
    if window is not None and stride is not None:
        windows, strides = sizes(window)[1:-1], sizes(stride)[1:-1]
    else:
        windows, strides = spatial(node, "ksize", x.ndim - 2), spatial(node, "strides", x.ndim - 2)
    x = channels_first(node, x)
    amounts = paddings(node, x.shape[2:], windows, strides)
    x = padded(x, amounts, -float("inf") if x.dtype.is_floating_point else 0)
    return as_it_came(node, MAXIMA[x.ndim - 2](x, windows, strides))


@operator("AvgPool", "AvgPool3D")
def average_pool(node: Node, x: Tensor) -> Tensor:
    """The mean of each window, without what pads."""
    windows, strides = spatial(node, "ksize", x.ndim - 2), spatial(node, "strides", x.ndim - 2)
    x = channels_first(node, x)
    if node.text("padding") not in ("SAME", "VALID"):
        raise UnrolledError(f"padding is {node.text('padding')!r}, expected SAME or VALID")
    amounts = paddings(node, x.shape[2:], windows, strides)
    average = AVERAGES[x.ndim - 2]
    total = average(padded(x, amounts), windows, strides)
    share = average(padded(x.new_ones(x.shape), amounts), windows, strides)
    return as_it_came(node, total / share)
