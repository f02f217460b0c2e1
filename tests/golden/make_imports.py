"""Write imports.zip: checkpoints with graphs whose networks names and shapes do not tell, and what TensorFlow
computes, for test_imports.py.

Run it in an environment of its own, as make_checkpoints.py says:

    tfenv/bin/python tests/golden/make_imports.py

All weights are random and distinct. Networks with lengths have results for those, too.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf

N, T, I, H, C, V = 4, 6, 3, 5, 2, 7

rnn = tf.nn.rnn_cell
lstm, gru = (lambda: rnn.BasicLSTMCell(H, forget_bias=0.7)), (lambda: rnn.GRUCell(H))


def dense(v, width=C, scope="fc"):
    with tf.variable_scope(scope):
        return v @ tf.get_variable("W", [v.shape[-1], width]) + tf.get_variable("b", [width])


def dynamic(cell, x, lengths=None, **options):
    return tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32, **options)


def words(V=V, width=H):
    tokens = tf.placeholder(tf.int32, [None, None], name="x")
    return tokens, tf.nn.embedding_lookup(tf.get_variable("embedding", [V, width]), tokens)


def language_model(keep=None):
    """A word after each step; as the many that learn from PTB."""
    tokens, x = words()
    cells = [rnn.BasicLSTMCell(H, forget_bias=0.0) for _ in range(2)]
    if keep:
        cells = [rnn.DropoutWrapper(cell, output_keep_prob=keep) for cell in cells]
    outputs, _ = dynamic(rnn.MultiRNNCell(cells), x)
    return tokens, dense(tf.reshape(outputs, [-1, H]), V, "softmax")


def one_hot():
    """Letters, of which the graph itself makes steps; a letter after each, and one probability to keep."""
    tokens, keep = tf.placeholder(tf.int32, [N, None], name="x"), tf.placeholder(tf.float32, name="keep_prob")
    cell = rnn.DropoutWrapper(lstm(), output_keep_prob=tf.maximum(keep, 1.0))
    outputs, _ = dynamic(cell, tf.one_hot(tokens, V), initial_state=cell.zero_state(N, tf.float32))
    return tokens, dense(tf.reshape(outputs, [-1, H]), V, "softmax"), keep


def shared_language_model():
    """One cell in three layers, and an embedding as wide as it."""
    tokens, x = words()
    outputs, _ = dynamic(rnn.MultiRNNCell([lstm()] * 3), x)
    return tokens, dense(tf.reshape(outputs, [-1, H]), V, "softmax")


def batch_inside():
    """Only the state to begin with knows how many sequences there are: as many steps, time first, fit too."""
    x = tf.placeholder(tf.float32, [None, T, I], name="x")
    cell = lstm()
    outputs, _ = dynamic(cell, x, initial_state=cell.zero_state(11, tf.float32))
    return x, dense(tf.reshape(outputs, [-1, H]))


def classify(read, cell=lstm, before=lambda x: x):
    def build():
        x = tf.placeholder(tf.float32, [None, None, I], name="x")
        return x, dense(read(*dynamic(cell(), before(x))))

    return build


def with_lengths(read, names=("x", "seqlen")):
    def build():
        x = tf.placeholder(tf.float32, [None, None, I], name=names[0])
        lengths = tf.placeholder(tf.int32, [None], name=names[1])
        return x, dense(read(*dynamic(gru(), x, lengths), lengths)), lengths

    return build


def gathered(outputs, state, lengths):
    return tf.gather_nd(outputs, tf.stack([tf.range(tf.shape(outputs)[0]), lengths - 1], axis=1))


def masked_mean(outputs, state, lengths):
    return tf.reduce_sum(outputs, 1) / tf.cast(lengths, tf.float32)[:, None]


def time_major():
    x = tf.placeholder(tf.float32, [None, None, I], name="x")
    outputs, _ = dynamic(lstm(), x, time_major=True)
    return x, dense(outputs[-1])


def flat():
    """As for MNIST: a picture in one row, cut into steps."""
    x = tf.placeholder(tf.float32, [None, T * I], name="x")
    steps = tf.unstack(tf.reshape(x, [-1, T, I]), T, 1)
    return x, dense(tf.nn.static_rnn(lstm(), steps, dtype=tf.float32)[0][-1])


def fixed_batch():
    x = tf.placeholder(tf.float32, [N, T, I], name="x")
    cell = lstm()
    outputs, _ = dynamic(cell, x, initial_state=cell.zero_state(N, tf.float32))
    return x, dense(outputs[:, -1])


def ptb():
    """The tutorial's: a batch and a number of steps inside, a loop in Python, an answer at every step."""
    with tf.variable_scope("Model"):
        tokens = tf.placeholder(tf.int32, [N, T], name="x")
        with tf.device("/cpu:0"):
            x = tf.nn.embedding_lookup(tf.get_variable("embedding", [V, H]), tokens)
        cell = rnn.MultiRNNCell([rnn.BasicLSTMCell(H, forget_bias=0.0) for _ in range(2)])
        state, outputs = cell.zero_state(N, tf.float32), []
        with tf.variable_scope("RNN"):
            for step in range(T):
                if step > 0:
                    tf.get_variable_scope().reuse_variables()
                output, state = cell(x[:, step, :], state)
                outputs.append(output)
        rows = tf.reshape(tf.concat(outputs, 1), [-1, H])
        weight, bias = tf.get_variable("softmax_w", [H, V]), tf.get_variable("softmax_b", [V])
        return tokens, tf.nn.xw_plus_b(rows, weight, bias)


