"""Dense layers, convolutions and normalisations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import UnrolledError
from unrolled.onnx.registry import Node, operator


@operator("MatMul")
def matmul(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return x @ y


@operator("Gemm")
def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """alpha A B + beta C, A and B transposed where the node says so."""
    a, b = (matrix.T if node.get(flag, 0) else matrix for matrix, flag in ((a, "transA"), (b, "transB")))
    product: Tensor = a @ b * node.get("alpha", 1.0)
    return product if c is None else product + c * node.get("beta", 1.0)


@operator("Conv")
def convolution(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    spatial = weight.dim() - 2
    functions: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
    if spatial not in functions:
        raise UnrolledError(
            f"its kernel has shape {list(weight.shape)}, expected one to three axes of places"
        )
    strides, dilations = node.get("strides", [1] * spatial), node.get("dilations", [1] * spatial)
    pads = node.get("pads", [0] * 2 * spatial)
    how = node.get("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
            for size, kernel, stride, dilation in zip(
                x.shape[2:], weight.shape[2:], strides, dilations, strict=True
            )
        ]
        small, large = [total // 2 for total in totals], [-(-total // 2) for total in totals]
        pads = [*small, *large] if how == "SAME_UPPER" else [*large, *small]
    around = [amount for axis in reversed(range(spatial)) for amount in (pads[axis], pads[axis + spatial])]
    convolved: Tensor = functions[spatial](
        F.pad(x, around), weight, bias, strides, 0, dilations, node.get("group", 1)
    )
    return convolved


@operator("BatchNormalization")
def batch_normalization(
    node: Node, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, eps=node.get("epsilon", 1e-5))


@operator("LayerNormalization")
def layer_normalization(node: Node, x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    axes = x.shape[node.get("axis", -1) :]
    epsilon = node.get("epsilon", 1e-5)
    weight = scale.expand(axes)
    return F.layer_norm(x, axes, weight, None if shift is None else shift.expand(axes), epsilon)


@operator("Einsum")
def einsum(node: Node, *inputs: Tensor) -> Tensor:
    return torch.einsum(node.get("equation"), *inputs)
