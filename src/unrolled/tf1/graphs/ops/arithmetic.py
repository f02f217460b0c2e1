"""Functions of one and of two tensors, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

Unary: TypeAlias = Callable[[Tensor], Tensor]
Binary: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def truncated_quotient(a: Tensor, b: Tensor) -> Tensor:
    """a / b, of whole numbers towards zero, as C has it."""
    return torch.div(a, b, rounding_mode="trunc") if _is_whole(a) else a / b


def floored_quotient(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode="floor")


def _is_whole(x: Tensor) -> bool:
    return not x.dtype.is_floating_point and not x.dtype.is_complex


def power(a: Tensor, b: Tensor) -> Tensor:
    if _is_whole(b) and bool((b < 0).any()):
        raise UnrolledError("a whole number to a negative power is no whole number")
    return torch.pow(a, b)


def no_nan_quotient(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0: gradients, too, are 0 there."""
    none = b == 0
    return torch.where(none, torch.zeros((), dtype=a.dtype), a / torch.where(none, torch.ones_like(b), b))


def zero_at_zero(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where a is 0."""
    none = a == 0
    return torch.where(none, torch.zeros((), dtype=a.dtype), a / torch.where(none, torch.ones_like(b), b))


SELU_SCALE = 1.0507009873554805
SELU_FLOOR = SELU_SCALE * 1.6732632423543772  # the function goes towards its negative

UNARY: dict[str, Unary] = {
    "Abs": torch.abs,
    "ComplexAbs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Conj": torch.conj,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Digamma": torch.digamma,
    "Elu": F.elu,
    "Erf": torch.erf,
    "Erfc": torch.erfc,
    "Exp": torch.exp,
    "Expm1": torch.expm1,
    "Floor": torch.floor,
    "Imag": lambda x: x.imag if x.dtype.is_complex else torch.zeros_like(x),
    "Inv": torch.reciprocal,
    "Invert": torch.bitwise_not,
    "Lgamma": torch.lgamma,
    "Log": torch.log,
    "Log1p": torch.log1p,
    "Neg": torch.neg,
    "Real": lambda x: x.real if x.dtype.is_complex else x,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Relu6": F.relu6,
    "Rint": torch.round,
    "Round": torch.round,
    "Rsqrt": torch.rsqrt,
    "Selu": F.selu,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softplus": lambda x: torch.logaddexp(x, torch.zeros((), dtype=x.dtype)),
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Square": torch.square,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}

BINARY: dict[str, Binary] = {
    "Add": torch.add,
    "AddV2": torch.add,
    "Atan2": torch.atan2,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
    "Complex": torch.complex,
    "Div": truncated_quotient,
    "DivNoNan": no_nan_quotient,
    "FloorDiv": floored_quotient,
    "FloorMod": torch.remainder,
    "LeftShift": torch.bitwise_left_shift,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Mod": torch.fmod,
    "Mul": torch.mul,
    "MulNoNan": lambda a, b: torch.where(b == 0, torch.zeros((), dtype=a.dtype), a * b),
    "Pow": power,
    "RealDiv": torch.div,
    "RightShift": torch.bitwise_right_shift,
    "SquaredDifference": lambda a, b: torch.square(a - b),
    "Sub": torch.sub,
    "TruncateDiv": truncated_quotient,
    "TruncateMod": torch.fmod,
    "Xdivy": zero_at_zero,
    "Xlogy": torch.xlogy,
    # Of the gradients that a graph may hold: y is the function's value, g what came back to it.
    "EluGrad": lambda g, y: torch.where(y < 0, g * (y + 1), g),
    "InvGrad": lambda y, g: -g * y * y,
    "ReciprocalGrad": lambda y, g: -g * y * y,
    "Relu6Grad": lambda g, x: torch.where((x > 0) & (x < 6), g, torch.zeros((), dtype=g.dtype)),
    "ReluGrad": lambda g, x: torch.where(x > 0, g, torch.zeros((), dtype=g.dtype)),
    "RsqrtGrad": lambda y, g: -0.5 * g * y * y * y,
    "SeluGrad": lambda g, y: torch.where(y < 0, g * (y + SELU_FLOOR), g * SELU_SCALE),
    "SigmoidGrad": lambda y, g: g * y * (1 - y),
    "SoftplusGrad": lambda g, x: g * torch.sigmoid(x),
    "SoftsignGrad": lambda g, x: g / torch.square(1 + torch.abs(x)),
    "SqrtGrad": lambda y, g: 0.5 * g / y,
    "TanhGrad": lambda y, g: g * (1 - y * y),
}


def _unary(function: Unary) -> Callable[[Node, Tensor], Tensor]:
    return lambda node, x: function(x)


def _binary(function: Binary) -> Callable[[Node, Tensor, Tensor], Tensor]:
    def compute(node: Node, a: Tensor, b: Tensor) -> Tensor:
        if a.dtype != b.dtype:
            raise UnrolledError(f"{a.dtype} and {b.dtype} come, expected one type")
        return function(a, b)

    return compute


for _name, _of_one in UNARY.items():
    operator(_name)(_unary(_of_one))
for _name, _of_two in BINARY.items():
    operator(_name)(_binary(_of_two))


@operator("AddN", "AccumulateNV2")
def add_n(node: Node, first: Tensor, *others: Tensor) -> Tensor:
    for other in others:
        first = first + other
    return first


@operator("ClipByValue")
def clip_by_value(node: Node, x: Tensor, least: Tensor, most: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(x, most), least)


@operator("LeakyRelu")
def leaky_relu(node: Node, x: Tensor) -> Tensor:
    return F.leaky_relu(x, node.number("alpha", 0.2))


@operator("Cast", "Bitcast")
def cast(node: Node, x: Tensor) -> Tensor:
    dtype = node.dtype("DstT" if node.op == "Cast" else "type")
    if node.op == "Bitcast":
        return x.view(dtype)
    if x.dtype.is_complex and not dtype.is_complex:
        x = x.real
    if x.dtype.is_floating_point and dtype in (torch.uint16, torch.uint32, torch.uint64):
        return x.to(torch.int64).to(dtype)
    return x.to(dtype)


@operator("CheckNumerics")
def check_numerics(node: Node, x: Tensor) -> Tensor:
    if not bool(torch.isfinite(x).all()):
        raise UnrolledError(f"{node.text('message')}: the tensor has infinite values or NaN")
    return x
