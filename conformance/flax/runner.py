"""Flax: nnx.RNN and nnx.Bidirectional around its cells."""

from __future__ import annotations

from typing import Any

import flax
import jax
import jax.numpy as jnp
from flax import nnx

from conformance.jax_answer import Arrays, derived, prepare
from conformance.problem import Layer, Problem, sizes
from conformance.protocol import NotOfferedError, Numbers, serve

LACKS = {
    "gru reset before": "nnx.GRUCell resets after the product only",
    "peephole": "nnx.LSTMCell has no peepholes",
    "projection": "nnx.LSTMCell has no projection",
    "cell clip": "nnx.LSTMCell does not clip",
    "projection clip": "nnx.LSTMCell does not clip",
    "forget bias": "nnx.LSTMCell has no forget bias beside its biases",
    "mask": "nnx.RNN has lengths; no other steps can be left out",
    "resets": "a sequence has one beginning",
    "static": "nnx.RNN scans; its `unroll` is a hint to the compiler",
    "every-step states": "nnx.RNN returns the last carry alone",
    "stacks apart": "layers are composed by the program",
    "asks for a dtype": "the cell's own dtype is taken",
    "state as one tensor": "an LSTM's carry is the pair (c, h)",
    "told path": "it is not told which kernels ran",
} | dict.fromkeys(
    (f"{p} dropout" for p in ("input", "variational input", "output", "state", "recurrent", "candidate")),
    "the cells have no dropout",
)
LACKS["between layers dropout"] = "nnx.Dropout is a layer that the program puts there"


def run(problem: Problem) -> Numbers:
    leaves = prepare(problem)
    return derived(problem, leaves, lambda arrays: _walk(problem, arrays))


def _walk(problem: Problem, leaves: Arrays) -> Arrays:
    y = leaves["x"]
    found: Arrays = {}
    lengths = None if problem.lengths is None else jnp.asarray(problem.lengths, int)
    common = {"seq_lengths": lengths, "return_carry": True, "time_major": problem.layout == "time major"}
    for number, layer in enumerate(problem.layers):
        places = [f"{number}.{way}" for way in layer.ways]
        cells = [_cell(layer, way, number, leaves) for way in layer.ways]
        starts = [_start(place, leaves) for place in places]
        if len(cells) == 2:
            both = nnx.Bidirectional(nnx.RNN(cells[0]), nnx.RNN(cells[1]))
            carry = None if starts[0] is None else tuple(starts)
            carries, y = both(y, initial_carry=carry, **common)
        else:
            backward = "backward" in layer.ways
            carry, y = nnx.RNN(cells[0])(
                y, initial_carry=starts[0], reverse=backward, keep_order=backward, **common
            )
            carries = (carry,)
        for place, carry in zip(places, carries, strict=True):
            parts = {"c": carry[0], "h": carry[1]} if isinstance(carry, tuple | list) else {"h": carry}
            found |= {f"final.{place}.{part}": value for part, value in parts.items()}
    return found | {"outputs": y}


def _start(place: str, leaves: Arrays) -> Any:
    h, c = leaves.get(f"state.{place}.h"), leaves.get(f"state.{place}.c")
    return h if c is None else (c, h)


def _cell(layer: Layer, way: str, number: int, leaves: Arrays) -> Any:
    """The peer's cell with the leaves in the place of its parameters."""
    w = {name: leaves[f"{number}.{way}.{name}"] for name in layer.ways[way]}
    H, I = sizes(layer, way)[-1], w["W"].shape[1]
    dtype = w["W"].dtype
    options: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype, "rngs": nnx.Rngs(0)}
    zeros = jnp.zeros(len(w["W"]), dtype)
    b, d = w.get("b", zeros), w.get("d", zeros)
    if layer.cell == "lstm":
        cell = nnx.LSTMCell(I, H, **options)
        for k, gate in enumerate("ifgo"):
            block = slice(k * H, (k + 1) * H)
            _put(getattr(cell, "if_" if gate == "f" else f"i{gate}"), w["W"][block], None)
            _put(getattr(cell, f"h{gate}"), w["U"][block], (b + d)[block])
        return cell
    if layer.cell == "gru":
        if "d" in layer.ways[way] and layer.ways[way]["d"][2 * H :].any():
            raise NotOfferedError("nnx.GRUCell has no second bias of n, the b_hn of its own equations")
        cell = nnx.GRUCell(I, H, **options)
        _put(cell.dense_i, w["W"], b + d)
        _put(cell.dense_h, w["U"], None)
        return cell
    act = {"relu": jax.nn.relu, "tanh": jnp.tanh}[layer.options.get("activation", "tanh")]
    cell = nnx.SimpleCell(I, H, activation_fn=act, **options)
    _put(cell.dense_i, w["W"], b + d)
    _put(cell.dense_h, w["U"], None)
    return cell


def _put(linear: Any, matrix: Any, bias: Any) -> None:
    linear.kernel = nnx.Param(matrix.T)
    if bias is not None:
        linear.bias = nnx.Param(bias)


if __name__ == "__main__":
    serve("Flax (nnx)", {"flax": flax.__version__, "jax": jax.__version__}, LACKS, run)
