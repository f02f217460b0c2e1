"""Write tensorflow.npz: what TensorFlow 1's cells and loops compute, for test_tensorflow.py to compare with.

Run it in an environment of its own, which the tests themselves do not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_tensorflow.py

All numbers are random and distinct, in float64, and no two sizes are equal: a transposed kernel or two
swapped gates cannot give the same results.
"""

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf
from named_cells import H, I, P, cells

N, T = 5, 7
LENGTHS = np.array([7, 3, 0, 1, 5])

rnn = tf.nn.rnn_cell
CELLS = cells(rnn)


def main() -> None:
    random = np.random.default_rng(20240229)
    x = random.normal(size=(N, T, I))
    golden = {"tensorflow": np.array(tf.__version__), "x": x, "lengths": LENGTHS}

    def draw(*shape):
        return random.normal(scale=0.7, size=shape)

    def record(name, build):
        """Run what `build(inputs)` makes with random variables; keep variables and results under `name`."""
        with tf.Graph().as_default(), tf.Session() as session:
            results = build(tf.constant(x))
            for variable in tf.global_variables():
                value = draw(*variable.shape)
                variable.load(value, session)
                golden[f"{name}/{variable.op.name}"] = value
            for key, tensors in results.items():
                for position, value in enumerate(session.run(tf.nest.flatten(tensors))):
                    golden[f"{name}/{key}/{position}"] = value

    def initial_state(cell):
        return tf.nest.map_structure(lambda size: tf.constant(draw(N, size)), cell.state_size)

    def dynamic(cell, inputs):
        state = initial_state(cell)
        outputs, final = tf.nn.dynamic_rnn(cell, inputs, LENGTHS, state)
        return {"initial": state, "outputs": outputs, "final": final}

    def static(cell, inputs):
        state = initial_state(cell)
        outputs, final = tf.nn.static_rnn(cell, tf.unstack(inputs, axis=1), state, sequence_length=LENGTHS)
        return {"initial": state, "outputs": tf.stack(outputs, axis=1), "final": final}

    def whole(cell, inputs):
        outputs, final = tf.nn.dynamic_rnn(cell, inputs, dtype=tf.float64)
        return {"outputs": outputs, "final": final}

    def bidirectional(inputs):
        forward, backward = rnn.BasicLSTMCell(H), rnn.GRUCell(P)
        states = initial_state(forward), initial_state(backward)
        outputs, finals = tf.nn.bidirectional_dynamic_rnn(forward, backward, inputs, LENGTHS, *states)
        return {"initial": states, "outputs": tf.concat(outputs, 2), "final": finals}

    for name, make in CELLS.items():
        record(name, lambda inputs, make=make: dynamic(make(), inputs))
    record("static-stack", lambda inputs: static(CELLS["stack"](), inputs))
    record("whole-stack", lambda inputs: whole(CELLS["stack"](), inputs))
    record("bidirectional", bidirectional)
    np.savez_compressed(Path(__file__).with_name("tensorflow.npz"), **golden)


if __name__ == "__main__":
    main()
