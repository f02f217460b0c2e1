"""The judge of kernels that multiply bfloat16 parts: the reference, which rounds in the same places.

A sum that lies close to the middle between two bfloat16 numbers is rounded to the one here and to the other
there, as sums are formed in another order. That happens to one number of some ten thousand, which then
differs by a bfloat16's last bit, and all that it goes into a little: so most numbers must agree as well as
float32 does, and none may differ by more than such roundings do.
"""

from __future__ import annotations

from typing import Any

import torch

from tests.kernels.layers import NORMS, as_leaves, everything
from unrolled.kernels import reference
from unrolled.kernels.native_call import Layer

MOST = {1: 2e-5, 2: 2e-6, 3: 2e-6}  # of nine numbers in ten, relative to the tensor's scale
NONE = {1: 3e-2, 2: 3e-4, 3: 5e-6}  # of any


def assert_multiplies_parts(unroll: Any, layer: Layer, parts: int) -> None:
    """Compare results and gradients in float32 with the reference's products of as many parts."""
    short = as_leaves(layer, torch.float32)._replace(parts=parts)
    expected, actual = everything(reference.unroll, short), everything(unroll, short)
    wider = 10 if layer.kind in NORMS else 1  # a norm divides by how much a row varies
    assert len(actual) == len(expected)
    for place, (a, e) in enumerate(zip(actual, expected, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == torch.float32
        if not e.numel():
            continue
        scale = max(1.0, float(e.detach().abs().max()))
        apart = (a.detach().double() - e.detach().double()).abs().flatten() / scale
        what = f"tensor {place} of shape {list(e.shape)} is {float(apart.max()):.1e} away"
        assert float(apart.max()) <= NONE[parts] * wider, what
        most = float(apart.sort().values[int(0.9 * (len(apart) - 1))])
        assert most <= MOST[parts] * wider, f"{what}, and most of it {most:.1e}"
