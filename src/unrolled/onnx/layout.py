"""How the standard's LSTM, GRU and RNN lay out their weights, beside torch's layout, which is this package's.

    operator   torch's gates    the standard's
    LSTM       i, f, g, o       i, o, f, g      (there g is called c)
    GRU        r, z, n          z, r, n         (there n is called h)
    RNN        one              one

A weight has the rows of one gate after those of the other, H of each. B holds the input's biases and then the
recurrent ones, each of all gates; P holds the peepholes of i, o and f.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

TORCH = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}
STANDARD = {"LSTM": "iofg", "GRU": "zrn", "RNN": "h"}


def to_standard(operator: str, weight: Array) -> Array:
    """A weight [K H, ...] with its gates in the standard's order, from torch's.

    >>> to_standard("LSTM", np.array([1.0, 2.0, 3.0, 4.0])).tolist()
    [1.0, 4.0, 2.0, 3.0]
    """
    return _in_order(weight, TORCH[operator], STANDARD[operator])


def from_standard(operator: str, weight: Array) -> Array:
    """The inverse of `to_standard`.

    >>> from_standard("GRU", np.array([1.0, 2.0, 3.0])).tolist()
    [2.0, 1.0, 3.0]
    """
    return _in_order(weight, STANDARD[operator], TORCH[operator])


def join_biases(operator: str, bias_ih: Array, bias_hh: Array) -> Array:
    """B [2 K H] of one direction from torch's two biases [K H]."""
    return np.concatenate([to_standard(operator, bias_ih), to_standard(operator, bias_hh)])


def split_biases(operator: str, B: Array) -> tuple[Array, Array]:
    """The inverse of `join_biases`."""
    bias_ih, bias_hh = np.split(B, 2)
    return from_standard(operator, bias_ih), from_standard(operator, bias_hh)


def join_peepholes(weight_ci: Array, weight_cf: Array, weight_co: Array) -> Array:
    """P [3 H] of one direction."""
    return np.concatenate([weight_ci, weight_co, weight_cf])


def split_peepholes(P: Array) -> tuple[Array, Array, Array]:
    """The inverse of `join_peepholes`: weight_ci, weight_cf, weight_co."""
    weight_ci, weight_co, weight_cf = np.split(P, 3)
    return weight_ci, weight_cf, weight_co


def _in_order(weight: Array, given: str, wanted: str) -> Array:
    gates = dict(zip(given, np.split(weight, len(given)), strict=True))
    return np.concatenate([gates[gate] for gate in wanted])
