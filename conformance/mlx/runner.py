"""MLX on its CPU device: nn.RNN, nn.LSTM and nn.GRU."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from conformance.layouts import laid_out
from conformance.problem import Layer, Problem, sizes
from conformance.protocol import Numbers, serve

LACKS = {
    "gru reset before": "nn.GRU resets after the product only",
    "peephole": "nn.LSTM has no peepholes",
    "projection": "nn.LSTM has no projection",
    "cell clip": "nn.LSTM does not clip",
    "projection clip": "nn.LSTM does not clip",
    "forget bias": "nn.LSTM has no forget bias beside its bias",
    "lengths": "all sequences of a batch have T steps",
    "mask": "all sequences of a batch have T steps",
    "resets": "a sequence has one beginning",
    "backward": "layers read forwards",
    "both directions": "layers read forwards",
    "static": "the layers have one loop",
    "time major": "the batch comes first",
    "asks for a dtype": "a missing state is no state",
    "states in one piece": "hidden and cell may each be left out",
    "state as one tensor": "an LSTM's state is h and c",
    "told path": "it is not told which kernels ran",
} | dict.fromkeys(
    (
        f"{p} dropout"
        for p in (
            *("input", "variational input", "output", "state", "recurrent", "candidate"),
            "between layers",
        )
    ),
    "the layers have no dropout",
)


def run(problem: Problem) -> Numbers:
    dtype = getattr(mx, problem.dtype)
    names = list(problem.leaves())
    leaves = {
        name: mx.array(value.astype(np.float64)).astype(dtype) for name, value in problem.leaves().items()
    }
    if problem.layout != "plain":
        leaves["x"] = mx.array(laid_out(problem.x.astype(np.float32), problem.layout)).astype(dtype)

    def loss(*values: Any) -> Any:
        found = _walk(problem, dict(zip(names, values, strict=True)))
        parts = [mx.sum(found[name] * mx.array(w).astype(dtype)) for name, w in problem.weigh.items()]
        return sum(parts[1:], parts[0])

    def along(*values: Any) -> Any:
        gradient = mx.grad(loss, argnums=names.index("x"))(*values)
        return mx.sum(gradient * mx.array(problem.second).astype(dtype))

    found = _walk(problem, leaves)
    answer = {name: found[name] for name in problem.asked_of(found)}
    if problem.weigh:
        title, scalar = ("grad", loss) if problem.second is None else ("second", along)
        gradients = mx.grad(scalar, argnums=list(range(len(names))))(*leaves.values())
        answer |= {f"{title}.{name}": value for name, value in zip(names, gradients, strict=True)}
    wide = mx.float64 if problem.dtype == "float64" else mx.float32
    return {name: np.array(value.astype(wide)) for name, value in answer.items()}


def _walk(problem: Problem, leaves: dict[str, Any]) -> dict[str, Any]:
    y = leaves["x"]
    found: dict[str, Any] = {}
    for number, layer in enumerate(problem.layers):
        place = f"{number}.forward"
        own = _layer(layer, place, leaves)
        h, c = leaves.get(f"state.{place}.h"), leaves.get(f"state.{place}.c")
        if layer.cell == "lstm":
            y, every = own(y, h, c)
            found |= {f"states.{place}.c": every, f"final.{place}.c": every[:, -1]}
        else:
            y = own(y, h)
        found |= {f"states.{place}.h": y, f"final.{place}.h": y[:, -1]}
    return found | {"outputs": y}


def _layer(layer: Layer, place: str, leaves: dict[str, Any]) -> Any:
    w = {name: leaves[f"{place}.{name}"] for name in layer.ways["forward"]}
    I, H, biased = w["W"].shape[1], sizes(layer, "forward")[-1], "b" in w
    if layer.cell == "lstm":
        own = nn.LSTM(I, H, bias=biased)
        own.Wx, own.Wh = w["W"], w["U"]
        if biased:
            own.bias = w["b"] + w["d"] if "d" in w else w["b"]
    elif layer.cell == "gru":
        own = nn.GRU(I, H, bias=biased)
        own.Wx, own.Wh = w["W"], w["U"]
        if biased:
            d = w.get("d", mx.zeros_like(w["b"]))
            own.b = mx.concatenate([w["b"][: 2 * H] + d[: 2 * H], w["b"][2 * H :]])
            own.bhn = d[2 * H :]
    else:
        act = nn.relu if layer.options.get("activation") == "relu" else None
        own = nn.RNN(I, H, bias=biased, nonlinearity=act)
        own.Wxh, own.Whh = w["W"], w["U"]
        if biased:
            own.bias = w["b"] + w["d"] if "d" in w else w["b"]
    return own


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    serve("MLX", {"mlx": version("mlx")}, LACKS, run)
