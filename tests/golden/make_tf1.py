"""Write tf1.npz: what TensorFlow 1's API computes for the names of `unrolled.tf1`, see test_tf1.py.

Run it in an environment of its own, which the tests themselves do not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_tf1.py

Only results are kept: inputs and weights are drawn by their names from a generator that never changes.
What was in tf.contrib, which is gone, is built here of TensorFlow's ops, as contrib defined it.
"""

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf
from drawn import draw

N, T, I, H, L = 4, 5, 3, 6, 3
LENGTHS = [5, 2, 0, 1]
rnn = tf.nn.rnn_cell


def lstms(count, kind=rnn.BasicLSTMCell):
    return [kind(H) for _ in range(count)]


def multi(*cells):
    return rnn.MultiRNNCell(list(cells))


def static(cell, x, **options):
    outputs, state = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=x.dtype, **options)
    return tf.stack(outputs), state


def dynamic(cell, x, **options):
    outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=x.dtype, **options)
    return tf.transpose(outputs, [1, 0, 2]), state


def static_bi(x, **options):
    outputs, *states = tf.nn.static_bidirectional_rnn(
        *lstms(2), tf.unstack(x, axis=1), dtype=x.dtype, **options
    )
    return tf.stack(outputs), states


def dynamic_bi(x, **options):
    outputs, states = tf.nn.bidirectional_dynamic_rnn(*lstms(2), x, dtype=x.dtype, **options)
    return tf.transpose(tf.concat(outputs, 2), [1, 0, 2]), states


def stacked_static_bi(x, **options):
    """contrib's loop, its layers' scopes below one."""
    steps, states = tf.unstack(x, axis=1), []
    with tf.variable_scope("stack_bidirectional_rnn"):
        for layer in range(L):
            with tf.variable_scope(f"cell_{layer}") as scope:
                steps, *finals = tf.nn.static_bidirectional_rnn(
                    *lstms(2), steps, dtype=x.dtype, scope=scope, **options
                )
            states.append(finals)
    return tf.stack(steps), list(zip(*states, strict=True))


def stacked_dynamic_bi(x, **options):
    states = []
    with tf.variable_scope("stack_bidirectional_rnn"):
        for layer in range(L):
            with tf.variable_scope(f"cell_{layer}"):
                outputs, finals = tf.nn.bidirectional_dynamic_rnn(*lstms(2), x, dtype=x.dtype, **options)
            x = tf.concat(outputs, 2)
            states.append(finals)
    return tf.transpose(x, [1, 0, 2]), list(zip(*states, strict=True))


NETWORKS = {
    1: lambda x, **o: static(rnn.BasicLSTMCell(H), x, **o),
    2: lambda x, **o: static(rnn.GRUCell(H), x, **o),
    3: lambda x, **o: dynamic(rnn.BasicLSTMCell(H), x, **o),
    4: lambda x, **o: dynamic(rnn.GRUCell(H), x, **o),
    5: lambda x, **o: static(multi(*lstms(L, rnn.LSTMCell)), x, **o),
    6: lambda x, **o: static(multi(*lstms(L, rnn.GRUCell)), x, **o),
    7: lambda x, **o: static(multi(rnn.LSTMCell(H), rnn.GRUCell(2 * H)), x, **o),
    8: lambda x, **o: dynamic(multi(*lstms(L, rnn.LSTMCell)), x, **o),
    9: lambda x, **o: dynamic(multi(*lstms(L, rnn.GRUCell)), x, **o),
    10: lambda x, **o: dynamic(multi(rnn.LSTMCell(H), rnn.GRUCell(2 * H)), x, **o),
    11: static_bi,
    12: dynamic_bi,
    13: stacked_static_bi,
    14: stacked_dynamic_bi,
}


