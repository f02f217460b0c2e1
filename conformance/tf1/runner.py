"""TensorFlow 1's API, tf.compat.v1: rnn_cell's cells in the loops of tf.nn, as a graph."""

from __future__ import annotations

import os
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf

from conformance.layouts import laid_out
from conformance.problem import Array, Layer, Problem, sizes
from conformance.protocol import NotOfferedError, Numbers, serve

LACKS = {
    "gru reset after": "GRUCell resets before the product; tf.contrib's CudnnCompatibleGRUCell is gone",
    "mask": "the loops have lengths; no other steps can be left out",
    "resets": "a sequence has one beginning",
    "backward": "a loop reads forwards, or both ways",
    "every-step states": "the loops return the last state; raw_rnn leaves the rest to the program",
    "recurrent dropout": "DropoutWrapper drops the outgoing state",
    "candidate dropout": "it was LayerNormBasicLSTMCell's, in tf.contrib, which is gone",
    "told path": "it is not told which kernels ran",
}
# Where each of the definition's gates stands in TensorFlow's joint kernel.
ORDER = {"rnn": [0], "lstm": [0, 2, 1, 3], "gru": [0, 1, 2]}
PEEPHOLES = {"pi": "w_i_diag", "pf": "w_f_diag", "po": "w_o_diag"}
rnn_cell = tf.nn.rnn_cell


def run(problem: Problem) -> Numbers:
    if problem.unroll == "static" and problem.layers[0].ways.keys() == {"backward"}:
        raise NotOfferedError(LACKS["backward"])
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        return Graph(problem).answer()


