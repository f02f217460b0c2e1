"""Layers with random weights for the kernel tests, and all that they give: results and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.native_call import KINDS, Layer

# Relative to the largest number of the expected tensor, or to 1 where that is smaller.
TOLERANCES = {torch.float64: 1e-13, torch.float32: 2e-6}

GATES = dict(zip(KINDS, (4, 3, 3, 1, 1), strict=True))


def make_layer(
    kind: str,
    batch: int,
    time: int,
    width: int,
    hidden: int,
    *,
    lengths: Any = None,
    bias: bool = True,
    states: bool = False,
    reverse: bool = False,
    batch_first: bool = True,
    seed: int = 0,
) -> Layer:
    """A layer in float64 whose weights are large enough for every gate to move."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    rows = GATES[kind] * hidden
    return Layer(
        kind,
        normal(batch, time, width) if batch_first else normal(time, batch, width),
        normal(rows, width, scale=width**-0.5),
        normal(rows, hidden, scale=0.7 * hidden**-0.5),
        normal(rows, scale=0.3) if bias else None,
        normal(rows, scale=0.3) if bias else None,
        None if lengths is None else torch.as_tensor(lengths, dtype=torch.int64),
        normal(batch, hidden) if states else None,
        normal(batch, hidden) if states and kind == "lstm" else None,
        1.0 if kind == "lstm" else 0.0,
        reverse,
        batch_first,
    )


def as_leaves(layer: Layer, dtype: torch.dtype, *, wants_x: bool = True) -> Layer:
    """The layer in `dtype`, with inputs that take gradients."""

    def leaf(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        return value.detach().to(dtype).requires_grad_(wants_x or name != "x")

    return Layer(*(leaf(name, value) for name, value in layer._asdict().items()))


def everything(unroll: Any, layer: Layer) -> list[Tensor]:
    """Results and the gradients of all inputs, for one random gradient of the results."""
    results = [result for result in unroll(layer)[:4] if result.dim() > 1]
    generator = torch.Generator().manual_seed(99)
    incoming = [
        torch.randn(result.shape, generator=generator, dtype=torch.float64).to(result.dtype)
        for result in results
    ]
    inputs = [value for value in layer if isinstance(value, Tensor) and value.requires_grad]
    return [*results, *torch.autograd.grad(results, inputs, incoming, allow_unused=True)]


def assert_near(actual: list[Tensor], expected: list[Tensor], dtype: torch.dtype) -> None:
    """Compare with results in float64, relative to the scale of each."""
    assert len(actual) == len(expected)
    for place, (a, e) in enumerate(zip(actual, expected, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == dtype
        if e.numel() == 0:
            continue
        error = float((a.detach().double() - e.detach()).abs().max()) / max(
            1.0, float(e.detach().abs().max())
        )
        assert error <= TOLERANCES[dtype], f"tensor {place} of shape {list(e.shape)} is {error:.1e} away"
