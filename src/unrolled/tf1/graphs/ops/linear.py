"""Products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator


def adjoint(x: Tensor) -> Tensor:
    x = x.transpose(-1, -2)
    return x.conj() if x.dtype.is_complex else x


def product(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[-1] != b.shape[-2]:
        raise UnrolledError(f"matrices {list(a.shape)} and {list(b.shape)} cannot be multiplied")
    return a @ b


@operator("MatMul", "SparseMatMul")
def matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return product(a.T if node.flag("transpose_a") else a, b.T if node.flag("transpose_b") else b)


@operator("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return product(adjoint(a) if node.flag("adj_x") else a, adjoint(b) if node.flag("adj_y") else b)


@operator("BiasAdd", "BiasAddV1")
def bias_add(node: Node, x: Tensor, bias: Tensor) -> Tensor:
    if node.text("data_format") == "NCHW" and x.ndim > 2:
        bias = bias.reshape(-1, *[1] * (x.ndim - 2))
    return x + bias


@operator("BiasAddGrad")
def bias_add_grad(node: Node, g: Tensor) -> Tensor:
    channel = 1 if node.text("data_format") == "NCHW" else g.ndim - 1
    return g.sum([axis for axis in range(g.ndim) if axis != channel])


@operator("Einsum")
def einsum(node: Node, *operands: Tensor) -> Tensor:
    return torch.einsum(node.text("equation"), *operands)


@operator("Cross")
def cross(node: Node, a: Tensor, b: Tensor) -> Tensor:
    found: Tensor = torch.linalg.cross(a, b)
    return found


@operator("MatrixInverse", "BatchMatrixInverse")
def matrix_inverse(node: Node, x: Tensor) -> Tensor:
    found: Tensor = torch.linalg.inv(adjoint(x) if node.flag("adjoint") else x)
    return found


@operator("MatrixDeterminant", "BatchMatrixDeterminant")
def matrix_determinant(node: Node, x: Tensor) -> Tensor:
    found: Tensor = torch.linalg.det(x)
    return found


@operator("Cholesky", "BatchCholesky")
def cholesky(node: Node, x: Tensor) -> Tensor:
    found: Tensor = torch.linalg.cholesky(x)
    return found


@operator("Qr", outputs=("q", "r"))
def qr(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    q, r = torch.linalg.qr(x, "complete" if node.flag("full_matrices") else "reduced")
    return q, r
