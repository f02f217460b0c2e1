"""Train one of the tutorials' recipes in TensorFlow 1's API, and keep how it went.

Run it in an environment of its own, which the project does not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_tf1_trace.py seed-003 DATA_DIR/mnist tests/golden/tf1_traces.json

The trace is added to those in the file. It has the loss of each of the first 50 batches before its update,
the accuracy on the 10,000 test images and on the first 1,280 of them after the last step, and the median time
of a step. The initial weights are TensorFlow's, drawn with the graph's seed SEED and, for the k-th trainable
variable, the operation's seed k. `scripts/replay_tf1.py` makes the same training here and compares.
"""

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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
    epoch, start = shuffled_again(np.arange(count)), 0
    for _ in range(steps):
        rows = epoch[start : start + size]
        start += size
        if start > count:
            epoch = shuffled_again(epoch)
            start -= count
            rows = np.concatenate([rows, epoch[:start]])
        yield rows


def shuffled_again(rows):
    """In another order; `next_batch` shuffles what it shuffled before."""
    order = np.arange(len(rows))
    np.random.shuffle(order)
    return rows[order]


def static(cell, x):
    return tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32)[0][-1]


def dynamic(cell, x):
    return tf.transpose(tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)[0], [1, 0, 2])[-1]


def static_bidirectional(x, layers):
    """As tf.contrib.rnn.stack_bidirectional_rnn, which is gone: a layer reads both ways of the one below."""
    outputs = tf.unstack(x, axis=1)
    for layer in range(layers):
        with tf.variable_scope(f"cell_{layer}"):
            cells = rnn.BasicLSTMCell(128), rnn.BasicLSTMCell(128)
            outputs, _, _ = tf.nn.static_bidirectional_rnn(*cells, outputs, dtype=tf.float32)
    return outputs[-1]


def dynamic_bidirectional(x, layers):
    """As tf.contrib.rnn.stack_bidirectional_dynamic_rnn."""
    for layer in range(layers):
        with tf.variable_scope(f"cell_{layer}"):
            cells = rnn.BasicLSTMCell(128), rnn.BasicLSTMCell(128)
            ways, _ = tf.nn.bidirectional_dynamic_rnn(*cells, x, dtype=tf.float32)
            x = tf.concat(ways, axis=2)
    return tf.transpose(x, [1, 0, 2])[-1]


def stack(kind, *sizes):
    return rnn.MultiRNNCell([kind(size) for size in sizes])


def mix():
    return rnn.MultiRNNCell([rnn.LSTMCell(128), rnn.GRUCell(256)])


def with_dropout():
    """Three layers whose outputs a dropout with a fed keep_prob leaves as they are: 1.0 is fed."""
    keep_prob = tf.placeholder_with_default(1.0, [])
    cells = [rnn.BasicLSTMCell(256, name=f"layer_{i}") for i in range(3)]
    return rnn.MultiRNNCell([rnn.DropoutWrapper(cell, output_keep_prob=keep_prob) for cell in cells])


def top_state(x):
    return tf.nn.dynamic_rnn(with_dropout(), x, dtype=tf.float32)[1][-1].h


def called_by_hand(x):
    cell = with_dropout()
    state = cell.zero_state(tf.shape(x)[0], tf.float32)
    with tf.variable_scope("RNN"):
        for row in tf.unstack(x, axis=1):
            output, state = cell.call(row, state)
    return output


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


def summed(features, y):
    W, b = tf.Variable(tf.zeros([features.shape[1], 10])), tf.Variable(tf.zeros([10]))
    output = tf.nn.softmax(tf.matmul(features, W) + b)
    return output, -tf.reduce_sum(y * tf.log(output))


def normal(stddev):
    return lambda shape, seed: tf.random_normal(shape, stddev=stddev, seed=seed)


def truncated(shape, seed):
    """W truncated normal, b constant."""
    return tf.truncated_normal(shape, stddev=0.1, seed=seed) if len(shape) == 2 else tf.fill(shape, 0.1)


def xavier(shape, seed):
    return tf.glorot_uniform_initializer(seed=seed)(shape) if len(shape) == 2 else tf.zeros(shape)


class Recipe(NamedTuple):
    """`features` makes the network below the output layer; `draw` a variable of the output layer."""

    features: Callable
    output_layer: Callable
    draw: Callable
    optimizer: Callable
    batch_size: int
    steps: int
    shuffled: bool = True


def lesson(features):
    """One of the fourteen networks of seed 001, which share the rest."""
    return Recipe(features, fully_connected, xavier, lambda: tf.train.AdamOptimizer(1e-4), 128, 5_000)


