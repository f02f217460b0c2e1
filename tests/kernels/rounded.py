"""The judge of kernels that multiply bfloat16 parts: the reference, which rounds in the same places.

A sum that lies close to the middle between two bfloat16 numbers is rounded to the one here and to the other
there, as sums are formed in another order. That happens to one number of some ten thousand, which then
differs by a bfloat16's last bit, and all that it goes into a little. So no number may differ by more than
such roundings do, and on the mean they must be far nearer to these products than those are to the products of
one more part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.kernels.layers import NORMS, as_leaves, everything
from unrolled.kernels import reference
from unrolled.kernels.native_call import Layer

FARTHEST = {1: 3e-2, 2: 3e-4, 3: 5e-6}  # of any number, relative to its tensor's scale
NOISE = 6e-7  # what sums in float32 differ by, on the mean
SHARE = 0.3  # of the distance to the products of one more part


def assert_multiplies_parts(unroll: Any, layer: Layer, parts: int) -> None:
    """Compare results and gradients in float32 with the reference's products of as many parts."""
    short = as_leaves(layer, torch.float32)._replace(parts=parts)
    expected, actual = everything(reference.unroll, short), everything(unroll, short)
    finer = everything(reference.unroll, short._replace(parts=parts + 1))
    wider = 15 if layer.kind in NORMS else 1  # a norm divides by how much a row varies
    assert len(actual) == len(expected)
    for place, (a, e, f) in enumerate(zip(actual, expected, finer, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == torch.float32
        if not e.numel():
            continue
        apart, other = _apart(a, e), _apart(f, e)
        what = f"tensor {place} of shape {list(e.shape)} is {float(apart.max()):.1e} away"
        assert float(apart.max()) <= FARTHEST[parts] * wider, what
        allowed = SHARE * float(other.mean()) + NOISE * wider
        assert float(apart.mean()) <= allowed, (
            f"{what}, on the mean {float(apart.mean()):.1e}, not {allowed:.1e}"
        )


def _apart(a: Tensor, e: Tensor) -> Tensor:
    """How far each number is away, relative to the scale of what was expected, or to 1."""
    scale = max(1.0, float(e.detach().abs().max()))
    return (a.detach().double() - e.detach().double()).abs().flatten() / scale