class Highway(rnn.RNNCell):
    """contrib's HighwayWrapper."""

    def __init__(self, cell, coupled):
        super().__init__()
        self.wrapped, self.coupled = cell, coupled

    state_size = property(lambda self: self.wrapped.state_size)
    output_size = property(lambda self: self.wrapped.output_size)

    def __call__(self, inputs, state, scope=None):
        def gate(name):
            w = tf.get_variable(f"{name}_w", [I, I], inputs.dtype)
            return tf.sigmoid(tf.matmul(inputs, w) + tf.get_variable(f"{name}_b", [I], inputs.dtype))

        outputs, state = self.wrapped(inputs, state)
        carry = gate("carry")
        return inputs * carry + outputs * (1 - carry if self.coupled else gate("transform")), state


class LayerNormLSTM(rnn.RNNCell):
    """contrib's LayerNormBasicLSTMCell, under its class's name."""

    def __init__(self, layer_norm):
        super().__init__(name="layer_norm_basic_lstm_cell")
        self.layer_norm = layer_norm

    state_size = rnn.LSTMStateTuple(H, H)
    output_size = H

    def norm(self, x, name):
        if not self.layer_norm:
            return x
        with tf.variable_scope(name):
            gamma, beta = (tf.get_variable(kind, [H], x.dtype) for kind in ("gamma", "beta"))
        mean, variance = tf.nn.moments(x, [1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)

    def call(self, inputs, state):
        c, h = state
        joint = tf.matmul(tf.concat([inputs, h], 1), tf.get_variable("kernel", [I + H, 4 * H], inputs.dtype))
        if not self.layer_norm:
            joint += tf.get_variable("bias", [4 * H], inputs.dtype)
        i, j, f, o = tf.split(joint, 4, 1)
        i, j = self.norm(i, "input"), self.norm(j, "transform")
        f, o = self.norm(f, "forget"), self.norm(o, "output")
        c = self.norm(c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j), "state")
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, rnn.LSTMStateTuple(c, h)


class Pair(rnn.RNNCell):
    """A cell of tuples: takes (a, b), returns (a + s, b * 2), with s the sum of all a."""

    state_size = I
    output_size = (I, 2)

    def call(self, inputs, state):
        a, b = inputs
        return (a + state, b * 2), a + state


CELLS = {
    "concatenated-stack": lambda: rnn.MultiRNNCell(
        [rnn.LSTMCell(H, num_proj=2, state_is_tuple=False), rnn.GRUCell(H)], state_is_tuple=False
    ),
    "rnn-sigmoid": lambda: rnn.BasicRNNCell(H, activation=tf.sigmoid),
    "gru-relu": lambda: rnn.GRUCell(H, activation=tf.nn.relu),
    "lstm-elu": lambda: rnn.LSTMCell(
        H, use_peepholes=True, cell_clip=0.4, num_proj=2, proj_clip=0.2, activation=tf.nn.elu
    ),
    "highway": lambda: Highway(rnn.BasicLSTMCell(I), coupled=True),
    "highway-uncoupled": lambda: Highway(rnn.BasicLSTMCell(I), coupled=False),
    "layer-norm": lambda: LayerNormLSTM(layer_norm=True),
    "layer-norm-off": lambda: LayerNormLSTM(layer_norm=False),
    "residual-function": lambda: rnn.ResidualWrapper(rnn.GRUCell(I), lambda x, y: x - 2 * y),
    "dropout-of-nothing": lambda: rnn.DropoutWrapper(rnn.GRUCell(H), output_keep_prob=1.0),
}

# Numbers that float32 holds exactly: TensorFlow rounds them even for a float64 variable.
LR = 2**-4
OPTIMIZERS = {
    "adam": lambda: tf.train.AdamOptimizer(LR, 0.875, 0.75, epsilon=2**-10),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(LR, 0.75),
    "rmsprop-momentum": lambda: tf.train.RMSPropOptimizer(LR, 0.75, momentum=0.5, epsilon=2**-10),
    "rmsprop-centered": lambda: tf.train.RMSPropOptimizer(LR, 0.75, momentum=0.5, centered=True),
    "momentum": lambda: tf.train.MomentumOptimizer(LR, 0.5),
    "nesterov": lambda: tf.train.MomentumOptimizer(LR, 0.5, use_nesterov=True),
    "adagrad": lambda: tf.train.AdagradOptimizer(LR, initial_accumulator_value=0.125),
    "gradient-descent": lambda: tf.train.GradientDescentOptimizer(LR),
}


