"""Keras 3 on JAX: SimpleRNN, LSTM and GRU, Bidirectional around them; a mask says what counts."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras

from conformance.jax_answer import Arrays, derived, prepare
from conformance.problem import Layer, Problem, sizes
from conformance.protocol import Numbers, serve

LACKS = {
    "peephole": "LSTM has no peepholes",
    "projection": "LSTM has no projection",
    "cell clip": "LSTM does not clip",
    "projection clip": "LSTM does not clip",
    "forget bias": "unit_forget_bias sets what the bias starts from; nothing is added",
    "resets": "a sequence has one beginning",
    "time major": "the batch comes first",
    "every-step states": "the last state alone is returned",
    "input dropout": "dropout of the input keeps one mask for all steps",
    "output dropout": "a Dropout layer is put there by the program",
    "state dropout": "dropout is of what the product with U sees",
    "candidate dropout": "dropout is of the input and of what the product with U sees",
    "asks for a dtype": "a state of zeros takes the layer's dtype",
    "state as one tensor": "an LSTM's state is h and c",
    "lengths as numbers": "lengths are said as a mask",
    "told path": "it is not told which kernels ran",
}
# Where each of the definition's gates stands in Keras' kernels: GRU has z first.
ORDER = {"rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}


def run(problem: Problem) -> Numbers:
    keras.utils.set_random_seed(2)
    leaves = prepare(problem)
    apart = problem.stacking == "apart"
    layers = [_apart(problem)] if apart else [_layer(problem, k) for k in range(len(problem.layers))]
    for number, layer in enumerate(layers):
        first = problem.layers[number]
        width = first.ways[next(iter(first.ways))]["W"].shape[1]
        layer.build((len(problem.x), problem.x.shape[1], width))
    walk = _walk_apart if apart else _walk
    return derived(problem, leaves, lambda arrays: walk(problem, layers, arrays))


def _options(problem: Problem, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "return_sequences": True,
        "return_state": True,
        "zero_output_for_mask": True,
        "unroll": problem.unroll == "static",
        "dtype": problem.dtype,
    }
    for place, p in problem.dropout.items():
        if place == "recurrent":
            found["recurrent_dropout"] = p
        elif place == "variational input" or number > 0:
            found["dropout"] = p
    return found


def _cell_options(layer: Layer) -> dict[str, Any]:
    way = next(iter(layer.ways))
    found: dict[str, Any] = {"units": sizes(layer, way)[-1], "use_bias": "b" in layer.ways[way]}
    if layer.cell == "gru":
        found["reset_after"] = layer.options["reset"] == "after"
    if layer.cell == "rnn":
        found["activation"] = layer.options.get("activation", "tanh")
    return found


def _layer(problem: Problem, number: int) -> Any:
    layer = problem.layers[number]
    kind = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[layer.cell]
    options = _options(problem, number) | _cell_options(layer)
    if len(layer.ways) == 2:
        return keras.layers.Bidirectional(kind(**options), dtype=problem.dtype)
    return kind(go_backwards="backward" in layer.ways, **options)


def _apart(problem: Problem) -> Any:
    kinds = {"rnn": keras.layers.SimpleRNNCell, "lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
    cells = [kinds[layer.cell](dtype=problem.dtype, **_cell_options(layer)) for layer in problem.layers]
    return keras.layers.Bidirectional(keras.layers.RNN(cells, **_options(problem, 0)), dtype=problem.dtype)


def _variables(layer: Layer, place: str, leaves: Arrays) -> list[Any]:
    """The leaves of one layer and direction as Keras has them: kernel, recurrent kernel, bias."""
    w = {name: leaves[f"{place}.{name}"] for name in layer.ways[place.split(".")[1]]}
    H = sizes(layer, place.split(".")[1])[-1]

    def ordered(value: Any) -> Any:
        return jnp.concatenate([value[k * H : (k + 1) * H] for k in ORDER[layer.cell]])

    found = [ordered(w["W"]).T, ordered(w["U"]).T]
    if "b" in w:
        b, d = ordered(w["b"]), ordered(w.get("d", jnp.zeros_like(w["b"])))
        found.append(jnp.stack([b, d]) if layer.options.get("reset") == "after" else b + d)
    return found


def _mask(problem: Problem) -> Any:
    if problem.mask is not None:
        return jnp.asarray(problem.mask)
    if problem.lengths is not None:
        return jnp.arange(problem.x.shape[1]) < jnp.asarray(problem.lengths, int)[:, None]
    return None


def _named(layer: Layer, place: str, states: Any) -> Arrays:
    parts = ("h", "c") if layer.cell == "lstm" else ("h",)
    return {f"final.{place}.{part}": value for part, value in zip(parts, states, strict=True)}


def _called(layer: Any, variables: list[Any], x: Any, problem: Problem, **options: Any) -> Any:
    rest = [variable.value for variable in layer.non_trainable_variables]
    options |= {"mask": _mask(problem), "training": problem.training}
    (y, *states), _ = layer.stateless_call(variables, rest, x, **options)
    return y, states


def _walk(problem: Problem, layers: list[Any], leaves: Arrays) -> Arrays:
    y = leaves["x"]
    found: Arrays = {}
    for number, (own, layer) in enumerate(zip(layers, problem.layers, strict=True)):
        places = [f"{number}.{way}" for way in layer.ways]
        variables = [value for place in places for value in _variables(layer, place, leaves)]
        start = [
            leaves[name] for place in places for part in "hc" if (name := f"state.{place}.{part}") in leaves
        ]
        y, states = _called(own, variables, y, problem, initial_state=start or None)
        if list(layer.ways) == ["backward"]:
            y = jnp.flip(y, 1)  # documented: the sequence comes reversed
        each = len(states) // len(places)
        for k, place in enumerate(places):
            found |= _named(layer, place, states[k * each : (k + 1) * each])
    return found | {"outputs": y}


def _walk_apart(problem: Problem, layers: list[Any], leaves: Arrays) -> Arrays:
    places = [(f"{k}.{way}", one) for way in ("forward", "backward") for k, one in enumerate(problem.layers)]
    variables = [value for place, one in places for value in _variables(one, place, leaves)]
    y, states = _called(layers[0], variables, leaves["x"], problem)
    found = {"outputs": y}
    for (place, one), state in zip(places, states, strict=True):
        found |= _named(one, place, state if isinstance(state, list | tuple) else [state])
    return found


if __name__ == "__main__":
    serve("Keras 3 (JAX)", {"keras": keras.__version__, "jax": jax.__version__}, LACKS, run)
