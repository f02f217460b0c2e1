"""Element by element: arithmetic, comparisons, activations, types."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.onnx.registry import Node, operator
from unrolled.onnx.tensors import torch_type

# A node of no attributes is torch's function of the same inputs.
PLAIN = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Pow": lambda x, y: torch.pow(x, y).to(x.dtype),
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Sqrt": torch.sqrt,
    "Exp": torch.exp,
    "Log": torch.log,
    "Reciprocal": torch.reciprocal,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Sign": torch.sign,
    "Erf": torch.erf,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Relu": torch.relu,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "IsNaN": torch.isnan,
    "Equal": torch.eq,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "Not": torch.logical_not,
    "Where": torch.where,
    "Identity": lambda x: x,
}
for _name, _function in PLAIN.items():
    operator(_name)(lambda node, *inputs, function=_function: function(*inputs))


@operator("Div")
def divide(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "trunc")


@operator("Mod")
def modulo(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return torch.fmod(x, y) if node.get("fmod", 0) else torch.remainder(x, y)


@operator("Min")
def least(node: Node, *inputs: Tensor) -> Tensor:
    return reduce(torch.minimum, inputs)


@operator("Max")
def most(node: Node, *inputs: Tensor) -> Tensor:
    return reduce(torch.maximum, inputs)


@operator("Sum")
def total(node: Node, *inputs: Tensor) -> Tensor:
    return reduce(torch.add, inputs)


@operator("Clip")
def clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    for name, bound, nearer in (("min", low, torch.maximum), ("max", high, torch.minimum)):
        limit = bound if bound is not None else node.get(name)  # before opset 11 an attribute
        if limit is not None:
            x = nearer(x, torch.as_tensor(limit, dtype=x.dtype))
    return x


@operator("LeakyRelu")
def leaky_relu(node: Node, x: Tensor) -> Tensor:
    return F.leaky_relu(x, node.get("alpha", 0.01))


@operator("Elu")
def elu(node: Node, x: Tensor) -> Tensor:
    return F.elu(x, node.get("alpha", 1.0))


@operator("Selu")
def selu(node: Node, x: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", 1.6732631921768188), node.get("gamma", 1.0507010221481323)
    y: Tensor = torch.where(x > 0, x, alpha * torch.expm1(x)) * gamma
    return y


@operator("HardSigmoid")
def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    y: Tensor = (node.get("alpha", 0.2) * x + node.get("beta", 0.5)).clamp(0, 1)
    return y


@operator("Gelu")
def gelu(node: Node, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=node.get("approximate", "none"))


@operator("PRelu")
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, x * slope, x)


@operator("Softmax", "LogSoftmax")
def softmax(node: Node, x: Tensor) -> Tensor:
    function = torch.softmax if node.op == "Softmax" else torch.log_softmax
    if node.opset >= 13:
        return function(x, node.get("axis", -1))
    axis = node.get("axis", 1) % x.dim()  # all axes from this one on were one
    rows = x.reshape(*x.shape[:axis], -1)
    return function(rows, -1).reshape(x.shape)


@operator("Cast")
def cast(node: Node, x: Tensor) -> Tensor:
    return x.to(torch_type(node.get("to")))


@operator("CastLike")
def cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)


@operator("Dropout")
def dropout(node: Node, x: Tensor, *training: Any) -> tuple[Tensor, Tensor]:
    """Nothing is dropped: a model that is read is one that was trained."""
    return x, torch.ones_like(x, dtype=torch.bool)
