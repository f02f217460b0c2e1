"""Tensors out of nothing: constants, ranges, fillings, one-hot codes; and diagonals."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


def check_memory(count: int, dtype: torch.dtype) -> None:
    """Refuse what the machine cannot hold: a size may be a number that stands in a file.

    Raises:
        UnrolledError: so many numbers take more than all memory.
    """
    if count * dtype.itemsize > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise UnrolledError(f"{count:,} numbers of {dtype} are more than this machine can hold")


@operator("Const", "HostConst")
def constant(node: Node) -> Any:
    return node.tensor("value")


@operator("PlaceholderWithDefault")
def placeholder_with_default(node: Node, x: Any) -> Any:
    return x


@operator("Fill")
def fill(node: Node, shape: Tensor, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.full(sizes(shape), value[()], object)
    check_memory(math.prod(sizes(shape)), value.dtype)
    return value.expand(sizes(shape)).contiguous()


@operator("ZerosLike")
def zeros_like(node: Node, x: Any) -> Any:
    return torch.zeros_like(x) if isinstance(x, Tensor) else x.zeros_like()


@operator("OnesLike")
def ones_like(node: Node, x: Tensor) -> Tensor:
    return torch.ones_like(x)


@operator("Empty")
def empty(node: Node, shape: Tensor) -> Tensor:
    dtype = node.dtype("dtype")
    check_memory(math.prod(sizes(shape)), dtype)
    return torch.zeros(sizes(shape), dtype=dtype)


@operator("Range")
def range_(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    first, end, step = start.item(), limit.item(), delta.item()
    if step == 0:
        raise UnrolledError("a range has steps of 0")
    count = max(0, math.ceil((end - first) / step))
    check_memory(count, start.dtype)
    return start + delta * torch.arange(count, dtype=start.dtype)


@operator("LinSpace")
def lin_space(node: Node, start: Tensor, stop: Tensor, num: Tensor) -> Tensor:
    check_memory(int(num), start.dtype)
    return torch.linspace(start.item(), stop.item(), int(num), dtype=start.dtype)


@operator("OneHot")
def one_hot(node: Node, indices: Tensor, depth: Tensor, on: Tensor, off: Tensor) -> Tensor:
    """A new axis with `on` at each index, and `off` elsewhere; everywhere for an index that is outside."""
    axis = node.integer("axis", -1)
    axis = indices.ndim if axis == -1 else axis
    check_memory(indices.numel() * int(depth), on.dtype)
    places = torch.arange(int(depth)).reshape([-1] + [1] * (indices.ndim - axis))
    return torch.where(indices.long().unsqueeze(axis) == places, on, off)


@operator("Diag")
def diag(node: Node, x: Tensor) -> Tensor:
    return torch.diag(x.reshape(-1)).reshape([*x.shape, *x.shape])


@operator("DiagPart")
def diag_part(node: Node, x: Tensor) -> Tensor:
    half = x.shape[: x.ndim // 2]
    return torch.diagonal(x.reshape(math.prod(half), -1)).reshape(half)


@operator("MatrixDiag", "BatchMatrixDiag")
def matrix_diag(node: Node, x: Tensor) -> Tensor:
    return torch.diag_embed(x)


@operator("MatrixDiagPart", "BatchMatrixDiagPart")
def matrix_diag_part(node: Node, x: Tensor) -> Tensor:
    return torch.diagonal(x, dim1=-2, dim2=-1)


@operator("MatrixDiagV2", "MatrixDiagV3")
def matrix_diag_v2(node: Node, x: Tensor, k: Tensor, rows: Tensor, columns: Tensor, pad: Tensor) -> Tensor:
    if sizes(k) not in ([0], [0, 0]) or max(int(rows), int(columns)) > x.shape[-1]:
        raise UnrolledError("only the main diagonal of square matrices is made here")
    square = torch.diag_embed(x)
    return torch.where(torch.eye(x.shape[-1], dtype=torch.bool), square, pad)


@operator("MatrixDiagPartV2", "MatrixDiagPartV3")
def matrix_diag_part_v2(node: Node, x: Tensor, k: Tensor, pad: Tensor) -> Tensor:
    if sizes(k) not in ([0], [0, 0]):
        raise UnrolledError("only the main diagonal of matrices is taken here")
    return torch.diagonal(x, dim1=-2, dim2=-1)


@operator("MatrixSetDiag", "BatchMatrixSetDiag")
def matrix_set_diag(node: Node, x: Tensor, diagonal: Tensor) -> Tensor:
    return x.diagonal_scatter(diagonal, dim1=-2, dim2=-1)


@operator("MatrixBandPart", "BatchMatrixBandPart")
def matrix_band_part(node: Node, x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Zeros outside of so many diagonals below and above the main one; of a negative number, all."""
    distance = torch.arange(x.shape[-1]) - torch.arange(x.shape[-2]).unsqueeze(-1)
    inside = torch.ones_like(distance, dtype=torch.bool)
    if int(lower) >= 0:
        inside &= distance >= -int(lower)
    if int(upper) >= 0:
        inside &= distance <= int(upper)
    return torch.where(inside, x, torch.zeros((), dtype=x.dtype))
