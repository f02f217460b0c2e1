"""A recurrent node becomes cells: its weights in this package's order, what is optional as options."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import GRUCell, LSTMCell, RNNCell
from unrolled.cells.cell import Cell
from unrolled.errors import UnrolledError, unknown_name
from unrolled.onnx.layout import STANDARD, from_standard, split_biases, split_peepholes
from unrolled.onnx.registry import Node

FLOATS = (torch.float32, torch.float64, torch.float16)
DIRECTIONS: dict[str, tuple[str, ...]] = {
    "forward": ("forward",),
    "reverse": ("backward",),
    "bidirectional": ("forward", "backward"),
}
# What a direction's activations are by default: of the gates, of the candidate, and of what an LSTM shows.
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
# The activations of ONNX that cells have, and what their alpha has to be.
LSTM_ACTIVATIONS: dict[str, tuple[str, float | None]] = {
    "tanh": ("tanh", None),
    "relu": ("relu", None),
    "sigmoid": ("sigmoid", None),
    "softsign": ("softsign", None),
    "softplus": ("softplus", None),
    "elu": ("elu", 1.0),
    "leakyrelu": ("leaky_relu", 0.2),
}
USUAL_ALPHA = {"elu": 1.0, "leakyrelu": 0.01}
TAKE_ALPHA = ("affine", "elu", "hardsigmoid", "leakyrelu", "scaledtanh", "thresholdedrelu")


def directions(node: Node) -> tuple[str, ...]:
    """The directions that a recurrent node reads in, "forward", "backward" or both."""
    direction = node.get("direction", "forward")
    if direction not in DIRECTIONS:
        raise unknown_name("direction", direction, DIRECTIONS)
    return DIRECTIONS[direction]


def cells_of(
    node: Node, W: Tensor, R: Tensor, B: Tensor | None = None, P: Tensor | None = None
) -> dict[str, Cell]:
    """The cells of an ONNX LSTM, GRU or RNN node, by direction.

    Symbols: D directions, G gates (4, 3 or 1), W [D, G H, I], R [D, G H, H], B [D, 2 G H], the biases of the
    input before those of the state; P [D, 3 H], an LSTM's peepholes i, o, f.

    Raises:
        UnrolledError: sizes that do not fit, or what no cell here computes: coupled gates (`input_forget`), a
            `clip` before activations, activations that a cell does not have.
    """
    ways = directions(node)
    _check_sizes(node, len(ways), W, R, B, P)
    if node.get("input_forget", 0):
        raise UnrolledError(
            "its input and forget gates are coupled (input_forget = 1), and no cell here has coupled gates"
        )
    if node.get("clip") is not None:
        raise UnrolledError(
            f"it clips what its activations see to {node.get('clip'):g} (clip), which no cell here does: "
            "cell_clip bounds an LSTM's state"
        )
    if node.get("layout", 0) not in (0, 1):
        raise UnrolledError(f"its layout is {node.get('layout')}, expected 0 or 1")
    return {
        way: _cell(node, number, W[number], R[number], _row(B, number), _row(P, number))
        for number, way in enumerate(ways)
    }


def _row(tensor: Tensor | None, number: int) -> Tensor | None:
    return None if tensor is None else tensor[number]


def _check_sizes(node: Node, count: int, W: Tensor, R: Tensor, B: Tensor | None, P: Tensor | None) -> None:
    gates = len(STANDARD[node.op])
    H = R.shape[2] if R.dim() == 3 else 0
    said = node.get("hidden_size", H)
    if H < 1 or W.dim() != 3 or W.shape[2] < 1 or said != H:
        raise UnrolledError(
            f"its W has shape {list(W.shape)} and its R {list(R.shape)} (hidden_size {said}), expected "
            f"[{count}, {gates} H, I] and [{count}, {gates} H, H]"
        )
    expected = {"W": [count, gates * H, W.shape[2]], "R": [count, gates * H, H]}
    expected |= {"B": [count, 2 * gates * H], "P": [count, 3 * H]}
    for name, tensor in (("W", W), ("R", R), ("B", B), ("P", P)):
        if tensor is None:
            continue
        if list(tensor.shape) != expected[name]:
            raise UnrolledError(f"its {name} has shape {list(tensor.shape)}, expected {expected[name]}")
        if tensor.dtype != W.dtype or tensor.dtype not in FLOATS:
            raise UnrolledError(
                f"its {name} holds {tensor.dtype}, expected W, R, B and P of one type, of {FLOATS}"
            )


def _cell(node: Node, number: int, W: Tensor, R: Tensor, B: Tensor | None, P: Tensor | None) -> Cell:
    H, I = R.shape[1], W.shape[1]
    acts = _activations(node, number)
    where: dict[str, Any] = {"bias": B is not None, "dtype": W.dtype, "device": "meta"}
    cell: Cell
    if node.op == "LSTM":
        activation = _lstm_activation(acts)
        cell = LSTMCell(I, H, activation=activation, peephole=P is not None, **where)
    elif node.op == "GRU":
        _check_activations(acts, ("sigmoid", "tanh"), "GRU cells here have Sigmoid, Tanh")
        cell = GRUCell(I, H, reset="after" if node.get("linear_before_reset", 0) else "before", **where)
    else:
        (name,) = (name for name, _ in acts)
        if name not in ("tanh", "relu"):
            raise UnrolledError(f"its activation is {_told(acts)}; RNN cells here have Tanh or Relu")
        cell = RNNCell(I, H, nonlinearity=name, **where)
    for name, value in weights_of(node.op, W, R, B, P).items():
        setattr(cell, name, nn.Parameter(value))
    return cell


def weights_of(op: str, W: Tensor, R: Tensor, B: Tensor | None, P: Tensor | None) -> dict[str, Tensor]:
    """A cell's parameters by name, from the weights of one direction."""
    found = {name: from_standard(op, _array(value)) for name, value in (("weight_ih", W), ("weight_hh", R))}
    if B is not None:
        found["bias_ih"], found["bias_hh"] = split_biases(op, _array(B))
    if P is not None:
        found["weight_ci"], found["weight_cf"], found["weight_co"] = split_peepholes(_array(P))
    return {name: torch.from_numpy(value.copy()) for name, value in found.items()}


