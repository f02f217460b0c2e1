"""What rounding does to a computation: how far two honest ways to compute the same numbers may lie apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import get_decompositions
from torch.utils._python_dispatch import TorchDispatchMode

UNIT = {torch.float64: 2.0**-53, torch.float32: 2.0**-24}  # the greatest relative error of one rounding
LUCK = 6  # times the estimate: of 1,300 layers, no error of the kernels or of torch was above 3.1 times it
RUNS = 3

_aten: Any = torch.ops.aten
_PRODUCTS = {_aten.mm.default: (0, 1), _aten.addmm.default: (1, 2)}
_SUMS = (_aten.sum.dim_IntList, _aten.sum.default)
_IN_PARTS = get_decompositions([_aten.native_layer_norm, _aten.native_layer_norm_backward])


class Rounding(TorchDispatchMode):
    """Computes in float64, and moves each result at random by as much as `unit` allows a rounding to.

    A sum of K terms a_k moves by unit √K √Σ a_k², whatever its value. So does each sum in a product of
    matrices, in whichever order a library forms it.

    Reference: Parker 1997, Monte Carlo arithmetic; Higham and Mary 2019, SIAM J. Sci. Comput. 41(5), for √K.
    """

    def __init__(self, unit: float, seed: int) -> None:
        super().__init__()
        self.unit = unit
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _IN_PARTS and args[0].numel():
            with self:
                return _IN_PARTS[func](*args, **kwargs)
        result = func(*args, **kwargs)
        if func.is_view:
            return result
        if func in _PRODUCTS:
            a, b = (args[place] for place in _PRODUCTS[func])
            return self._moved(result, math.sqrt(a.shape[1]) * ((a * a) @ (b * b)).sqrt())
        if func in _SUMS:
            terms = max(1, args[0].numel() // max(1, result.numel()))
            return self._moved(result, math.sqrt(terms) * func(args[0] ** 2, *args[1:], **kwargs).sqrt())
        if isinstance(result, Tensor):
            return self._moved(result, result)
        return type(result)(self._moved(part, part) for part in result)

    def _moved(self, result: Any, scale: Tensor) -> Any:
        if not isinstance(result, Tensor) or result.dtype != torch.float64:
            return result
        uniform = torch.rand(result.shape, generator=self.generator, dtype=result.dtype)
        return result + self.unit * (2 * uniform - 1) * scale


def moved_by_rounding(
    compute: Callable[[], Sequence[Tensor]],
    expected: Sequence[Tensor],
    distance: Callable[[Tensor, Tensor], float],
    dtype: torch.dtype,
) -> list[float]:
    """How far roundings as those of `dtype` may take each result of `compute` from what was expected.

    It depends on the problem and on the number format alone, and so is the same on each machine.

    Args:
        compute: the computation, in float64.
        expected: its results.
        distance: of a result from the expected one.
        dtype: whose roundings; the distance is taken for proportional to their unit.
    """
    greatest = [0.0] * len(expected)
    for seed in range(RUNS):
        with Rounding(UNIT[torch.float32], seed):
            moved = compute()
        greatest = [max(g, distance(m, e)) for g, m, e in zip(greatest, moved, expected, strict=True)]
    return [LUCK * g * UNIT[dtype] / UNIT[torch.float32] for g in greatest]
