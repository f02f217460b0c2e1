"""Activations, as nodes."""

from __future__ import annotations

from typing import Any

from unrolled.onnx.builder import Builder

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softsign": ("Softsign", {}),
    "softplus": ("Softplus", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
}


def activate(builder: Builder, activation: str, x: str, name: str) -> str:
    """An activation of `LSTMCell` or of a dense layer, of x."""
    if activation == "identity":
        return x
    if activation == "relu6":
        return builder.add("Clip", x, builder.weight("zero", 0), builder.weight("six", 6), name=name)
    operator, attributes = OPERATORS[activation]
    return builder.add(operator, x, name=name, **attributes)
