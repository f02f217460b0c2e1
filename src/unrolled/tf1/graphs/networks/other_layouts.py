"""Cells whose variables lie otherwise than in TensorFlow 1's own: Keras' layers, and cuDNN's by its names.

Keras           kernel [I, K H], recurrent_kernel [H, K H] and bias [K H], the gates of an LSTM in the order
                i, f, g, o and of a GRU z, r, n; with bias [2, 3 H] the GRU resets after the product
cuDNN's LSTM    kernel and bias as everywhere; nothing is added inside the forget gate
cuDNN's GRU     resets after the product: candidate/input_projection and candidate/hidden_projection
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

RECURRENT = "recurrent_kernel"
CUDNN_LSTM = re.compile(r"(?:.*/)?cudnn_compatible_lstm_cell(?:_\d+)?")
DIRECTIONS = {"forward": "fw", "backward": "bw"}  # in the names of layers inside Keras' Bidirectional
KINDS = {4: "lstm", 3: "gru", 1: "rnn"}  # by how many gates there are

INPUT, HIDDEN = "candidate/input_projection", "candidate/hidden_projection"  # of a GRU that resets after


def join_keras(
    named: Mapping[str, ndarray], original: Mapping[str, str]
) -> tuple[dict[str, ndarray], dict[str, str], dict[str, str]]:
    """Put Keras' cells as TensorFlow 1's own would lie.

    Args:
        named: variables by their modern names.
        original: the checkpoint's names by those.

    Returns:
        Both anew, and the kind of each cell that was Keras' by its home.

    >>> a, b, c = np.zeros((2, 12)), np.zeros((3, 12)), np.zeros(12)
    >>> names = ["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"]
    >>> named, _, kinds = join_keras(dict(zip(names, (a, b, c))), dict(zip(names, names)))
    >>> {name: value.shape for name, value in named.items()}, kinds
    ({'lstm/kernel': (5, 12), 'lstm/bias': (12,)}, {'lstm': 'lstm'})
    """
    named, original, kinds = dict(named), dict(original), {}
    for name in [name for name in named if name.rpartition("/")[2] == RECURRENT]:
        home = name.rpartition("/")[0]
        parts = [named.get(f"{home}/{local}") for local in ("kernel", RECURRENT, "bias")]
        x, h, bias = parts
        if x is None or h is None or x.ndim != 2 or h.ndim != 2 or x.shape[1] != h.shape[1]:
            continue
        gates = h.shape[1] / h.shape[0] if h.shape[0] else 0
        wide = h.shape[1]
        if gates not in KINDS or (bias is not None and bias.shape not in ((wide,), (2, wide))):
            continue
        if bias is not None and bias.ndim == 2 and gates != 3:
            continue
        old = {
            local: original[f"{home}/{local}"] for local in ("kernel", "bias") if f"{home}/{local}" in named
        }
        for local in ("kernel", RECURRENT, "bias"):
            named.pop(f"{home}/{local}", None)
            original.pop(f"{home}/{local}", None)
        new_home = re.sub(
            r"(?:^|(?<=/))(forward|backward)_(\w+)", lambda match: f"{DIRECTIONS[match[1]]}/{match[2]}", home
        )
        kinds[new_home] = KINDS[int(gates)]
        for local, value in _tensorflow_s(int(gates), x, h, bias).items():
            named[f"{new_home}/{local}"] = value
            original[f"{new_home}/{local}"] = old[
                "bias" if local.endswith("bias") and "bias" in old else "kernel"
            ]
    return named, original, kinds


def _tensorflow_s(gates: int, x: ndarray, h: ndarray, bias: ndarray | None) -> dict[str, ndarray]:
    if bias is None:
        bias = np.zeros(x.shape[1], x.dtype)
    if gates == 1:
        return {"kernel": np.concatenate([x, h]), "bias": bias}
    if gates == 4:
        i, f, g, o = np.split(np.concatenate([x, h]), 4, axis=1)
        b_i, b_f, b_g, b_o = np.split(bias, 4)
        return {"kernel": np.concatenate([i, g, f, o], axis=1), "bias": np.concatenate([b_i, b_g, b_f, b_o])}
    z, r, _ = np.split(np.concatenate([x, h]), 3, axis=1)
    x_n, h_n = (np.split(part, 3, axis=1)[2] for part in (x, h))
    after = bias.ndim == 2
    b_x, b_h = bias if after else (bias, np.zeros_like(bias))
    (x_z, x_r, x_b), (h_z, h_r, h_b) = np.split(b_x, 3), np.split(b_h, 3)
    joint = {
        "gates/kernel": np.concatenate([r, z], axis=1),
        "gates/bias": np.concatenate([x_r + h_r, x_z + h_z]),
    }
    if not after:
        return {**joint, "candidate/kernel": np.concatenate([x_n, h_n]), "candidate/bias": x_b}
    projections = {
        f"{INPUT}/kernel": x_n,
        f"{INPUT}/bias": x_b,
        f"{HIDDEN}/kernel": h_n,
        f"{HIDDEN}/bias": h_b,
    }
    return {**joint, **projections}


def resets_after(local: Mapping[str, Any]) -> bool:
    """Whether a GRU's variables are those of one that resets after the product."""
    return f"{HIDDEN}/kernel" in local


def parameters_reset_after(variables: Mapping[str, ndarray]) -> dict[str, Tensor]:
    """The parameters of a `GRUCell` with reset="after", r, z, n, from its variables inside the cell."""
    gates, bias = variables["gates/kernel"], variables["gates/bias"]
    x_n, h_n = variables[f"{INPUT}/kernel"], variables[f"{HIDDEN}/kernel"]
    input_size, width = len(x_n), len(h_n)
    found = {
        "weight_ih": np.concatenate([gates[:input_size], x_n], axis=1).T,
        "weight_hh": np.concatenate([gates[input_size:], h_n], axis=1).T,
        "bias_ih": np.concatenate([bias, variables[f"{INPUT}/bias"]]),
        "bias_hh": np.concatenate([np.zeros(2 * width, bias.dtype), variables[f"{HIDDEN}/bias"]]),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}