class Graph:
    """A problem as a graph: its leaves, its results, and the variables' values."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.dtype = getattr(tf, problem.dtype)
        numpy = self.dtype.as_numpy_dtype
        N, T, I = problem.x.shape
        self.x = tf.placeholder(self.dtype, (T, N, I) if problem.layout == "time major" else (N, T, I))
        self.feeds: dict[Any, Any] = {self.x: laid_out(problem.x.astype(numpy), problem.layout)}
        self.state: dict[str, Any] = {}
        for name, value in problem.state.items():
            self.state[name] = tf.placeholder(self.dtype, value.shape)
            self.feeds[self.state[name]] = value.astype(numpy)
        self.bare: dict[str, Any] = {}
        self.cells = {
            f"{number}.{way}": self._cell(layer, way, number)
            for number, layer in enumerate(problem.layers)
            for way in layer.ways
        }

    def _cell(self, layer: Layer, way: str, number: int) -> Any:
        weights, options = layer.ways[way], dict(layer.options)
        H, common = sizes(layer, way)[-1], {"name": f"cell_{number}_{way}", "dtype": self.dtype}
        if layer.cell == "rnn":
            act = {"relu": tf.nn.relu, "tanh": tf.tanh}[options.get("activation", "tanh")]
            cell = rnn_cell.BasicRNNCell(H, activation=act, **common)
        elif layer.cell == "gru":
            cell = rnn_cell.GRUCell(H, **common)
        elif self.problem.form == "joined":
            cell = rnn_cell.BasicLSTMCell(H, forget_bias=0.0, state_is_tuple=False, **common)
        else:
            cell = rnn_cell.LSTMCell(
                H,
                use_peepholes="pi" in weights,
                num_proj=len(weights["R"]) if "R" in weights else None,
                **({"forget_bias": 0.0} | options | common),
            )
        self.bare[f"{number}.{way}"] = cell
        return self._wrapped(cell, number, weights["W"].shape[1])

    def _wrapped(self, cell: Any, number: int, width: int) -> Any:
        for place, p in self.problem.dropout.items():
            keep = 1.0 - p if self.problem.training else 1.0
            if place == "between layers":
                last = number == len(self.problem.layers) - 1
                cell = cell if last else rnn_cell.DropoutWrapper(cell, output_keep_prob=keep)
            elif place == "variational input":
                cell = rnn_cell.DropoutWrapper(
                    cell,
                    input_keep_prob=keep,
                    variational_recurrent=True,
                    input_size=tf.TensorShape([width]),
                    dtype=self.dtype,
                )
            else:
                cell = rnn_cell.DropoutWrapper(cell, **{f"{place}_keep_prob": keep})
        return cell

    def _start(self, place: str) -> Any:
        parts = {name[len(place) + 1 :]: t for name, t in self.state.items() if name.startswith(f"{place}.")}
        if not parts:
            return None
        return rnn_cell.LSTMStateTuple(parts.get("c"), parts["h"]) if "c" in parts else parts["h"]

    def _loop(self) -> tuple[Any, dict[str, Any]]:
        """The outputs [N, T, O] and the final states by place."""
        problem = self.problem
        numbers, ways = range(len(problem.layers)), list(problem.layers[0].ways)
        y: Any = self.x
        finals: dict[str, Any] = {}
        if problem.stacking == "interleaved" and len(ways) == 2:
            for number in numbers:
                cells = [self.cells[f"{number}.{way}"] for way in ways]
                y, states = self._both(cells, y, [self._start(f"{number}.{way}") for way in ways])
                finals |= {f"{number}.{way}": s for way, s in zip(ways, states, strict=True)}
            return y, finals
        single = len(problem.layers) == 1
        cells = [
            self.cells[f"0.{way}"]
            if single
            else rnn_cell.MultiRNNCell([self.cells[f"{number}.{way}"] for number in numbers])
            for way in ways
        ]
        starts: list[Any] = [None for _ in ways]
        if self.state:
            starts = [tuple(self._start(f"{number}.{way}") for number in numbers) for way in ways]
            starts = [start[0] if single else start for start in starts]
        y, states = self._both(cells, y, starts) if len(ways) == 2 else self._one(cells[0], y, starts[0])
        for way, state in zip(ways, states, strict=True):
            finals |= {f"{k}.{way}": s for k, s in enumerate([state] if single else state)}
        return y, finals

    def _common(self) -> dict[str, Any]:
        known = self.problem.lengths
        lengths = None if known is None else tf.constant(np.asarray(known, np.int32))
        return {"sequence_length": lengths, "dtype": None if self.problem.form == "no dtype" else self.dtype}

    def _one(self, cell: Any, x: Any, start: Any) -> tuple[Any, list[Any]]:
        if self.problem.unroll == "static":
            steps, state = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), start, **self._common())
            return tf.stack(steps, 1), [state]
        time_major = self.problem.layout == "time major"
        y, state = tf.nn.dynamic_rnn(cell, x, initial_state=start, time_major=time_major, **self._common())
        return tf.transpose(y, [1, 0, 2]) if time_major else y, [state]

    def _both(self, cells: list[Any], x: Any, starts: list[Any]) -> tuple[Any, list[Any]]:
        if self.problem.unroll == "static":
            steps, *states = tf.nn.static_bidirectional_rnn(
                *cells, tf.unstack(x, axis=1), *starts, **self._common()
            )
            return tf.stack(steps, 1), states
        with tf.variable_scope(None, "both"):
            outputs, states = tf.nn.bidirectional_dynamic_rnn(
                *cells, x, initial_state_fw=starts[0], initial_state_bw=starts[1], **self._common()
            )
        return tf.concat(outputs, 2), list(states)

    def answer(self) -> Numbers:
        problem = self.problem
        outputs, finals = self._loop()
        found = {"outputs": outputs}
        for place, state in finals.items():
            names = ("c", "h") if isinstance(state, tuple) else ("h",)
            if problem.form == "joined":
                names = ("joined",)
            parts = state if isinstance(state, tuple) else (state,)
            found |= {f"final.{place}.{name}": part for name, part in zip(names, parts, strict=True)}
        wanted = {name: found[name] for name in problem.asked_of(found)}
        leaves = {"x": self.x} | {f"state.{name}": value for name, value in self.state.items()}
        variables = [v for cell in self.bare.values() for v in cell.variables]
        title, ys = "grad", []
        if problem.weigh:
            loss = tf.add_n(
                [tf.reduce_sum(found[name] * tf.constant(w, self.dtype)) for name, w in problem.weigh.items()]
            )
            if problem.second is not None:
                title = "second"
                loss = tf.reduce_sum(tf.gradients(loss, self.x)[0] * tf.constant(problem.second, self.dtype))
            sources = [*leaves.values(), *variables]
            ys = [
                tf.zeros_like(source) if g is None else tf.convert_to_tensor(g)
                for g, source in zip(tf.gradients(loss, sources), sources, strict=True)
            ]
        config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        with tf.Session(config=config) as session:
            for place, cell in self.bare.items():
                number, way = place.split(".")
                for variable, value in zip(
                    cell.variables, joint(problem.layers[int(number)], way), strict=True
                ):
                    variable.load(value.astype(self.dtype.as_numpy_dtype), session)
            results, gradients = session.run([wanted, ys], self.feeds)
        answer = dict(results)
        for name, value in zip(leaves, gradients, strict=False):
            answer[f"{title}.{name}"] = value
        rest = gradients[len(leaves) :]
        for place, cell in self.bare.items() if problem.weigh else ():
            number, way = place.split(".")
            own, rest = rest[: len(cell.variables)], rest[len(cell.variables) :]
            for name, value in apart(problem.layers[int(number)], way, own).items():
                answer[f"{title}.{place}.{name}"] = value
        return {name: np.asarray(value, np.float64) for name, value in answer.items()}


def joint(layer: Layer, way: str) -> list[Array]:
    """TensorFlow's variables of a cell, in its order: joint kernels [I + H, gates H]."""
    w = layer.ways[way]
    H = sizes(layer, way)[-1]
    blocks = [slice(k * H, (k + 1) * H) for k in ORDER[layer.cell]]
    both = np.concatenate([w["W"], w["U"]], axis=1)
    bias = w.get("b", np.zeros(len(both))) + w.get("d", np.zeros(len(both)))
    kernel = np.concatenate([both[block] for block in blocks]).T
    bias = np.concatenate([bias[block] for block in blocks])
    if layer.cell == "gru":
        return [kernel[:, : 2 * H], bias[: 2 * H], kernel[:, 2 * H :], bias[2 * H :]]
    extra = [w[name] for name in ("pf", "pi", "po") if name in w] + ([w["R"].T] if "R" in w else [])
    return [kernel, bias, *extra]


def apart(layer: Layer, way: str, found: list[Array]) -> dict[str, Array]:
    """Gradients of TensorFlow's variables as those of the definition's weights."""
    w = layer.ways[way]
    H, I = sizes(layer, way)[-1], w["W"].shape[1]
    if layer.cell == "gru":
        kernel = np.concatenate([found[0], found[2]], axis=1)
        bias = np.concatenate([found[1], found[3]])
        found = [kernel, bias]
    places = np.argsort(ORDER[layer.cell])
    kernel = np.concatenate([found[0][:, k * H : (k + 1) * H] for k in places], axis=1).T
    bias = np.concatenate([found[1][k * H : (k + 1) * H] for k in places])
    extra = [name for name in ("pf", "pi", "po") if name in w]
    named = {"W": kernel[:, :I], "U": kernel[:, I:], "b": bias, "d": bias}
    named |= dict(zip(extra, found[2:], strict=False))
    if "R" in w:
        named["R"] = found[-1].T
    return {name: named[name] for name in w}


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.ERROR)
    serve("TensorFlow 1 (tf.compat.v1)", {"tensorflow": tf.__version__}, LACKS, run)
