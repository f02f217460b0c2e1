"""Derivatives of NumPy expressions, by reverse accumulation; of derivatives, too.

A `Value` knows of which values it was computed, and how a cotangent of its own becomes one of each of theirs.
Cotangents are values again, so that `gradients` of `gradients` are second derivatives.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pull = Callable[["Value"], "Value"]


class Value:
    """A float64 array, and where it came from."""

    def __init__(self, data: Any, sources: Sequence[tuple[Value, Pull]] = ()) -> None:
        self.data: Array = np.asarray(data, dtype=np.float64)
        self.sources = tuple(sources)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __add__(self, other: Value | float) -> Value:
        b = as_value(other)
        return Value(
            self.data + b.data,
            [(self, lambda g: sum_to(g, self.shape)), (b, lambda g: sum_to(g, b.shape))],
        )

    def __mul__(self, other: Value | float) -> Value:
        b = as_value(other)
        return Value(
            self.data * b.data,
            [(self, lambda g: sum_to(g * b, self.shape)), (b, lambda g: sum_to(g * self, b.shape))],
        )

    def __sub__(self, other: Value | float) -> Value:
        return self + as_value(other) * -1.0

    def __rsub__(self, other: float) -> Value:
        return as_value(other) - self

    __radd__ = __add__
    __rmul__ = __mul__

    def __matmul__(self, x: Value) -> Value:
        """The product of a matrix [A, B] and a matrix [B, C]."""
        return Value(self.data @ x.data, [(self, lambda g: g @ x.T), (x, lambda g: self.T @ g)])

    def __getitem__(self, index: Any) -> Value:
        return Value(self.data[index], [(self, lambda g: scatter(g, index, self.shape))])

    @property
    def T(self) -> Value:  # noqa: N802
        return Value(self.data.T, [(self, lambda g: g.T)])


def as_value(x: Value | float | Array) -> Value:
    return x if isinstance(x, Value) else Value(x)


def sum_to(x: Value, shape: tuple[int, ...]) -> Value:
    """The sum over the axes along which `shape` was repeated."""
    if x.shape == shape:
        return x
    data = x.data.sum(axis=tuple(range(x.data.ndim - len(shape))))
    ones = tuple(axis for axis, size in enumerate(shape) if size == 1 and data.shape[axis] != 1)
    return Value(data.sum(axis=ones, keepdims=True), [(x, lambda g: repeat(g, x.shape))])


def repeat(x: Value, shape: tuple[int, ...]) -> Value:
    return Value(np.broadcast_to(x.data, shape), [(x, lambda g: sum_to(g, x.shape))])


def scatter(x: Value, index: Any, shape: tuple[int, ...]) -> Value:
    """Zeros, with x at `index`."""
    data = np.zeros(shape)
    data[index] = x.data
    return Value(data, [(x, lambda g: g[index])])


def reshape(x: Value, shape: tuple[int, ...]) -> Value:
    return Value(x.data.reshape(shape), [(x, lambda g: reshape(g, x.shape))])


def join(parts: Sequence[Value], axis: int) -> Value:
    """Arrays beside one another along an axis."""
    ends = np.cumsum([part.shape[axis] for part in parts])
    sources: list[tuple[Value, Pull]] = []
    for part, end in zip(parts, ends, strict=True):
        index = (slice(None),) * axis + (slice(int(end) - part.shape[axis], int(end)),)
        sources.append((part, operator.itemgetter(index)))
    return Value(np.concatenate([part.data for part in parts], axis=axis), sources)


def pile(parts: Sequence[Value], axis: int = 0) -> Value:
    """Arrays on top of one another along a new axis."""
    return join([reshape(p, (*p.shape[:axis], 1, *p.shape[axis:])) for p in parts], axis)


def total(x: Value) -> Value:
    return sum_to(x, ())


def sigmoid(x: Value) -> Value:
    y = Value(0.5 * (np.tanh(0.5 * x.data) + 1.0))
    y.sources = ((x, lambda g: g * y * (1.0 - y)),)
    return y


def tanh(x: Value) -> Value:
    y = Value(np.tanh(x.data))
    y.sources = ((x, lambda g: g * (1.0 - y * y)),)
    return y


def relu(x: Value) -> Value:
    passes = (x.data > 0).astype(np.float64)
    return Value(np.maximum(x.data, 0.0), [(x, lambda g: g * Value(passes))])


def clip(x: Value, bound: float) -> Value:
    """x within [-bound, bound]; no gradient passes where it was outside."""
    passes = (np.abs(x.data) <= bound).astype(np.float64)
    return Value(np.clip(x.data, -bound, bound), [(x, lambda g: g * Value(passes))])


def gradients(y: Value, leaves: Sequence[Value]) -> list[Value]:
    """dy/dx for a number y and each leaf x: zeros where y does not depend on it."""
    cotangents: dict[int, Value] = {id(y): Value(1.0)}
    for value in reversed(_in_order(y)):
        g = cotangents.get(id(value))
        if g is None:
            continue
        for source, pull in value.sources:
            part = pull(g)
            known = cotangents.get(id(source))
            cotangents[id(source)] = part if known is None else known + part
    return [cotangents.get(id(leaf), Value(np.zeros(leaf.shape))) for leaf in leaves]


def _in_order(y: Value) -> list[Value]:
    """Every value that y was computed of, each after its sources; without recursion, for long sequences."""
    order: list[Value] = []
    seen: set[int] = set()
    todo: list[tuple[Value, bool]] = [(y, False)]
    while todo:
        value, done = todo.pop()
        if done:
            order.append(value)
        elif id(value) not in seen:
            seen.add(id(value))
            todo.append((value, True))
            todo.extend((source, False) for source, _ in value.sources)
    return order