RECIPES = {
    "seed-000": Recipe(
        lambda x: static(rnn.BasicLSTMCell(28), x),
        matmul,
        normal(0.01),
        lambda: tf.train.RMSPropOptimizer(0.001, 0.9),
        128,
        42_900,
        shuffled=False,
    ),
    "seed-001-net-1": lesson(lambda x: static(rnn.BasicLSTMCell(128), x)),
    "seed-001-net-2": lesson(lambda x: static(rnn.GRUCell(128), x)),
    "seed-001-net-3": lesson(lambda x: dynamic(rnn.BasicLSTMCell(128), x)),
    "seed-001-net-4": lesson(lambda x: dynamic(rnn.GRUCell(128), x)),
    "seed-001-net-5": lesson(lambda x: static(stack(rnn.LSTMCell, 128, 128, 128), x)),
    "seed-001-net-6": lesson(lambda x: static(stack(rnn.GRUCell, 128, 128, 128), x)),
    "seed-001-net-7": lesson(lambda x: static(mix(), x)),
    "seed-001-net-8": lesson(lambda x: dynamic(stack(rnn.LSTMCell, 128, 128, 128), x)),
    "seed-001-net-9": lesson(lambda x: dynamic(stack(rnn.GRUCell, 128, 128, 128), x)),
    "seed-001-net-10": lesson(lambda x: dynamic(mix(), x)),
    "seed-001-net-11": lesson(lambda x: static_bidirectional(x, 1)),
    "seed-001-net-12": lesson(lambda x: dynamic_bidirectional(x, 1)),
    "seed-001-net-13": lesson(lambda x: static_bidirectional(x, 3)),
    "seed-001-net-14": lesson(lambda x: dynamic_bidirectional(x, 3)),
    "seed-002": Recipe(top_state, summed, truncated, lambda: tf.train.AdamOptimizer(0.01), 32, 2),
    "seed-002-multi-lstm": Recipe(
        called_by_hand, summed, truncated, lambda: tf.train.AdamOptimizer(0.001), 5, 2_000
    ),
    "seed-003": Recipe(
        lambda x: static(rnn.BasicLSTMCell(128), x),
        matmul,
        normal(1.0),
        lambda: tf.train.AdamOptimizer(0.001),
        128,
        800,
    ),
    "seed-004": Recipe(
        lambda x: dynamic(stack(rnn.BasicLSTMCell, 32, 64), x),
        matmul,
        normal(1.0),
        lambda: tf.train.AdamOptimizer(0.01),
        64,
        8_590,
    ),
}


class Training:
    """A recipe in a session, with its initial weights drawn."""

    def __init__(self, recipe, threads):
        tf.disable_eager_execution()
        tf.reset_default_graph()
        tf.set_random_seed(SEED)
        self.x = tf.placeholder(tf.float32, [None, 28, 28])
        self.y = tf.placeholder(tf.float32, [None, 10])
        output, self.loss = recipe.output_layer(recipe.features(self.x), self.y)
        trained = tf.trainable_variables()
        start = []
        for k, variable in enumerate(trained):
            shape, of_cell = variable.shape.as_list(), k < len(trained) - 2
            if len(shape) == 2 or not of_cell:  # a cell's biases start as the cell says
                start.append(tf.assign(variable, (xavier if of_cell else recipe.draw)(shape, k)))
        self.update = recipe.optimizer().minimize(self.loss)
        self.right = tf.equal(tf.argmax(output, 1), tf.argmax(self.y, 1))
        config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        self.session = tf.Session(config=config)
        self.session.run(tf.global_variables_initializer())
        self.session.run(start)

    def step(self, x, y):
        """The loss of a batch before the update that it makes."""
        return float(self.session.run([self.update, self.loss], {self.x: x, self.y: y})[1])

    def accuracy(self, x, y):
        parts = [slice(i, i + 500) for i in range(0, len(x), 500)]
        rights = [self.session.run(self.right, {self.x: x[part], self.y: y[part]}) for part in parts]
        return float(np.mean(np.concatenate(rights)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("data", help="the folder with MNIST's four files, gzip")
    parser.add_argument("traces", type=Path, help="a file of traces, or a new one")
    parser.add_argument("--steps", type=int, help="fewer steps than the recipe has")
    options = parser.parse_args()

    recipe = RECIPES[options.recipe]
    steps = options.steps or recipe.steps
    train_x, train_y, test_x, test_y = read_mnist(options.data)
    training = Training(recipe, threads=1)
    losses, seconds = [], []
    for rows in rows_of_batches(len(train_x), recipe.batch_size, steps, recipe.shuffled):
        x, y = train_x[rows], train_y[rows]
        started = time.perf_counter()
        losses.append(training.step(x, y))
        seconds.append(time.perf_counter() - started)
    traces = json.loads(options.traces.read_text()) if options.traces.exists() else {}
    traces[options.recipe] = {
        "tensorflow": tf.__version__,
        "steps": steps,
        "accuracy": training.accuracy(test_x, test_y),
        "accuracy_1280": training.accuracy(test_x[:1280], test_y[:1280]),
        "seconds_per_step": round(float(np.median(seconds)), 6),
        "losses": losses[:KEPT],
    }
    lines = [f' "{name}": {json.dumps(traces[name])}' for name in RECIPES if name in traces]
    options.traces.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
