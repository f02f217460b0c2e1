"""The graphs of make_graphs.py that are like programs of TensorFlow 1: loops, branches, variables, networks.

Only `make_graphs.py` imports this, where TensorFlow is.
"""

import re

import numpy as np
import tensorflow.compat.v1 as tf
from make_graph_operators import numbers

rnn = tf.nn.rnn_cell
N, T, I, H = 3, 5, 4, 6


def fetch_and_keep(folder, fetches, feeds, gradients=(), variables=True, runs=1):
    """Give all variables random values, run, and keep the graph and what came."""
    total = tf.reduce_sum(fetches[0]) if gradients or tf.trainable_variables() else None
    by = [*gradients, *tf.trainable_variables()] if total is not None else []
    derived = [g if g is None else tf.convert_to_tensor(g) for g in tf.gradients(total, by)] if by else []
    kept = {f"feed {tensor.name}": value for tensor, value in feeds.items()}
    folder.mkdir(parents=True)
    with tf.Session() as session:
        session.run([tf.global_variables_initializer()])
        for number, variable in enumerate(tf.global_variables()):
            if variable.dtype.base_dtype.is_floating and "power" not in variable.name:
                value = numbers(*variable.shape, seed=100 + number) * 0.5
                value = np.abs(value) if re.search("variance|squares", variable.name) else value
                variable.load(value.astype(variable.dtype.base_dtype.as_numpy_dtype), session)
        if variables and tf.global_variables():
            tf.train.Saver().save(session, str(folder / "model.ckpt"), write_state=False)
        else:
            (folder / "graph.pb").write_bytes(tf.get_default_graph().as_graph_def().SerializeToString())
        found = [(v, d) for v, d in zip(by, derived, strict=True) if d is not None]
        for run in range(runs):  # gradients are of the first
            values, slopes = session.run([fetches, [] if run else [d for _, d in found]], feeds)
            for tensor, value in zip(fetches, values, strict=True):
                kept[f"fetch {tensor.name}" + (f" run {run}" if run else "")] = value
            kept |= {f"gradient {v.name}": slope for (v, _), slope in zip(found, slopes, strict=False)}
    np.savez_compressed(folder / "results.npz", **kept)


def placeholder(*shape, name="x", dtype=tf.float32):
    return tf.placeholder(dtype, shape, name=name)


def nested_loops(folder):
    """Σ over i < n of Σ over j <= i of tanh(x W · j): a loop in a loop, with a variable in the inner one."""
    x, n = placeholder(None, I), placeholder(name="n", dtype=tf.int32)
    w = tf.get_variable("w", [I, I])

    def outer(i, total):
        def inner(j, part):
            return j + 1, part + tf.tanh(tf.matmul(x, w) * tf.cast(j, tf.float32) + part)

        _, part = tf.while_loop(lambda j, _: j <= i, inner, (0, tf.zeros_like(x)))
        return i + 1, total + part

    _, total = tf.while_loop(lambda i, _: i < n, outer, (0, tf.zeros_like(x)))
    fetch_and_keep(folder, [tf.identity(total, "total")], {x: numbers(N, I), n: 4}, [x])


def branches(folder):
    """Branches in a branch and in a loop, a loop in a branch that is not taken, and a loop of no steps."""
    x, flag = placeholder(None, I), placeholder(name="flag", dtype=tf.bool)
    count = placeholder(name="count", dtype=tf.int32)
    w = tf.get_variable("w", [I, I])
    looped = tf.cond(
        flag,
        lambda: tf.while_loop(lambda i, _: i < count, lambda i, y: (i + 1, tf.sin(y @ w)), (0, x))[1],
        lambda: tf.cond(tf.equal(count, 0), lambda: x * 3, lambda: tf.cos(x) @ w),
    )
    mixed = tf.while_loop(
        lambda i, _: i < 4,
        lambda i, y: (i + 1, tf.cond(tf.equal(i % 2, 0), lambda: y @ w, lambda: tf.tanh(y) - x)),
        (0, x),
    )[1]
    switched = tf.case([(flag, lambda: x + 1), (count > 1, lambda: x * 2)], default=lambda: x - 5)
    fetches = [tf.identity(looped, "looped"), tf.identity(mixed, "mixed"), tf.identity(switched, "switched")]
    fetch_and_keep(folder, fetches, {x: numbers(N, I), flag: "untaken" not in folder.name, count: 3}, [x])


