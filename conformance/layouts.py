"""How an input lies in memory, for peers that take NumPy's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def laid_out(x: np.ndarray[Any, Any], layout: str) -> np.ndarray[Any, Any]:
    """x as a view of the kind that is asked for, with its numbers; [T, N, I] for "time major"."""
    if layout == "time major":
        return x.swapaxes(0, 1)
    if layout == "transposed":
        return np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    if layout == "strided":
        longer = np.full((x.shape[0], 2 * x.shape[1], x.shape[2]), 7, x.dtype)
        longer[:, ::2] = x
        return longer[:, ::2]
    if layout == "broadcast":
        return np.broadcast_to(x[:1], x.shape)
    return x
