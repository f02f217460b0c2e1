"""TensorFlow 2: Keras 3's LSTM, GRU and SimpleRNN layers in a tf.function."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers.protocol import Array, Problem, Steps, full_name

VERSION = f"keras {keras.__version__}"


def build(problem: Problem, threads: int) -> Steps:
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    x, target = tf.constant(problem.x), tf.constant(problem.target)
    N, T, _ = problem.x.shape
    mask = None if problem.lengths is None else tf.sequence_mask(problem.lengths, T)
    last = np.full(N, T - 1) if problem.lengths is None else problem.lengths - 1
    chosen = tf.constant(np.stack([np.arange(N), last], 1))

    layers = []
    for layer in range(problem.layers):
        H = problem.of(layer, 0)["weight_hh"].shape[1]
        one = {
            "lstm": lambda H=H: keras.layers.LSTM(H, return_sequences=True),
            "gru": lambda H=H: keras.layers.GRU(H, return_sequences=True, reset_after=True),
            "gru-before": lambda H=H: keras.layers.GRU(H, return_sequences=True, reset_after=False),
            "rnn": lambda H=H: keras.layers.SimpleRNN(H, return_sequences=True),
        }[problem.cell]()
        layers.append(keras.layers.Bidirectional(one) if problem.directions == 2 else one)

    def outputs() -> Any:
        y = x
        for layer in layers:
            y = layer(y, mask=mask)
        return y

    outputs()  # makes the variables
    for number, layer in enumerate(layers):
        ways = (problem.of(number, way) for way in range(problem.directions))
        layer.set_weights([value for w in ways for value in to_keras(problem.cell, w)])
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    def gradients() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.gather_nd(outputs(), chosen) - target) ** 2)
        return tape.gradient(loss, [variable.value for variable in variables])

    forward, differentiate = tf.function(outputs), tf.function(gradients)

    @tf.function
    def train() -> None:
        optimizer.apply(gradients(), variables)

    def named_gradients() -> dict[str, Array]:
        found = iter([value.numpy() for value in differentiate()])
        return {
            full_name(name, layer, way): value
            for layer in range(problem.layers)
            for way in range(problem.directions)
            for name, value in from_keras(problem.cell, [next(found) for _ in range(3)]).items()
        }

    return Steps(lambda: forward().numpy(), forward, named_gradients, train)


def swapped(cell: str, value: Array) -> Array:
    """The gates' order from torch's to Keras', or back: only GRU's first two are exchanged."""
    if not cell.startswith("gru"):
        return value
    r, z, n = np.split(value, 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)


def to_keras(cell: str, w: dict[str, Array]) -> list[Array]:
    """kernel [I, K H], recurrent kernel [H, K H] and bias: [2, K H] of a GRU with reset after, else [K H]."""
    both = np.stack([w["bias_ih"], w["bias_hh"]])
    bias = both if cell == "gru" else both.sum(0)
    return [swapped(cell, value) for value in (w["weight_ih"].T, w["weight_hh"].T, bias)]


def from_keras(cell: str, gradients: list[Array]) -> dict[str, Array]:
    """Gradients by torch's names. The gradient of a sum of two biases is that of each."""
    kernel, recurrent, bias = (swapped(cell, value) for value in gradients)
    b, d = bias if cell == "gru" else (bias, bias)
    return {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias_ih": b, "bias_hh": d}
