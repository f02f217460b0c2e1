"""Products of numbers that are first cut into bfloat16 parts, differentiable any number of times."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LARGEST = torch.finfo(torch.bfloat16).max


def split(x: Tensor, parts: int) -> list[Tensor]:
    """The numbers as a sum of bfloat16 numbers, the largest first, in the dtype of x.

        p_0 = bf16(x),  p_1 = bf16(x - p_0),  p_2 = bf16(x - p_0 - p_1)

    Each is rounded to the nearest, and of two that are as near to the one whose last bit is 0. Three parts
    are a float32 whole. Where there are more than one, an infinity counts as the largest bfloat16: times a
    part that is 0 or has the other sign it would give NaN.

    >>> [part.item() for part in split(torch.tensor(1.01), 2)]
    [1.0078125, 0.0021820068359375]
    """
    if parts > 1:
        x = x.clamp(-LARGEST, LARGEST)
    found = []
    for _ in range(parts):
        found.append(x.to(torch.bfloat16).to(x.dtype))
        x = x - found[-1]
    return found


def product(x: Tensor, W: Tensor, parts: int) -> Tensor:
    r"""X Wᵀ of numbers that are each a sum of so many bfloat16 parts; small times small is left out.

        y = Σ_{i + j < parts} x_i W_jᵀ

    One part: one product; two: three products; three: six. So are the products of its gradients, with dy cut
    in the same way: dx = dy W, dW = dyᵀ x. What is added up is in the dtype of x.

    Symbols: x [N, K]; W [M, K]; y [N, M].

    >>> product(torch.tensor([[1.01]]), torch.tensor([[1.0]]), 1).item()
    1.0078125
    """
    found: Tensor = _Product.apply(x, W, parts)  # type: ignore[no-untyped-call]
    return found


class _Product(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, W: Tensor, parts: int) -> Tensor:
        xs, Ws = split(x, parts), split(W, parts)
        # The smallest first: they would be lost beside a large sum.
        pairs = [(i, total - i) for total in reversed(range(parts)) for i in range(total + 1)]
        return sum((xs[i] @ Ws[j].t() for i, j in pairs[1:]), xs[pairs[0][0]] @ Ws[pairs[0][1]].t())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, W, ctx.parts = inputs
        ctx.save_for_backward(x, W)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, W = ctx.saved_tensors
        wants_x, wants_W, _ = ctx.needs_input_grad
        return (
            product(d_y, W.t(), ctx.parts) if wants_x else None,
            product(d_y.t(), x.t(), ctx.parts) if wants_W else None,
            None,
        )