def run(name, build, *inputs, dtype="float64", **options):
    """The flat results of `build(*inputs, **options)` with the variables that their names draw."""
    with tf.Graph().as_default(), tf.Session() as session:
        results = tf.nest.flatten(build(*(tf.constant(x, dtype) for x in inputs), **options))
        for variable in tf.global_variables():
            variable.load(draw(f"{name}/{variable.op.name}", *variable.shape), session)
        return session.run(results)


def in_loop(make):
    return lambda x: dynamic(make(), x, sequence_length=LENGTHS)


def nested(a, b):
    return tf.nn.dynamic_rnn(Pair(), (a, b), LENGTHS, dtype="float64")


def raw(x):
    """A loop that feeds the cell its output, carries the steps' sum, and emits more than the cell gives."""
    cell = rnn.GRUCell(I)

    def loop_fn(time, output, state, total):
        if output is None:
            emit = (tf.zeros([I], x.dtype), tf.zeros([], tf.int32))
            return time >= LENGTHS, x[:, 0], cell.zero_state(N, x.dtype), emit, tf.constant(0)
        return time >= LENGTHS, output + x[:, 0], state * 0.5, (output, tf.fill([N], time)), total + time

    (outputs, times), state, total = tf.nn.raw_rnn(cell, loop_fn)
    return outputs.stack(), times.stack(), state, total


def trajectory(optimizer):
    """Five updates of a variable by gradients that are drawn, small ones and large ones."""
    gradients = draw("gradients", 5, 4) * [1e-3, 0.1, 1.0, 10.0]
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.Variable(draw("start", 4))
        gradient = tf.placeholder(tf.float64, [4])
        update = optimizer().apply_gradients([(gradient, variable)])
        session.run(tf.global_variables_initializer())
        steps = []
        for value in gradients:
            session.run(update, {gradient: value})
            steps.append(session.run(variable))
        return np.stack(steps)


def random_numbers():
    """Numbers of each distribution, with both seeds, and of operations without one of their own."""
    numbers = {}
    for dtype in ("float32", "float64"):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1234)
            drawn = {
                "uniform": tf.random_uniform([37], -0.3, 0.7, dtype=dtype, seed=42),
                "normal": tf.random_normal([37], 0.1, 0.5, dtype=dtype, seed=42),
                "truncated": tf.truncated_normal([37], 0.1, 0.5, dtype=dtype, seed=42),
                "first-unseeded": tf.random_uniform([5], dtype=dtype),
                "second-unseeded": tf.random_uniform([5], dtype=dtype),
                "large-seed": tf.random_uniform([5], dtype=dtype, seed=2**40 + 5),
            }
            numbers |= {f"{name}/{dtype}": value for name, value in session.run(drawn).items()}
    with tf.Graph().as_default(), tf.Session() as session:
        glorot = tf.glorot_uniform_initializer(seed=42)
        numbers["glorot-kernel"] = session.run(glorot([5, 12]))
        numbers["glorot-vector"] = session.run(glorot([12]))
    return numbers


def main():
    golden = {"tensorflow": np.array(tf.__version__)}
    x = draw("x", N, T, I, scale=1.0)

    def keep(name, results):
        golden.update({f"{name}/{number}": value for number, value in enumerate(results)})

    for number, network in NETWORKS.items():
        name = f"net-{number}"
        keep(f"{name}/float64/dense", run(name, network, x))
        for dtype in ("float64", "float32"):
            results = run(name, network, x, dtype=dtype, sequence_length=LENGTHS)
            keep(f"{name}/{dtype}/ragged", results)
    for name, make in CELLS.items():
        keep(name, run(name, in_loop(make), x))
    keep("nested", run("nested", nested, x, draw("b", N, T, 2)))
    keep("raw", run("raw", raw, x))
    for name, optimizer in OPTIMIZERS.items():
        golden[f"optimizer/{name}"] = trajectory(optimizer)
    golden |= {f"random/{name}": value for name, value in random_numbers().items()}
    np.savez_compressed(Path(__file__).with_name("tf1.npz"), **golden)


if __name__ == "__main__":
    main()
