"""Batch normalisation, and normalisation of local responses."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

OUTPUTS = ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3")


@operator("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", outputs=OUTPUTS)
def fused_batch_norm(
    node: Node, x: Tensor, scale: Tensor, offset: Tensor, mean: Tensor, variance: Tensor
) -> tuple[Tensor, ...]:
    """y = (x - mean) / √(variance + ε) · scale + offset, by channel.

    In training mean and variance are the batch's, and the variance that is returned is the unbiased one.
    """
    channel = 1 if node.text("data_format").startswith("NC") else x.ndim - 1
    shape = [1] * x.ndim
    shape[channel] = -1
    wide, returned = x.to(scale.dtype), variance
    if node.flag("is_training", True):
        others = [axis for axis in range(x.ndim) if axis != channel]
        count = x.numel() // max(x.shape[channel], 1)
        mean, variance = wide.mean(others), wide.var(others, correction=0)
        returned = variance * (count / max(count - 1, 1))
        factor = node.number("exponential_avg_factor", 1.0)
        if factor != 1.0:
            raise UnrolledError("an exponential average inside of the operator is not made here")
    factors = scale / torch.sqrt(variance + node.number("epsilon", 0.0001))
    y = (wide - mean.reshape(shape)) * factors.reshape(shape) + offset.reshape(shape)
    spare = torch.zeros(0, dtype=scale.dtype)
    return y.to(x.dtype), mean, returned, mean, variance, spare


@operator("BatchNormWithGlobalNormalization")
def old_batch_norm(
    node: Node, x: Tensor, mean: Tensor, variance: Tensor, beta: Tensor, gamma: Tensor
) -> Tensor:
    factors = torch.rsqrt(variance + node.number("variance_epsilon"))
    if node.flag("scale_after_normalization"):
        factors = factors * gamma
    return (x - mean) * factors + beta


@operator("LRN")
def local_response(node: Node, x: Tensor) -> Tensor:
    """x / (bias + α Σ x²)^β, the sum over the channels at most `depth_radius` away."""
    radius = node.integer("depth_radius", 5)
    squares = torch.nn.functional.pad(x.square(), (radius, radius))
    total = squares.unfold(-1, 2 * radius + 1, 1).sum(-1)
    return x / (node.number("bias", 1.0) + node.number("alpha", 1.0) * total) ** node.number("beta", 0.5)