def functions(folder):
    """Functions that call functions, one that returns two things, and one that reads a variable."""
    x = placeholder(None, I)
    w = tf.get_variable("w", [I, I], use_resource=True)

    @tf.function
    def inner(y):
        return tf.tanh(y) @ w, tf.shape(y)

    @tf.function
    def outer(y):
        first, shape = inner(y)
        second, _ = inner(first)
        return second + tf.cast(shape[0], tf.float32), tf.split(second, 2, axis=1)[1]

    fetch_and_keep(
        folder, [tf.identity(each, f"y{k}") for k, each in enumerate(outer(x))], {x: numbers(N, I)}, [x]
    )


def tensor_arrays(folder):
    """Arrays that grow, that are split and put together, and one element written apart from the others."""
    x = placeholder(None, I)
    rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True, infer_shape=False, clear_after_read=False)

    def body(i, array):
        return i + 1, array.write(i, x[: i + 1] * tf.cast(i + 1, tf.float32))

    _, rows = tf.while_loop(lambda i, _: i < N, body, (0, rows))
    joined = rows.concat()
    parts = tf.TensorArray(tf.float32, size=2, infer_shape=False).split(joined, [2, 4])
    scattered = tf.TensorArray(tf.float32, size=4, clear_after_read=False).scatter(
        [3, 1, 0, 2], tf.tile(x, [2, 1])[:4]
    )
    fetches = [
        tf.identity(joined, "joined"),
        tf.identity(parts.read(1), "read"),
        tf.identity(scattered.stack(), "stacked"),
        tf.identity(scattered.gather([2, 0, 2]), "gathered"),
        tf.identity(rows.size(), "size"),
    ]
    fetch_and_keep(folder, fetches, {x: numbers(N, I)}, [x])


def partitioned(folder):
    """A kernel in three parts, and an embedding in two, looked up by the number of the row."""
    ids = placeholder(None, None, name="ids", dtype=tf.int32)
    table = tf.get_variable("table", [7, I], partitioner=tf.fixed_size_partitioner(2))
    x = tf.nn.embedding_lookup(table, ids, partition_strategy="div")
    other = tf.nn.embedding_lookup(list(table), ids, partition_strategy="mod")
    with tf.variable_scope("rnn", partitioner=tf.fixed_size_partitioner(3)):
        outputs, _ = tf.nn.dynamic_rnn(rnn.BasicLSTMCell(H), x, dtype=tf.float32)
    fetches = [tf.identity(outputs, "y"), tf.identity(other, "other")]
    fetch_and_keep(folder, fetches, {ids: np.array([[0, 6, 3], [2, 5, 1]])})


def recurrent(folder):
    """Two directions over sequences of several lengths, of two kinds of cells, and a residual stack."""
    x, lengths = placeholder(None, None, I), placeholder(None, name="lengths", dtype=tf.int32)
    both, states = tf.nn.bidirectional_dynamic_rnn(
        rnn.LSTMCell(H, use_peepholes=True, cell_clip=0.7, num_proj=3, proj_clip=0.5),
        rnn.GRUCell(H), x, lengths, dtype=tf.float32,
    )  # fmt: skip
    y = tf.concat(both, 2)
    stack = rnn.MultiRNNCell([rnn.ResidualWrapper(rnn.BasicRNNCell(H + 3)) for _ in range(2)])
    with tf.variable_scope("second"):
        y, state = tf.nn.dynamic_rnn(stack, y, lengths, dtype=tf.float32)
    fetches = [tf.identity(y, "y"), tf.identity(states[0].c, "c"), tf.identity(state[1], "state")]
    fetch_and_keep(folder, fetches, {x: numbers(N, T, I), lengths: np.array([5, 0, 3])}, [x])


def decoder(folder):
    """An encoder, and a decoder that attends to it and feeds its own likeliest symbol back."""
    x, lengths = placeholder(None, None, I), placeholder(None, name="lengths", dtype=tf.int32)
    with tf.variable_scope("encoder"):
        memory, state = tf.nn.dynamic_rnn(rnn.GRUCell(H), x, lengths, dtype=tf.float32)
    table = tf.get_variable("table", [9, I])
    query, v = tf.get_variable("query", [H, H]), tf.get_variable("v", [H])
    out = tf.get_variable("out", [H, 9])
    cell, batch = rnn.GRUCell(H), tf.shape(x)[0]
    mask = tf.sequence_mask(lengths, tf.shape(memory)[1], tf.float32)

    def step(time, output, state_, loop_state):
        if output is None:
            symbol, state_ = tf.zeros([batch], tf.int32), state
        else:
            symbol = tf.argmax(output @ out, 1, output_type=tf.int32)
        scores = tf.reduce_sum(v * tf.tanh(memory + tf.expand_dims(state_ @ query, 1)), 2)
        weights = tf.nn.softmax(scores + (1 - mask) * -1e9)
        context = tf.reduce_sum(tf.expand_dims(weights, 2) * memory, 1)
        finished = tf.fill([batch], time >= 4)
        return finished, tf.concat([tf.nn.embedding_lookup(table, symbol), context], 1), state_, output, None

    emitted, _, _ = tf.nn.raw_rnn(cell, step)
    logits = tf.einsum("nth,hc->ntc", tf.transpose(emitted.stack(), [1, 0, 2]), out)
    targets = tf.constant(np.arange(12).reshape(3, 4) % 9, tf.int64)
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    loss = tf.identity(tf.reduce_sum(each * mask[:, :4]) / tf.reduce_sum(mask[:, :4]), "loss")
    fetches = [loss, tf.identity(logits, "logits")]
    fetch_and_keep(folder, fetches, {x: numbers(N, T, I), lengths: np.array([5, 2, 4])}, [x])


