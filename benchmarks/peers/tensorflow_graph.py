"""TensorFlow 1's way, as far as TensorFlow 2 still carries it: dynamic_rnn in a graph and a session."""

from __future__ import annotations

import os
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.peers.protocol import Array, NotThereError, Problem, Steps, full_name

tf.logging.set_verbosity(tf.logging.ERROR)

VERSION = f"tensorflow {tf.__version__}"


def build(problem: Problem, threads: int) -> Steps:
    rnn = tf.nn.rnn_cell
    kinds = {
        "lstm": lambda H: rnn.LSTMCell(H, forget_bias=0.0),
        "gru-before": rnn.GRUCell,
        "rnn": rnn.BasicRNNCell,
    }
    if problem.cell not in kinds:
        raise NotThereError(f"TensorFlow 1 has no {problem.cell}")
    N, T, _ = problem.x.shape
    last = np.full(N, T - 1) if problem.lengths is None else problem.lengths - 1

    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    with tf.Graph().as_default() as graph:
        session = tf.Session(graph=graph, config=config)
        y = tf.constant(problem.x)
        kernels: list[tuple[int, int, list[Any]]] = []
        for layer in range(problem.layers):
            H = problem.of(layer, 0)["weight_hh"].shape[1]
            cells = [kinds[problem.cell](H) for _ in range(problem.directions)]
            with tf.variable_scope(f"layer{layer}"):
                if problem.directions == 1:
                    y, _ = tf.nn.dynamic_rnn(cells[0], y, problem.lengths, dtype=tf.float32)
                else:
                    ways, _ = tf.nn.bidirectional_dynamic_rnn(*cells, y, problem.lengths, dtype=tf.float32)
                    y = tf.concat(ways, 2)
            kernels += [(layer, way, cell.trainable_variables) for way, cell in enumerate(cells)]
        outputs = y
        loss = tf.reduce_mean(
            (tf.gather_nd(outputs, np.stack([np.arange(N), last], 1)) - problem.target) ** 2
        )
        variables = tf.trainable_variables()
        by_variable = dict(zip([v.name for v in variables], tf.gradients(loss, variables), strict=True))
        train = tf.train.AdamOptimizer(1e-3).minimize(loss)
        session.run(tf.global_variables_initializer())
        for layer, way, variables in kernels:
            values = to_graph(problem.cell, problem.of(layer, way))
            for variable, value in zip(variables, values, strict=True):
                variable.load(value, session)

    def gradients() -> dict[str, Array]:
        found = {}
        for layer, way, variables in kernels:
            values = session.run([by_variable[variable.name] for variable in variables])
            width = problem.of(layer, way)["weight_ih"].shape[1]
            for name, value in from_graph(problem.cell, values, width).items():
                found[full_name(name, layer, way)] = value
        return found

    return Steps(
        outputs=lambda: session.run(outputs),
        infer=lambda: session.run(outputs.op),
        gradients=gradients,
        train=lambda: session.run(train),
    )


def to_graph(cell: str, w: dict[str, Array]) -> list[Array]:
    """The cell's variables: joint kernels [I + H, ...] and biases; an LSTM's gates are i, j, f, o."""
    kernel = np.concatenate([w["weight_ih"], w["weight_hh"]], 1).T
    bias = w["bias_ih"] + w["bias_hh"]
    if cell == "rnn":
        return [kernel, bias]
    if cell == "lstm":
        return [exchanged(kernel), exchanged(bias)]
    gates = 2 * w["weight_hh"].shape[1]  # r, u, and the candidate apart
    return [kernel[:, :gates], bias[:gates], kernel[:, gates:], bias[gates:]]


def from_graph(cell: str, gradients: list[Array], width: int) -> dict[str, Array]:
    """Gradients by torch's names. The gradient of a sum of two biases is that of each."""
    if cell == "lstm":
        kernel, bias = map(exchanged, gradients)
    elif cell == "rnn":
        kernel, bias = gradients
    else:
        kernel, bias = np.concatenate(gradients[::2], 1), np.concatenate(gradients[1::2])
    return {"weight_ih": kernel[:width].T, "weight_hh": kernel[width:].T, "bias_ih": bias, "bias_hh": bias}


def exchanged(value: Array) -> Array:
    """i, f, g, o from i, j, f, o, and back: the middle two change places."""
    i, f, g, o = np.split(value, 4, axis=-1)
    return np.concatenate([i, g, f, o], axis=-1)
