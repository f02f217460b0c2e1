"""Steps of TensorFlow's optimizers, as nodes of a graph take them: `graph.run("train_op", feeds)` trains.

Symbols: w the variable, g its gradient; the other letters are variables that the optimizer keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.indexing import checked
from unrolled.tf1.graphs.ops.variables import Variable, referred
from unrolled.tf1.graphs.registry import stateful
from unrolled.tf1.graphs.run import Run

Tensors: TypeAlias = tuple[Tensor, ...]


def gradient_descent(node: Node, kept: Tensors, rate: Tensor, g: Tensor) -> Tensors:
    """w ← w - α g"""
    (w,) = kept
    return (w - rate * g,)


def momentum(node: Node, kept: Tensors, rate: Tensor, g: Tensor, decay: Tensor) -> Tensors:
    """a ← β a + g;   w ← w - α a, or with Nesterov's look ahead w - α (g + β a)"""
    w, a = kept
    a = decay * a + g
    return w - rate * (g + decay * a if node.flag("use_nesterov") else a), a


def adam(
    node: Node, kept: Tensors, power1: Tensor, power2: Tensor, rate: Tensor, decay1: Tensor, decay2: Tensor,
    epsilon: Tensor, g: Tensor,
) -> Tensors:  # fmt: skip
    """m ← β₁ m + (1 - β₁) g;   v ← β₂ v + (1 - β₂) g²;   w ← w - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) m / (√v + ε)"""
    w, m, v = kept
    m, v = m + (g - m) * (1 - decay1), v + (g * g - v) * (1 - decay2)
    ahead = m * decay1 + g * (1 - decay1) if node.flag("use_nesterov") else m
    return w - rate * torch.sqrt(1 - power2) / (1 - power1) * ahead / (torch.sqrt(v) + epsilon), m, v


def rms_prop(
    node: Node, kept: Tensors, rate: Tensor, decay: Tensor, momentum: Tensor, epsilon: Tensor, g: Tensor
) -> Tensors:
    """v ← ρ v + (1 - ρ) g²;   a ← β a + α g / √(v + ε);   w ← w - a"""
    w, v, a = kept
    v = v + (g * g - v) * (1 - decay)
    a = momentum * a + rate * g * torch.rsqrt(v + epsilon)
    return w - a, v, a


def centered_rms_prop(
    node: Node, kept: Tensors, rate: Tensor, decay: Tensor, momentum: Tensor, epsilon: Tensor, g: Tensor
) -> Tensors:
    """As RMSProp, with v - m² in the place of v; m ← ρ m + (1 - ρ) g"""
    w, m, v, a = kept
    v, m = v + (g * g - v) * (1 - decay), m + (g - m) * (1 - decay)
    a = momentum * a + rate * g * torch.rsqrt(v - m * m + epsilon)
    return w - a, m, v, a


def adagrad(node: Node, kept: Tensors, rate: Tensor, g: Tensor) -> Tensors:
    """v ← v + g²;   w ← w - α g / √v"""
    w, v = kept
    v = v + g * g if node.flag("update_slots", True) else v
    return w - rate * g * torch.rsqrt(v), v


def adadelta(node: Node, kept: Tensors, rate: Tensor, decay: Tensor, epsilon: Tensor, g: Tensor) -> Tensors:
    """v ← ρ v + (1 - ρ) g²;   d = √(u + ε) / √(v + ε) g;   u ← ρ u + (1 - ρ) d²;   w ← w - α d"""
    w, v, u = kept
    v = v * decay + g * g * (1 - decay)
    d = torch.sqrt(u + epsilon) * torch.rsqrt(v + epsilon) * g
    return w - rate * d, v, u * decay + d * d * (1 - decay)


def ftrl(
    node: Node, kept: Tensors, g: Tensor, rate: Tensor, l1: Tensor, l2: Tensor, power: Tensor
) -> Tensors:
    """n = v + g²;   z ← z + g - (n^-p - v^-p) / α w;   v ← n

    w ← (l₁ sign(z) - z) / (n^-p / α + 2 l₂), and 0 where |z| <= l₁
    """
    w, v, z = kept
    n = v + g * g
    z = z + g - (n**-power - v**-power) / rate * w
    found = (l1 * torch.sign(z) - z) / (n**-power / rate + 2 * l2)
    return torch.where(torch.abs(z) > l1, found, torch.zeros((), dtype=w.dtype)), n, z


class Rule(NamedTuple):
    """One step.

    Attributes:
        step: takes the node, the values of the variables that are kept, w first, and what else comes in.
        kept: how many variables there are.
        gradient: which of the inputs that follow them is the gradient.
    """

    step: Callable[..., Tensors]
    kept: int
    gradient: int


RULES = {
    "GradientDescent": Rule(gradient_descent, 1, 1),
    "Momentum": Rule(momentum, 2, 1),
    "Adam": Rule(adam, 3, 6),
    "RMSProp": Rule(rms_prop, 3, 4),
    "CenteredRMSProp": Rule(centered_rms_prop, 4, 4),
    "Adagrad": Rule(adagrad, 2, 1),
    "Adadelta": Rule(adadelta, 3, 3),
    "Ftrl": Rule(ftrl, 3, 0),
}


def _applied(rule: Rule, *, sparse: bool = False) -> Callable[..., Variable]:
    """A rule as an operator; of a sparse one the rows that have a gradient take the step, the others stay."""

    def step(run: Run, node: Node, *inputs: Any) -> Variable:
        names = [referred(variable) for variable in inputs[: rule.kept]]
        whole = [run.changes.read(name) for name in names]
        given = [run.read(value) for value in inputs[rule.kept :]]
        rows = checked(given.pop(rule.gradient + 1), whole[0].shape[0]) if sparse else None
        kept = tuple(whole) if rows is None else tuple(value[rows] for value in whole)
        for name, value, new in zip(names, whole, rule.step(node, kept, *given), strict=True):
            run.changes.assign(name, new if rows is None else value.index_put((rows,), new))
        variable: Variable = inputs[0]
        return variable

    return step


for _name, _rule in RULES.items():
    stateful(f"Apply{_name}", f"ResourceApply{_name}")(_applied(_rule))
    if _name not in ("GradientDescent", "Adam"):  # TensorFlow has no such operators
        stateful(f"SparseApply{_name}", f"ResourceSparseApply{_name}")(_applied(_rule, sparse=True))
