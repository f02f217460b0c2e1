"""TensorFlow 1's Adam and RMSProp, whose updates are not those of torch.optim."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, ParamsT

from unrolled.tf1.holder import VariableHolder


class VariableOptimizer(Optimizer):
    """An optimizer that takes cells, layers and scopes beside parameters, built or not.

    TensorFlow 1's optimizers came after the graph, in which each cell had its variables. Here one may be
    made before the first call; the parameters that its cells make then are added at the next step.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        listed: list[Any] = [params] if isinstance(params, nn.Module) else list(params)
        self._modules = [part for part in listed if isinstance(part, nn.Module)]
        others = [part for part in listed if not isinstance(part, nn.Module)]
        if self._modules and any(isinstance(part, dict) for part in others):
            raise TypeError(
                f"{type(self).__name__}: cells and groups of parameters, expected one or the other"
            )
        super().__init__([{"params": others}] if self._modules else listed, defaults)
        self._gather()

    def _gather(self) -> None:
        """Add the parameters that have been made since."""
        if not self._modules:
            return
        group = self.param_groups[0]["params"]
        known = {id(parameter) for parameter in group}
        for module in self._modules:
            for _, parameter in module.named_parameters():
                if id(parameter) not in known:
                    known.add(id(parameter))
                    group.append(parameter)
        parts = [part for module in self._modules for part in module.modules()]
        if all(part.built for part in parts if isinstance(part, VariableHolder)):
            self._modules = []

    def state_dict(self) -> dict[str, Any]:
        self._gather()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._gather()
        super().load_state_dict(state_dict)


class Adam(VariableOptimizer):
    r"""Adam as `tf.train.AdamOptimizer` computes it.

        m = β1 m + (1 - β1) g;   v = β2 v + (1 - β2) g²
        w = w - lr √(1 - β2^t) / (1 - β1^t) * m / (√v + ε)

    Symbols: g the gradient of w; m, v from 0; t = 1, 2, ... the step.

    ε is the paper's "epsilon hat": it stands beside √v, not beside the corrected √(v / (1 - β2^t)) as in
    `torch.optim.Adam`, where the first steps on small gradients are larger.

    Args:
        params: the parameters, or groups of them; or a list of parameters, cells and other modules.
        learning_rate: the learning rate; torch's name for it, lr, is taken, too.
        beta1, beta2: the decays of m and v.
        epsilon: ε.
        use_locking, name: taken for TensorFlow's sake.

    >>> w = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = Adam([w], lr=0.1)
    >>> w.square().sum().backward(); optimizer.step()
    >>> round(w.item(), 4)
    0.9

    Reference: Kingma and Ba 2014, arXiv:1412.6980, the end of section 2.
    """

    def __init__(
        self,
        params: ParamsT | nn.Module | Iterable[Tensor | nn.Module],
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
        *,
        lr: float | None = None,
    ) -> None:
        lr = _rate("Adam", learning_rate, lr, 0.001)
        _check("Adam", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon)
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient."""
        loss = _loss(closure)
        self._gather()
        for group in self.param_groups:
            beta1, beta2 = group["beta1"], group["beta2"]
            for w, g in _with_gradients(group):
                state = self.state[w]
                if not state:
                    state |= {"step": 0, "m": torch.zeros_like(w), "v": torch.zeros_like(w)}
                state["step"] += 1
                state["m"].lerp_(g, 1 - beta1)
                state["v"].lerp_(g * g, 1 - beta2)
                rate = group["lr"] * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                w.addcdiv_(state["m"], state["v"].sqrt().add_(group["epsilon"]), value=-rate)
        return loss


class RMSProp(VariableOptimizer):
    r"""RMSProp as `tf.train.RMSPropOptimizer` computes it.

        s = ρ s + (1 - ρ) g²
        u = μ u + lr * g / √(s + ε)
        w = w - u

    Symbols: g the gradient of w; s from 1, u from 0. When centered, a = ρ a + (1 - ρ) g, from 0, and s - a²
    stands in the place of s in the root.

    In `torch.optim.RMSprop` s starts from 0, ε stands outside of the root and lr outside of u: its first
    steps can be thousands of times larger.

    Args:
        params: the parameters, or groups of them; or a list of parameters, cells and other modules.
        learning_rate: the learning rate; torch's name for it, lr, is taken, too.
        decay: ρ.
        momentum: μ.
        epsilon: ε.
        use_locking, name: taken for TensorFlow's sake.
        centered: whether the mean of the gradient is taken off.

    >>> w = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = RMSProp([w], lr=0.1)
    >>> w.square().sum().backward(); optimizer.step()
    >>> round(w.item(), 4)  # 1 - 0.1 * 2 / √(0.9 + 0.1 * 4)
    0.8246

    Reference: Tieleman and Hinton 2012, COURSERA: Neural networks for machine learning, lecture 6.5.
    """

    def __init__(
        self,
        params: ParamsT | nn.Module | Iterable[Tensor | nn.Module],
        learning_rate: float | None = None,
        decay: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
        *,
        lr: float | None = None,
    ) -> None:
        lr = _rate("RMSProp", learning_rate, lr, None)
        _check("RMSProp", lr=lr, decay=decay, momentum=momentum, epsilon=epsilon)
        defaults = {"lr": lr, "decay": decay, "momentum": momentum, "epsilon": epsilon, "centered": centered}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient."""
        loss = _loss(closure)
        self._gather()
        for group in self.param_groups:
            rest = 1 - group["decay"]
            for w, g in _with_gradients(group):
                state = self.state[w]
                if not state:
                    state |= {"ms": torch.ones_like(w), "momentum": torch.zeros_like(w)}
                    if group["centered"]:
                        state["mg"] = torch.zeros_like(w)
                under = state["ms"].lerp_(g * g, rest)
                if group["centered"]:
                    mean = state["mg"].lerp_(g, rest)
                    under = under - mean * mean
                root = (under + group["epsilon"]).sqrt_()
                update = state["momentum"].mul_(group["momentum"]).addcdiv_(g, root, value=group["lr"])
                w.sub_(update)
        return loss


def _rate(name: str, learning_rate: float | None, lr: float | None, default: float | None) -> float:
    """The learning rate, whichever of its two names it was given by."""
    if learning_rate is not None and lr is not None:
        raise ValueError(f"{name}: learning_rate is {learning_rate!r} and lr is {lr!r}: give one of them")
    rate = default if learning_rate is None and lr is None else lr if learning_rate is None else learning_rate
    if rate is None:
        raise TypeError(f"{name}: learning_rate is missing")
    return rate


def _check(name: str, lr: float, epsilon: float, **shares: float) -> None:
    if not lr >= 0:
        raise ValueError(f"{name}: lr is {lr!r}, expected a number of at least 0")
    if not epsilon >= 0:
        raise ValueError(f"{name}: epsilon is {epsilon!r}, expected a number of at least 0")
    for share, value in shares.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: {share} is {value!r}, expected a number from 0 to below 1")


def _loss(closure: Callable[[], Any] | None) -> Any:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def _with_gradients(group: dict[str, Any]) -> list[tuple[Tensor, Tensor]]:
    return [(w, w.grad) for w in group["params"] if w.grad is not None]
