"""Train one of the tutorials' recipes in TensorFlow 1's API, and write how it went as JSON.

Run it in an environment of its own, which the project does not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_tf1_trace.py T3 DATA_DIR/mnist trace.json [--steps 50]

A trace has the loss of each of the first 50 batches before its update, and the accuracy on the 10,000 test
images after the last step. The initial weights are TensorFlow's, drawn with the graph's seed SEED and, for
the k-th trainable variable, the operation's seed k. `scripts/replay_tf1.py` makes the same training here and
compares; tests/golden/tf1_traces.json has the traces of all recipes.
"""

import argparse
import gzip
import json
import os
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf

SEED = 1234
KEPT = 50  # losses in the trace
rnn = tf.nn.rnn_cell


def read(folder, name, header):
    return np.frombuffer(gzip.open(Path(folder, f"{name}-ubyte.gz")).read(), np.uint8, offset=header)


def read_mnist(folder):
    """Images as float32 [N, 28, 28] and one-hot labels: 55,000 to train, 10,000 to test."""
    parts = []
    for part, first in (("train", 5000), ("t10k", 0)):
        images = read(folder, f"{part}-images-idx3", 16).reshape(-1, 28, 28)[first:]
        labels = read(folder, f"{part}-labels-idx1", 8)[first:]
        parts += [np.multiply(images.astype(np.float32), 1.0 / 255.0), np.eye(10)[labels]]
    return parts


def rows_of_batches(count, size, steps, shuffled):
    """The rows of each batch: in the order of `next_batch`, or in file order without the last, short one."""
    if not shuffled:
        whole = count // size * size
        for step in range(steps):
            first = step * size % whole
            yield np.arange(first, first + size)
        return
    np.random.seed(SEED)
    epoch, start = np.arange(count), 0
    np.random.shuffle(epoch)
    for _ in range(steps):
        rows = epoch[start : start + size]
        start += size
        if start > count:
            epoch = np.arange(count)
            np.random.shuffle(epoch)
            start -= count
            rows = np.concatenate([rows, epoch[:start]])
        yield rows


def static(cell, x):
    return tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32)[0][-1]


def dynamic(cell, x):
    return tf.transpose(tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)[0], [1, 0, 2])[-1]


def fully_connected(features, y):
    with tf.variable_scope("fully_connected"):
        weights = tf.get_variable("weights", [features.shape[1], 10])
        biases = tf.get_variable("biases", [10], initializer=tf.zeros_initializer())
    output = tf.nn.softmax(tf.matmul(features, weights) + biases)
    return output, tf.reduce_mean(-tf.reduce_sum(y * tf.log(output), axis=1))


def matmul(features, y):
    W, b = tf.Variable(tf.zeros([features.shape[1], 10])), tf.Variable(tf.zeros([10]))
    logits = tf.matmul(features, W) + b
    return logits, tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=logits, labels=y))


def normal(stddev):
    return lambda shape, seed: tf.random_normal(shape, stddev=stddev, seed=seed)


def xavier(shape, seed):
    return tf.glorot_uniform_initializer(seed=seed)(shape) if len(shape) == 2 else tf.zeros(shape)


# features; output layer and how its variables start; optimizer; batch size, steps, whether shuffled
RECIPES = {
    "T0": (
        lambda x: static(rnn.BasicLSTMCell(28), x),
        matmul,
        normal(0.01),
        lambda: tf.train.RMSPropOptimizer(0.001, 0.9),
        (128, 42_900, False),
    ),
    "T1-net-1": (
        lambda x: static(rnn.BasicLSTMCell(128), x),
        fully_connected,
        xavier,
        lambda: tf.train.AdamOptimizer(1e-4),
        (128, 5_000, True),
    ),
    "T1-net-9": (
        lambda x: dynamic(rnn.MultiRNNCell([rnn.GRUCell(128) for _ in range(3)]), x),
        fully_connected,
        xavier,
        lambda: tf.train.AdamOptimizer(1e-4),
        (128, 5_000, True),
    ),
    "T3": (
        lambda x: static(rnn.BasicLSTMCell(128), x),
        matmul,
        normal(1.0),
        lambda: tf.train.AdamOptimizer(0.001),
        (128, 800, True),
    ),
    "T4": (
        lambda x: dynamic(rnn.MultiRNNCell([rnn.BasicLSTMCell(32), rnn.BasicLSTMCell(64)]), x),
        matmul,
        normal(1.0),
        lambda: tf.train.AdamOptimizer(0.01),
        (64, 8_590, True),
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("data", help="the folder with MNIST's four files, gzip")
    parser.add_argument("trace", type=Path)
    parser.add_argument("--steps", type=int, help="fewer steps than the recipe has")
    options = parser.parse_args()

    features, output_layer, draw_output, optimizer, (size, steps, shuffled) = RECIPES[options.recipe]
    steps = options.steps or steps
    train_x, train_y, test_x, test_y = read_mnist(options.data)
    tf.disable_eager_execution()
    tf.set_random_seed(SEED)
    x, y = tf.placeholder(tf.float32, [None, 28, 28]), tf.placeholder(tf.float32, [None, 10])
    output, loss = output_layer(features(x), y)
    trained = tf.trainable_variables()
    start = []
    for k, variable in enumerate(trained):
        shape, of_cell = variable.shape.as_list(), k < len(trained) - 2
        if len(shape) == 2 or not of_cell:  # a cell's biases start as the cell says
            start.append(tf.assign(variable, (xavier if of_cell else draw_output)(shape, k)))
    update = optimizer().minimize(loss)
    right = tf.equal(tf.argmax(output, 1), tf.argmax(y, 1))

    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    losses, started = [], time.perf_counter()
    with tf.Session(config=config) as session:
        session.run(tf.global_variables_initializer())
        session.run(start)
        for rows in rows_of_batches(len(train_x), size, steps, shuffled):
            _, value = session.run([update, loss], {x: train_x[rows], y: train_y[rows]})
            losses.append(float(value))
        rights = [
            session.run(right, {x: test_x[i : i + 500], y: test_y[i : i + 500]})
            for i in range(0, 10_000, 500)
        ]
    trace = {
        "tensorflow": tf.__version__,
        "recipe": options.recipe,
        "steps": steps,
        "losses": losses[:KEPT],
        "accuracy": float(np.mean(rights)),
        "seconds": round(time.perf_counter() - started, 1),
    }
    options.trace.write_text(json.dumps(trace))


if __name__ == "__main__":
    main()
