"""Equinox: its two cells in jax.lax.scan, as its documentation unrolls them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from conformance.jax_answer import Arrays, derived, prepare
from conformance.problem import Problem, sizes
from conformance.protocol import Numbers, serve

CELLS_ALONE = "there are cells of one step; the rest is left to the program"
LACKS = {
    "rnn": "there is no plain recurrent cell",
    "relu rnn": "there is no plain recurrent cell",
    "gru reset before": "GRUCell resets after the product only",
    "peephole": "LSTMCell has no peepholes",
    "projection": "LSTMCell has no projection",
    "cell clip": "LSTMCell does not clip",
    "projection clip": "LSTMCell does not clip",
    "forget bias": "LSTMCell has no forget bias beside its bias",
    "asks for a dtype": "the program makes the first state",
    "state as one tensor": "an LSTM's state is the pair (h, c)",
    "told path": "it is not told which kernels ran",
    "static": "jax.lax.scan is the documented loop",
} | dict.fromkeys(
    (
        "lengths",
        "mask",
        "resets",
        "backward",
        "both directions",
        "stack",
        "time major",
        *(
            f"{p} dropout"
            for p in ("input", "variational input", "output", "state", "recurrent", "candidate")
        ),
    ),
    CELLS_ALONE,
)


def run(problem: Problem) -> Numbers:
    leaves = prepare(problem)
    layer = problem.layers[0]
    weights = layer.ways["forward"]
    kind = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[layer.cell]
    empty = kind(
        weights["W"].shape[1],
        sizes(layer, "forward")[-1],
        use_bias="b" in weights,
        dtype=jnp.dtype(problem.dtype),
        key=jax.random.key(0),
    )
    return derived(problem, leaves, lambda arrays: _scan(problem, empty, arrays))


def _scan(problem: Problem, empty: Any, leaves: Arrays) -> Arrays:
    w = {name: leaves[f"0.forward.{name}"] for name in problem.layers[0].ways["forward"]}
    lstm = problem.layers[0].cell == "lstm"
    cell = eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh), empty, (w["W"], w["U"]))
    if "b" in w:
        d = w.get("d", jnp.zeros_like(w["b"]))
        if lstm:
            cell = eqx.tree_at(lambda c: c.bias, cell, w["b"] + d)
        else:
            gates = 2 * cell.hidden_size
            bias = w["b"] + d.at[gates:].set(0)
            cell = eqx.tree_at(lambda c: (c.bias, c.bias_n), cell, (bias, d[gates:]))
    parts = ("h", "c") if lstm else ("h",)
    zeros = jnp.zeros((len(problem.x), cell.hidden_size), leaves["x"].dtype)
    start = tuple(leaves.get(f"state.0.forward.{part}", zeros) for part in parts)
    if problem.state and len(problem.state) < len(parts):
        start = start[:1]

    def sequence(x: Any, *state: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            carry = cell(x, carry)
            return carry, carry

        return jax.lax.scan(step, state if lstm else state[0], x)

    final, every = jax.vmap(sequence)(leaves["x"], *start)
    finals, steps = (final, every) if lstm else ((final,), (every,))
    found = {f"final.0.forward.{part}": value for part, value in zip(parts, finals, strict=True)}
    found |= {f"states.0.forward.{part}": value for part, value in zip(parts, steps, strict=True)}
    return found | {"outputs": steps[0]}


if __name__ == "__main__":
    serve("Equinox", {"equinox": eqx.__version__, "jax": jax.__version__}, LACKS, run)
