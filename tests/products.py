"""Other CPUs' products of matrices, imitated: each library adds up in an order of its own.

UNROLLED_TEST_PRODUCTS says how torch multiplies float32 in the tests: "exact", rounded once, better than any
CPU does; or "reordered", in another order of summation. `make test_capped` uses both.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
from torch import Tensor

VARIABLE = "UNROLLED_TEST_PRODUCTS"


def _exact(a: Tensor, b: Tensor) -> Tensor:
    return torch.bmm(a.double()[None], b.double()[None])[0].to(a.dtype)


def _reordered(a: Tensor, b: Tensor) -> Tensor:
    order = torch.arange(a.shape[1]).flip(0)
    return torch.bmm(a[:, order][None], b[order][None])[0]


_KINDS = {"exact": _exact, "reordered": _reordered}
_LIBRARY = torch.library.Library("aten", "IMPL")  # bmm stays torch's: it is what the others are made of


def imitate() -> None:
    """Multiply as VARIABLE says, if it says anything, from now on."""
    kind = os.environ.get(VARIABLE)
    if not kind:
        return
    product = _KINDS[kind]

    # What torch refuses is refused in its words, and none of this is anybody's to compile.
    @torch.compiler.disable
    def mm(a: Tensor, b: Tensor) -> Tensor:
        if a.shape[1] != b.shape[0]:
            shapes = " and ".join("x".join(map(str, matrix.shape)) for matrix in (a, b))
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")
        if a.dtype == b.dtype == torch.float32:
            return product(a, b)
        return torch.bmm(a[None], b[None])[0]

    @torch.compiler.disable
    def addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        result = alpha * mm(a, b)
        return result + beta * bias.expand_as(result) if beta else result

    torch.backends.mkldnn.set_flags(False)  # it has an LSTM of its own, with products of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that these are overridden is the point
        _LIBRARY.impl("mm", mm, "CPU")
        _LIBRARY.impl("addmm", addmm, "CPU")
