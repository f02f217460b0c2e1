"""How many floating-point operations the operators do, for torch.utils.flop_counter.

As torch counts: two for each multiplication and addition of a matrix product, and none for the rest. With
lengths it is the padded batch that counts.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

from unrolled.kernels.native_call import Layer

_LAYER_INPUTS = len(Layer._fields)


def of_forward(layer: Layer) -> int:
    """W x, U h and, with a projection, R h of every step.

    Args:
        layer: the layer, with shapes in place of its tensors.
    """
    return _of_inputs(layer) + _of_states(layer)


def of_backward(layer: Layer, wants_x: bool) -> int:
    """For each product of forward, its matrix's gradient and its vector's."""
    return _of_inputs(layer) * (2 if wants_x else 1) + _of_states(layer) * 2


def _of_inputs(layer: Layer) -> int:
    return 2 * _steps(layer) * math.prod(layer.weight_ih)


def _of_states(layer: Layer) -> int:
    projection = 0 if layer.weight_hr is None else math.prod(layer.weight_hr)
    return 2 * _steps(layer) * (math.prod(layer.weight_hh) + projection)


def _steps(layer: Layer) -> int:
    return math.prod(layer.x[:2])


def register() -> None:
    """Have torch count the operators, which are defined."""

    @register_flop_formula(torch.ops.unrolled.unroll)
    def unroll(*shapes: Any, out_shape: Any = None) -> int:
        return of_forward(Layer(*shapes[:_LAYER_INPUTS]))

    @register_flop_formula(torch.ops.unrolled.unroll_backward)
    def unroll_backward(*shapes: Any, out_shape: Any = None) -> int:
        layer = Layer(*shapes[:_LAYER_INPUTS])
        recomputes = shapes[_LAYER_INPUTS] is not None  # from the outputs, else from all that forward kept
        return of_backward(layer, shapes[-1]) + (of_forward(layer) if recomputes else 0)
