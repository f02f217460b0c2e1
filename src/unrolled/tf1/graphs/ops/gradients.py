"""Gradients that TensorFlow wrote into a graph, of operators whose gradient is one operator.

Each takes the operator's inputs, or their shapes, and g, what came back to its output. Where the operator
itself is there, its gradient is torch's of it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.convolution import convolve, convolve_depthwise, resize
from unrolled.tf1.graphs.ops.normalization import OUTPUTS, fused_batch_norm, local_response
from unrolled.tf1.graphs.ops.pooling import average_pool, max_pool
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.ops.slicing import mirror_pad, strided_slice
from unrolled.tf1.graphs.registry import operator


def back(g: Tensor, function: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """What comes back to the inputs of a function when g comes to what it gives."""
    y, pull = torch.func.vjp(function, *inputs)[:2]
    if y.shape != g.shape:
        raise UnrolledError(f"a gradient of shape {list(g.shape)} comes, expected {list(y.shape)}")
    found: tuple[Tensor, ...] = pull(g.to(y.dtype))
    return found


def zeros(shape: Tensor, like: Tensor) -> Tensor:
    """Any tensor of a shape: where a function is linear its gradient is the same everywhere."""
    count = 1
    for size in sizes(shape):
        count *= size
    check_memory(count, like.dtype)
    return torch.zeros(sizes(shape), dtype=like.dtype)


@operator("LeakyReluGrad")
def leaky_relu_grad(node: Node, g: Tensor, x: Tensor) -> Tensor:
    return torch.where(x > 0, g, g * node.number("alpha", 0.2))


@operator("StridedSliceGrad")
def strided_slice_grad(
    node: Node, shape: Tensor, begin: Tensor, end: Tensor, strides: Tensor, g: Tensor
) -> Tensor:
    return back(g, lambda x: strided_slice(node, x, begin, end, strides), zeros(shape, g))[0]


@operator("MirrorPadGrad")
def mirror_pad_grad(node: Node, g: Tensor, paddings: Tensor) -> Tensor:
    inner = torch.tensor(g.shape) - paddings.sum(1)
    return back(g, lambda x: mirror_pad(node, x, paddings), zeros(inner, g))[0]


@operator("MaxPoolGrad", "MaxPool3DGrad", "MaxPoolGradV2")
def max_pool_grad(node: Node, x: Tensor, y: Tensor, g: Tensor, *sizes_: Tensor) -> Tensor:
    return back(g, lambda x: max_pool(node, x, *sizes_), x)[0]


@operator("AvgPoolGrad", "AvgPool3DGrad")
def average_pool_grad(node: Node, shape: Tensor, g: Tensor) -> Tensor:
    return back(g, lambda x: average_pool(node, x), zeros(shape, g))[0]


@operator("Conv2DBackpropFilter", "Conv3DBackpropFilterV2")
def filters_grad(node: Node, x: Tensor, shape: Tensor, g: Tensor) -> Tensor:
    return back(g, lambda filters: convolve(node, x, filters), zeros(shape, g))[0]


@operator("DepthwiseConv2dNativeBackpropFilter")
def depthwise_filters_grad(node: Node, x: Tensor, shape: Tensor, g: Tensor) -> Tensor:
    return back(g, lambda filters: convolve_depthwise(node, x, filters), zeros(shape, g))[0]


@operator("DepthwiseConv2dNativeBackpropInput")
def depthwise_input_grad(node: Node, shape: Tensor, filters: Tensor, g: Tensor) -> Tensor:
    return back(g, lambda x: convolve_depthwise(node, x, filters), zeros(shape, g))[0]


@operator("ResizeBilinearGrad")
def resize_grad(node: Node, g: Tensor, x: Tensor) -> Tensor:
    size = torch.tensor(g.shape[1:3])
    return back(g, lambda x: resize(node, x, size), x)[0]


@operator("ResizeNearestNeighborGrad")
def resize_nearest_grad(node: Node, g: Tensor, shape: Tensor) -> Tensor:
    size, whole = torch.tensor(g.shape[1:3]), torch.tensor([g.shape[0], *sizes(shape), g.shape[3]])
    return back(g, lambda x: resize(node, x, size), zeros(whole, g))[0]


@operator("LRNGrad")
def local_response_grad(node: Node, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return back(g, lambda x: local_response(node, x), x)[0]


@operator(
    "FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3",
    outputs=("x_backprop", "scale_backprop", "offset_backprop", *OUTPUTS[3:5]),
)  # fmt: skip
def fused_batch_norm_grad(
    node: Node, g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, variance: Tensor, *spare: Tensor
) -> tuple[Tensor, ...]:
    """Of x, scale and offset. In training, mean and variance are x's own, and part of what is derived."""
    found = back(
        g,
        lambda x, scale, offset: fused_batch_norm(node, x, scale, offset, mean, variance)[0],
        x,
        scale,
        torch.zeros_like(scale),
    )
    return (*found, torch.zeros(0, dtype=scale.dtype), torch.zeros(0, dtype=scale.dtype))