def half():
    x = tf.placeholder(tf.float16, [None, None, I], name="x")
    outputs, _ = tf.nn.dynamic_rnn(gru(), x, dtype=tf.float16)
    with tf.variable_scope("fc"):
        weight, bias = (
            tf.get_variable(name, shape, tf.float16) for name, shape in (("W", [H, C]), ("b", [C]))
        )
    return x, outputs[:, -1] @ weight + bias


def numbers_at_each_step():
    """A forecast: one number in, one out, by a dense layer on [N, T, H]."""
    x = tf.placeholder(tf.float32, [None, None, 1], name="x")
    outputs, _ = dynamic(lstm(), x)
    return x, tf.layers.Dense(1, name="dense")(outputs)


def two_directions_with_lengths():
    x = tf.placeholder(tf.float32, [None, None, I], name="x")
    lengths = tf.placeholder(tf.int32, [None], name="seqlen")
    _, (f, b) = tf.nn.bidirectional_dynamic_rnn(gru(), gru(), x, lengths, dtype=tf.float32)
    return x, dense(tf.concat([f, b], 1)), lengths


def averaged():
    """Its Saver keeps moving averages under their own names, and nothing else."""
    x, output = classify(lambda outputs, _: outputs[:, -1])()
    average = tf.train.ExponentialMovingAverage(0.9)
    average.apply(tf.trainable_variables())
    tf.add_to_collection("shadows", average)
    return x, output


def two_parts():
    """An encoder, and a decoder of the same width that begins with its state."""
    x = tf.placeholder(tf.float32, [None, None, H], name="x")
    with tf.variable_scope("encoder"):
        _, state = dynamic(lstm(), x)
    with tf.variable_scope("decoder"):
        outputs, _ = dynamic(lstm(), tf.zeros_like(x), initial_state=state)
    return x, dense(outputs[:, -1])


def two_scopes():
    """A stack whose layers have scopes of their own, not in the order of their names."""
    x = tf.placeholder(tf.float32, [None, None, H], name="x")
    with tf.variable_scope("second"):
        x_1, _ = dynamic(lstm(), x)
    with tf.variable_scope("first"):
        outputs, _ = dynamic(lstm(), x_1)
    return x, dense(outputs[:, -1])


def shared():
    x = tf.placeholder(tf.float32, [None, None, H], name="x")
    outputs, _ = dynamic(rnn.MultiRNNCell([lstm()] * 3), x)
    return x, dense(outputs[:, -1])


def residual():
    cells = [gru(), rnn.ResidualWrapper(gru()), rnn.ResidualWrapper(gru())]
    return classify(lambda outputs, _: outputs[:, -1], lambda: rnn.MultiRNNCell(cells))()


def own_initial_state():
    """A state to begin with, which is trained: no run folder has such."""
    x = tf.placeholder(tf.float32, [None, None, I], name="x")
    state = tf.tile(tf.get_variable("c0", [1, H]), [tf.shape(x)[0], 1])
    return x, dense(tf.nn.dynamic_rnn(gru(), x, initial_state=state)[0][:, -1])


def sum_of_steps():
    """Not the mean: T times as much."""
    return classify(lambda outputs, _: tf.reduce_sum(outputs, 1))()


def keras(make):
    def build():
        x = tf.keras.layers.Input([None, I], name="x")
        return x, tf.keras.layers.Dense(C, name="dense")(make()(x))

    return build


