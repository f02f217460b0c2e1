"""The judge of kernels that multiply bfloat16 parts: the reference, which rounds in the same places.

A sum that lies close to the middle between two bfloat16 numbers is rounded to the one here and to the other
there, as sums are formed in another order; the number differs by its last bit, and all that it goes into a
little, from step to step. So the measure is what one part more would change: a result that is as it is
defined is far closer to its definition, summed in float64, than that.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.kernels.layers import NORMS, as_leaves, everything
from unrolled.kernels import reference
from unrolled.kernels.native_call import Layer

CLOSER = 0.4  # the most that may be left, of all results or all gradients, of what one part more changes
FLOAT32 = 5e-7  # relative to a tensor's scale: what float32 itself rounds away


def in_float64(layer: Layer) -> Layer:
    """The same numbers, and sums of their products in float64."""
    return Layer(
        *(
            value.detach().double().requires_grad_(value.requires_grad)
            if isinstance(value, Tensor) and value.is_floating_point()
            else value
            for value in layer
        )
    )


def mean_square(x: Tensor) -> float:
    return float(x.double().square().mean().sqrt())


def assert_multiplies_parts(unroll: Any, layer: Layer, parts: int) -> None:
    """Compare results and gradients in float32 with those of the reference of as many parts."""
    short = as_leaves(layer, torch.float32)._replace(parts=parts)
    exact = in_float64(short)
    more = exact._replace(parts=parts + 1 if parts < 3 else 0)
    expected, other = everything(reference.unroll, exact), everything(reference.unroll, more)
    actual = everything(unroll, short)
    assert len(actual) == len(expected)
    results = 4 if layer.kind.startswith("lstm") else 2
    apart_of, steps_of = [0.0, 0.0], [0.0, 0.0]
    for place, (a, e, o) in enumerate(zip(actual, expected, other, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == torch.float32
        if not e.numel():
            continue
        scale = max(1.0, float(e.detach().abs().max()))
        scale *= 200 if layer.kind in NORMS else 1  # a norm divides by how much a row varies
        apart, step = mean_square(a.detach() - e.detach()), mean_square(o.detach() - e.detach())
        assert apart <= max(step, 2 * FLOAT32 * scale), (
            f"tensor {place} of shape {list(e.shape)} is {apart:.1e} away from its definition, "
            f"and one part more would change it by {step:.1e}"
        )
        apart_of[place >= results] += max(0, apart / scale - FLOAT32)
        steps_of[place >= results] += step / scale
    for which, apart, step in zip(("results", "gradients"), apart_of, steps_of, strict=True):
        assert apart <= CLOSER * step, (
            f"the {which} are {apart:.1e} away from their definition, "
            f"and one part more would change them by {step:.1e}"
        )