def _array(value: Tensor) -> Any:
    return value.detach().numpy()


def _activations(node: Node, number: int) -> list[tuple[str, float | None]]:
    """The names of a direction's activations, and the alpha of each that takes one."""
    usual = USUAL[node.op]
    ways = len(directions(node))
    names = node.get("activations") or list(usual) * ways
    if not isinstance(names, list) or len(names) != len(usual) * ways:
        raise UnrolledError(f"it has {len(names)} activations, expected {len(usual) * ways}")
    given = iter(node.get("activation_alpha") or [])
    found: list[tuple[str, float | None]] = []
    for name in (str(name).lower() for name in names):
        alpha = next(given, USUAL_ALPHA.get(name)) if name in TAKE_ALPHA else None
        found.append((name, alpha))
    return found[number * len(usual) : (number + 1) * len(usual)]


def _lstm_activation(acts: list[tuple[str, float | None]]) -> str:
    (gates, _), candidate, shown = acts
    name, alpha = candidate
    has, at = LSTM_ACTIVATIONS.get(name, ("", None))
    fits = has and (at is None or (alpha is not None and abs(alpha - at) < 1e-6))
    if gates != "sigmoid" or candidate != shown or not fits:
        raise UnrolledError(
            f"its activations are {_told(acts)}; LSTM cells here have Sigmoid, and twice one of Tanh, Relu, "
            "Sigmoid, Softsign, Softplus, Elu (alpha 1) or LeakyRelu (alpha 0.2)"
        )
    return has


def _check_activations(acts: list[tuple[str, float | None]], expected: tuple[str, ...], told: str) -> None:
    if tuple(name for name, _ in acts) != expected:
        raise UnrolledError(f"its activations are {_told(acts)}; {told}")


def _told(acts: list[tuple[str, float | None]]) -> str:
    return ", ".join(name if alpha is None else f"{name} (alpha {alpha:g})" for name, alpha in acts)