layers = tf.keras.layers
SIGMOID = {"recurrent_activation": "sigmoid"}
NETWORKS = {
    "language-model": language_model,
    "language-model-dropout": lambda: language_model(0.5),
    "one-hot": one_hot,
    "shared-language-model": shared_language_model,
    "batch-inside": batch_inside,
    "ptb": ptb,
    "half": half,
    "numbers-at-each-step": numbers_at_each_step,
    "two-directions-with-lengths": two_directions_with_lengths,
    "averaged": averaged,
    "shared": shared,
    "two-parts": two_parts,
    "two-scopes": two_scopes,
    "residual": residual,
    "max": classify(lambda outputs, _: tf.reduce_max(outputs, 1)),
    "mean": classify(lambda outputs, _: tf.reduce_mean(outputs, 1)),
    "first": classify(lambda outputs, _: outputs[:, 0]),
    "memory": classify(lambda _, state: state.c),
    "reversed": classify(lambda outputs, _: outputs[:, -1], before=lambda x: tf.reverse(x, [1])),
    "scaled": classify(lambda outputs, _: outputs[:, -1], before=lambda x: x / 255.0),
    "softsign-after": classify(lambda outputs, _: tf.nn.softsign(outputs[:, -1])),
    "own-initial-state": own_initial_state,
    "sum": sum_of_steps,
    "time-major": time_major,
    "flat": flat,
    "fixed-batch": fixed_batch,
    "lengths-last": with_lengths(gathered),
    "lengths-state": with_lengths(lambda _, state, lengths: state),
    "lengths-mean": with_lengths(masked_mean),
    "lengths-beside-the-end": with_lengths(lambda outputs, state, lengths: outputs[:, -1]),
    "keras-lstm": keras(lambda: layers.LSTM(H, **SIGMOID)),
    "keras-gru": keras(lambda: layers.GRU(H, reset_after=False, **SIGMOID)),
    "keras-gru-after": keras(lambda: layers.GRU(H, reset_after=True, **SIGMOID)),
    "keras-rnn": keras(lambda: layers.SimpleRNN(H)),
    "keras-two-directions": keras(lambda: layers.Bidirectional(layers.LSTM(H, **SIGMOID))),
    "keras-hard-sigmoid": keras(lambda: layers.LSTM(H, recurrent_activation="hard_sigmoid")),
}
EVERY_STEP = {  # the last is kept
    "language-model", "language-model-dropout", "one-hot", "shared-language-model", "ptb",
    "batch-inside",
    "numbers-at-each-step",
}  # fmt: skip


def main(folder):
    random = np.random.default_rng(14)
    results = {}
    for name, build in NETWORKS.items():
        with tf.Graph().as_default(), tf.Session() as session:
            x, output, *others = build()
            lengths = [other for other in others if other.dtype == tf.int32]
            session.run(tf.global_variables_initializer())
            for variable in tf.global_variables():
                variable.load(random.normal(scale=0.7, size=variable.shape), session)
            folder.joinpath(name).mkdir(parents=True)
            shadows = tf.get_collection("shadows")
            own = {f"{v.op.name}/ExponentialMovingAverage": v for v in tf.trainable_variables()}
            tf.train.Saver(own if shadows else None).save(session, str(folder / name / "model.ckpt"))
            feeds = {other: 1.0 for other in others if other.dtype == tf.float32}
            n = 11 if name == "batch-inside" else N
            if x.dtype == tf.int32:
                data = random.integers(0, V, (n, T)).astype("i4")
            else:
                flat_row = x.shape.rank == 2
                width = I if flat_row else x.shape[2]
                data = random.normal(size=(n, T, width)).astype(x.dtype.as_numpy_dtype)
            feeds[x] = (
                data.swapaxes(0, 1)
                if name == "time-major"
                else data.reshape(N, -1)
                if name == "flat"
                else data
            )
            if lengths:
                feeds[lengths[0]] = results[f"{name}/lengths"] = np.array([6, 1, 4, 3], "i4")
            answer = session.run(output, feeds)
            if name in EVERY_STEP:
                answer = answer.reshape(n, T, -1)[:, -1]
            results |= {f"{name}/x": data, f"{name}/output": answer}
    np.savez_compressed(folder / "results.npz", **results)


if __name__ == "__main__":
    tf.disable_v2_behavior()
    with tempfile.TemporaryDirectory() as folder:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else folder))
        target = Path(__file__).with_name("imports.zip")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file() and path.name != "checkpoint":
                    archive.write(path, path.relative_to(folder))