def convolutional(folder):
    """Convolutions, normalisation by stored statistics, pooling, and a recurrent layer over the columns."""
    x = placeholder(None, 6, 8, 1)
    keep = tf.placeholder_with_default(1.0, [], name="keep")
    y = tf.layers.conv2d(x, 3, 3, padding="same", activation=tf.nn.relu)
    y = tf.layers.batch_normalization(y, training=False)
    y = tf.layers.max_pooling2d(y, 2, 2, padding="same")
    y = tf.layers.conv2d(y, 4, (2, 3), (1, 1), padding="valid")
    y = tf.nn.dropout(y, keep_prob=keep, seed=11)
    y = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [-1, 2, 8])
    outputs = tf.nn.static_rnn(rnn.BasicLSTMCell(H), tf.unstack(y, axis=1), dtype=tf.float32)[0]
    fetch_and_keep(
        folder, [tf.identity(outputs[-1], "y")], {x: numbers(N, 6, 8, 1), keep: np.float32(0.6)}, [x]
    )


def dropout(folder):
    """Seeded dropout and noise, run three times: each run goes on in TensorFlow's stream of numbers."""
    tf.set_random_seed(7)
    x = placeholder(None, T, I)
    keep = placeholder(name="keep")
    cell = rnn.DropoutWrapper(rnn.BasicLSTMCell(H), input_keep_prob=keep, output_keep_prob=keep, seed=3)
    outputs = tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32)[0]
    fetches = [
        tf.stack(outputs, 1, name="y"),
        tf.random.normal([3, 5], seed=4, name="normal"),
        tf.random.truncated_normal([700], seed=5, name="truncated"),
        tf.random.uniform([2, 3], -1, 2, dtype=tf.float64, seed=6, name="uniform"),
    ]
    fetch_and_keep(folder, fetches, {x: numbers(N, T, I), keep: np.float32(0.5)}, runs=3)


def half(folder):
    """Weights and sums of 16 bits, of both kinds."""
    x = placeholder(None, I)
    w = tf.get_variable("w", [I, H], tf.float16)
    constant = tf.constant(numbers(I, H, seed=5), tf.bfloat16)
    fetches = [
        tf.cast(tf.tanh(tf.cast(x, tf.float16) @ w), tf.float32, name="float16"),
        tf.cast(tf.cast(x, tf.bfloat16) * constant[0, 0], tf.float32, name="bfloat16"),
    ]
    fetch_and_keep(folder, fetches, {x: numbers(N, I)})


def averages(folder):
    """Variables that are restored from their moving averages, under other names."""
    x = placeholder(None, I)
    w = tf.get_variable("w", [I, H])
    y = tf.matmul(x, w, name="y")
    average = tf.train.ExponentialMovingAverage(0.9)
    average.apply([w])
    folder.mkdir(parents=True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        value = numbers(I, H)
        w.load(value, session)
        saver = tf.train.Saver({"w/ExponentialMovingAverage": w})
        saver.save(session, str(folder / "model.ckpt"), write_state=False)
        kept = {"feed x:0": numbers(N, I, seed=1), "fetch y:0": session.run(y, {x: numbers(N, I, seed=1)})}
    np.savez_compressed(folder / "results.npz", **kept)


def counting(folder):
    """What a graph assigns to its variables stays: a count, and a sum of rows."""
    x = placeholder(None, I)
    count = tf.get_variable("count", [], tf.int32, tf.zeros_initializer(), trainable=False)
    total = tf.get_variable(
        "total", [I], tf.float32, tf.zeros_initializer(), trainable=False, use_resource=True
    )
    table = tf.get_variable("table", [4, I], tf.float32, tf.zeros_initializer(), trainable=False)
    counted = tf.assign_add(count, tf.shape(x)[0], name="counted")
    with tf.control_dependencies([counted]):
        summed = tf.identity(tf.assign_add(total, tf.reduce_sum(x, 0)), name="summed")
    rows = tf.identity(tf.scatter_add(table, [1, 3, 1], x), "rows")
    fetch_and_keep(folder, [summed, counted, rows], {x: numbers(N, I)}, runs=3)


def training(folder):
    """Optimizers' steps, each with variables of its own: the last one's come through a loop."""
    x, ids = placeholder(None, T, I), placeholder(None, T, name="ids", dtype=tf.int32)
    optimizers = {
        "descent": tf.train.GradientDescentOptimizer(0.1),
        "momentum": tf.train.MomentumOptimizer(0.1, 0.9),
        "nesterov": tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        "adam": tf.train.AdamOptimizer(0.1, name="squares"),
        "rms_prop": tf.train.RMSPropOptimizer(0.1, 0.8, 0.5, name="squares"),
        "centered": tf.train.RMSPropOptimizer(0.1, 0.8, 0.5, 1.0, centered=True, name="squares"),
        "adagrad": tf.train.AdagradOptimizer(0.1, name="squares"),
        "adadelta": tf.train.AdadeltaOptimizer(0.5, name="squares"),
        "ftrl": tf.train.FtrlOptimizer(
            0.1, l1_regularization_strength=0.1, l2_regularization_strength=0.2, name="squares"
        ),
    }
    outputs, _ = tf.nn.dynamic_rnn(rnn.LSTMCell(H), x, [5, 2, 3], dtype=tf.float32)
    losses, steps = [tf.reduce_mean(tf.square(outputs[:, -1] - outputs[:, 1]), name="loss")], []
    for name, optimizer in optimizers.items():
        with tf.variable_scope(name):
            table, w = tf.get_variable("table", [7, I]), tf.get_variable("w", [I, I])
            loss = tf.reduce_sum(tf.square(tf.matmul(tf.nn.embedding_lookup(table, ids)[:, 0], w)))
            steps.append((f"after_{name}", optimizer.minimize(loss, var_list=[table, w]), [table, w]))
    loop = [variable for variable in tf.trainable_variables() if variable.name.startswith("rnn/")]
    steps.append(("after_loop", tf.train.GradientDescentOptimizer(0.5).minimize(losses[0], None, loop), loop))
    for name, step, variables in steps:
        with tf.control_dependencies([step]):
            losses += [tf.identity(v.read_value(), f"{name}_{k}") for k, v in enumerate(variables)]
    fed = {x: numbers(N, T, I), ids: np.array([[0, 6, 3, 2, 5], [0, 1, 1, 1, 1], [4, 1, 1, 1, 1]])}
    fetch_and_keep(folder, losses, fed, runs=3)


def saved_model(folder):
    """A SavedModel of TensorFlow 1, with a signature."""
    x = placeholder(None, T, I)
    outputs, _ = tf.nn.dynamic_rnn(rnn.BasicLSTMCell(H), x, dtype=tf.float32)
    y = tf.identity(outputs[:, -1], "y")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.saved_model.simple_save(session, str(folder), {"pictures": x}, {"scores": y})
        kept = {"feed x:0": numbers(N, T, I), "fetch y:0": session.run(y, {x: numbers(N, T, I)})}
    np.savez_compressed(folder / "results.npz", **kept)


def saved_model_of_later(folder):
    """A SavedModel of TensorFlow 2: all in functions, variables restored by one of them."""
    import tensorflow as tf2

    class Model(tf2.Module):
        def __init__(self):
            self.w = tf2.Variable(numbers(I, H), name="w")
            self.b = tf2.Variable(numbers(H, seed=1), name="b")

        @tf2.function(input_signature=[tf2.TensorSpec([None, None, I], tf2.float32, name="x")])
        def __call__(self, x):
            h = tf2.zeros([tf2.shape(x)[0], H])
            for t in tf2.range(tf2.shape(x)[1]):
                h = tf2.tanh(x[:, t] @ self.w + h * self.b)
            return {"scores": h}

    model = Model()
    tf2.saved_model.save(model, str(folder))
    x = numbers(N, T, I)
    kept = {
        "feed serving_default_x:0": x,
        "fetch StatefulPartitionedCall:0": model(tf2.constant(x))["scores"].numpy(),
    }
    np.savez_compressed(folder / "results.npz", **kept)
    for spare in ("assets", "fingerprint.pb"):
        path = folder / spare
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


BOTH = {
    "nested-loops": nested_loops,
    "branches": branches,
    "branches-untaken": branches,
    "tensor-arrays": tensor_arrays,
    "recurrent": recurrent,
    "decoder": decoder,
    "training": training,
}
OLD = {
    "partitioned": partitioned,
    "convolutional": convolutional,
    "dropout": dropout,
    "half": half,
    "averages": averages,
    "counting": counting,
    "saved-model": saved_model,
}
LATER = {"functions": functions}
