"""Write checkpoints.zip: checkpoints of TensorFlow 1's Saver with what their networks compute, for
test_checkpoints.py to read and to compare with.

Run it in an environment of its own, which the tests themselves do not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_checkpoints.py

`make_checkpoints.py FOLDER` writes the same into a folder, the networks of the catalogue in full size.
All weights are random and distinct, and no two sizes are equal.
"""

import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import numpy as np
import tensorflow.compat.v1 as tf

N, T = 5, 7
FULL = len(sys.argv) > 1
I, H, K, CLASSES = (28, 128, 256, 10) if FULL else (3, 4, 6, 5)

rnn = tf.nn.rnn_cell
lstm, gru = (lambda: rnn.BasicLSTMCell(H)), (lambda: rnn.GRUCell(H))


def linear(x, width, scope, names=("weights", "biases")):
    """A dense layer as tf.contrib.layers.fully_connected names it."""
    with tf.variable_scope(scope):
        kernel = tf.get_variable(names[0], [x.shape[-1], width])
        return x @ kernel + tf.get_variable(names[1], [width])


def plain_linear(x, width, *names):
    """A dense layer of tf.Variables, without names unless given."""
    names = names or (None, None)
    kernel = tf.Variable(tf.zeros([x.shape[-1], width]), name=names[0])
    return x @ kernel + tf.Variable(tf.zeros([width]), name=names[1])


def classify(v):
    return linear(v, CLASSES, "fully_connected")


def dynamic(cell, x):
    return tf.nn.dynamic_rnn(cell, x, dtype=x.dtype)[0][:, -1]


def static(cell, x):
    return tf.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=x.dtype)[0][-1]


def bi_static(x):
    return tf.nn.static_bidirectional_rnn(lstm(), lstm(), tf.unstack(x, axis=1), dtype=x.dtype)[0][-1]


def bi_dynamic(x):
    outputs, _ = tf.nn.bidirectional_dynamic_rnn(lstm(), lstm(), x, dtype=x.dtype)
    return tf.concat(outputs, 2)[:, -1]


# The two functions of tf.contrib that TensorFlow 2 has no more; their scopes are what matters here.
def stack_bi_static(x, layers=3):
    steps = tf.unstack(x, axis=1)
    with tf.variable_scope("stack_bidirectional_rnn"):
        for layer in range(layers):
            with tf.variable_scope(f"cell_{layer}") as scope:
                steps = tf.nn.static_bidirectional_rnn(lstm(), lstm(), steps, dtype=x.dtype, scope=scope)[0]
    return steps[-1]


def stack_bi_dynamic(x, layers=3):
    with tf.variable_scope("stack_bidirectional_rnn"):
        for layer in range(layers):
            with tf.variable_scope(f"cell_{layer}"):
                outputs, _ = tf.nn.bidirectional_dynamic_rnn(lstm(), lstm(), x, dtype=x.dtype)
                x = tf.concat(outputs, 2)
    return x[:, -1]


def stack(*cells):
    return rnn.MultiRNNCell(list(cells))


CATALOGUE = {
    "single-layer-static-lstm": lambda x: classify(static(lstm(), x)),
    "single-layer-static-gru": lambda x: classify(static(gru(), x)),
    "single-layer-dynamic-lstm": lambda x: classify(dynamic(lstm(), x)),
    "single-layer-dynamic-gru": lambda x: classify(dynamic(gru(), x)),
    "multi-layer-static-lstm": lambda x: classify(static(stack(*(rnn.LSTMCell(H) for _ in range(3))), x)),
    "multi-layer-static-gru": lambda x: classify(static(stack(gru(), gru(), gru()), x)),
    "multi-layer-static-mix": lambda x: classify(static(stack(rnn.LSTMCell(H), rnn.GRUCell(K)), x)),
    "multi-layer-dynamic-lstm": lambda x: classify(dynamic(stack(*(rnn.LSTMCell(H) for _ in range(3))), x)),
    "multi-layer-dynamic-gru": lambda x: classify(dynamic(stack(gru(), gru(), gru()), x)),
    "multi-layer-dynamic-mix": lambda x: classify(dynamic(stack(rnn.LSTMCell(H), rnn.GRUCell(K)), x)),
    "single-layer-static-bi-lstm": lambda x: classify(bi_static(x)),
    "single-layer-dynamic-bi-lstm": lambda x: classify(bi_dynamic(x)),
    "multi-layer-static-bi-lstm": lambda x: classify(stack_bi_static(x)),
    "multi-layer-dynamic-bi-lstm": lambda x: classify(stack_bi_dynamic(x)),
}


def every_option(x):
    cell = rnn.LSTMCell(H, use_peepholes=True, num_proj=2, cell_clip=0.4, proj_clip=0.2, forget_bias=0.3)
    return classify(dynamic(cell, x))


def named_by_hand(x):
    """Seed 002: cells with names of their own in dropout, read from the state; plain tf.Variables."""
    keep = tf.placeholder_with_default(1.0, [])
    cells = [rnn.DropoutWrapper(rnn.BasicLSTMCell(H, name=f"layer_{n}"), output_keep_prob=keep) for n in "01"]
    _, states = tf.nn.dynamic_rnn(stack(*cells), x, dtype=x.dtype)
    return plain_linear(states[-1].h, CLASSES)


def called_by_hand(x):
    """A stack's `call`, step by step: no level multi_rnn_cell."""
    cell = stack(rnn.BasicLSTMCell(H), rnn.BasicLSTMCell(K))
    state = cell.zero_state(N, x.dtype)
    with tf.variable_scope("RNN"):
        for step in range(T):
            if step > 0:
                tf.get_variable_scope().reuse_variables()
            output, state = cell.call(x[:, step], state)
    return plain_linear(output, CLASSES, "W", "b")


def bi_states(x):
    _, states = tf.nn.bidirectional_dynamic_rnn(gru(), gru(), x, dtype=x.dtype)
    return classify(tf.concat(states, 1))


def bi_static_states(x):
    _, *states = tf.nn.static_bidirectional_rnn(lstm(), lstm(), tf.unstack(x, axis=1), dtype=x.dtype)
    return classify(tf.concat([state.h for state in states], 1))


def bi_of_stacks(x):
    cells = [stack(rnn.BasicLSTMCell(H), rnn.BasicLSTMCell(K)) for _ in range(2)]
    outputs, _ = tf.nn.bidirectional_dynamic_rnn(*cells, x, dtype=x.dtype)
    return classify(tf.concat(outputs, 2)[:, -1])


def scopes_of_bi(x):
    """Bidirectional layers in scopes that someone named."""
    for scope in ("layer_1", "layer_2"):
        with tf.variable_scope(scope):
            x = tf.concat(tf.nn.bidirectional_dynamic_rnn(gru(), gru(), x, dtype=x.dtype)[0], 2)
    return linear(x[:, -1], CLASSES, "logits", ("kernel", "bias"))


def dense_around(x):
    x = tf.nn.relu(tf.layers.dense(x, K, name="before"))
    v = tf.nn.tanh(linear(dynamic(rnn.LSTMCell(H, activation=tf.nn.relu), x), 8, "hidden"))
    return linear(v, CLASSES, "last")


def relu_rnn(x):
    return plain_linear(static(rnn.BasicRNNCell(H, activation=tf.nn.relu), x), CLASSES, "weights1", "biases1")


def partitioned(x):
    with tf.variable_scope("", partitioner=tf.fixed_size_partitioner(3)):
        return classify(dynamic(lstm(), x))


def two_devices(x):
    with tf.device("/cpu:1"):
        v = dynamic(gru(), x)
    return classify(v)


OTHERS = {
    "every-option": every_option,
    "named-by-hand": named_by_hand,
    "called-by-hand": called_by_hand,
    "bi-states": bi_states,
    "bi-static-states": bi_static_states,
    "bi-of-stacks": bi_of_stacks,
    "scopes-of-bi": scopes_of_bi,
    "dense-around": dense_around,
    "relu-rnn": relu_rnn,
    "mixed-stack": lambda x: classify(
        dynamic(stack(rnn.LSTMCell(H), rnn.GRUCell(K), rnn.BasicRNNCell(7)), x)
    ),
    "no-classifier": lambda x: static(gru(), x),
    "peepholes": lambda x: plain_linear(dynamic(rnn.LSTMCell(H, use_peepholes=True), x), CLASSES),
    "partitioned": partitioned,
    "shards": two_devices,
    "loops-as-functions": lambda x: classify(dynamic(rnn.BasicLSTMCell(H, forget_bias=0.7), x)),
    "resources": lambda x: classify(dynamic(rnn.LSTMCell(H, forget_bias=0.6), x)),
}

# Names in a checkpoint of another era, or of version 1, from a network of today: (network, version, renames).
FIRST_ERA = [
    (r"multi_rnn_cell", "MultiRNNCell"),
    (r"cell_(\d+)", r"Cell\1"),
    (r"bidirectional_rnn/fw", "BiRNN_FW"),
    (r"bidirectional_rnn/bw", "BiRNN_BW"),
    (r"basic_lstm_cell/kernel", "BasicLSTMCell/Linear/Matrix"),
    (r"basic_lstm_cell/bias", "BasicLSTMCell/Linear/Bias"),
    (r"gru_cell/gates/kernel", "GRUCell/Gates/Linear/Matrix"),
    (r"gru_cell/gates/bias", "GRUCell/Gates/Linear/Bias"),
    (r"gru_cell/candidate/kernel", "GRUCell/Candidate/Linear/Matrix"),
    (r"gru_cell/candidate/bias", "GRUCell/Candidate/Linear/Bias"),
    (r"basic_rnn_cell/kernel", "BasicRNNCell/Linear/Matrix"),
    (r"basic_rnn_cell/bias", "BasicRNNCell/Linear/Bias"),
    (r"lstm_cell/kernel", "LSTMCell/W_0"),
    (r"lstm_cell/bias", "LSTMCell/B"),
    (r"lstm_cell/w_([ifo])_diag", lambda match: f"LSTMCell/W_{match[1].upper()}_diag"),
    (r"lstm_cell/projection/kernel", "LSTMCell/W_P_0"),
    (r"^rnn", "RNN"),
]
SECOND_ERA = [
    (r"(?<=cell/)(gates/|candidate/|projection/|)kernel", r"\1weights"),
    (r"(?<=[se]/)bias$", "biases"),
    (r"(?<=cell/)bias$", "biases"),
]
RENAMED = {
    "first-era": ("single-layer-dynamic-bi-lstm", 1, FIRST_ERA),
    "first-era-mix": ("mixed-stack", 1, FIRST_ERA),
    "first-era-options": ("every-option", 2, FIRST_ERA),
    "second-era": ("multi-layer-dynamic-mix", 2, SECOND_ERA),
    "second-era-options": ("every-option", 1, SECOND_ERA),
    "version-1-partitioned": ("partitioned", 1, []),
    "version-1-shards": ("shards", 1, []),
}
OPTIMIZERS = {
    "named-by-hand": lambda: tf.train.AdamOptimizer(0.1),
    "called-by-hand": lambda: tf.train.RMSPropOptimizer(0.1, centered=True, momentum=0.5),
    "relu-rnn": lambda: tf.train.MomentumOptimizer(0.1, 0.9, name="mine"),
}
WITH_GRAPH = {
    "every-option",
    "bi-states",
    "bi-static-states",
    "dense-around",
    "relu-rnn",
    "loops-as-functions",
    "resources",
    "single-layer-static-bi-lstm",
    "multi-layer-dynamic-bi-lstm",
}


def every_type():
    """Variables of every type that a checkpoint can hold."""
    numbers = np.arange(6).reshape(2, 3)
    names = (
        "float32",
        "float64",
        "int32",
        "uint8",
        "int16",
        "int8",
        "complex64",
        "int64",
        "uint16",
        "complex128",
        "float16",
        "uint32",
        "uint64",
    )
    values = {
        name: (numbers * (-1 - 2j if "complex" in name else 1 if "u" in name else -1)).astype(name)
        for name in names
    }
    values |= {
        "bool": numbers % 2 == 0,
        "bfloat16": tf.constant(numbers / 7, tf.bfloat16),
        "string": np.array([["a", "", "ünï"], ["\0\xff", "long " * 99, "e"]], dtype=object),
        "scalar": np.float32(2.5),
        "empty": np.zeros((0, 4), np.float32),
    }
    return values


def main(folder: Path) -> None:
    random = np.random.default_rng(20240229)
    results = {"tensorflow": np.array(tf.__version__)}

    def record(name, build, version=2, renames=()):
        functions = name == "loops-as-functions"
        (tf.enable_control_flow_v2 if functions else tf.disable_control_flow_v2)()
        (tf.enable_resource_variables if name == "resources" else tf.disable_resource_variables)()
        config = tf.ConfigProto(device_count={"CPU": 2})
        with tf.Graph().as_default(), tf.Session(config=config) as session:
            x = tf.placeholder(tf.float32, [N, T, I], "x")
            output = build(x)
            network = tf.global_variables()
            if name in OPTIMIZERS:
                step = tf.train.get_or_create_global_step()
                OPTIMIZERS[name]().minimize(tf.reduce_sum(output**2), step)
            session.run(tf.global_variables_initializer())
            for variable in network:
                scale = 0.7 if not FULL else variable.shape[0].value ** -0.5
                variable.load(random.normal(scale=scale, size=variable.shape), session)
            names = {}
            for variable in tf.global_variables():
                names[new_name(variable, renames)] = variable
            saver = tf.train.Saver(
                names if renames else None, write_version=version, sharded="shards" in name
            )
            folder.joinpath(name).mkdir(parents=True)
            saver.save(
                session, str(folder / name / "model.ckpt"), write_meta_graph=FULL or name in WITH_GRAPH
            )
            data = random.normal(size=(N, T, I)).astype(np.float32)
            results[f"{name}/x"] = data
            results[f"{name}/output"] = session.run(output, {x: data})

    def new_name(variable, renames):
        name = variable.op.name
        for old, new in renames:
            name = re.sub(old, new, name)
        return name

    for name, build in {**CATALOGUE, **OTHERS}.items():
        record(name, build)
    for name, (network, version, renames) in RENAMED.items():
        record(name, {**CATALOGUE, **OTHERS}[network], version, renames)
    for version in (1, 2):
        with tf.Graph().as_default(), tf.Session() as session:
            for name, value in every_type().items():
                if version == 2 or name not in ("uint32", "uint64", "bfloat16"):
                    tf.Variable(value, name=name)
            session.run(tf.global_variables_initializer())
            path = folder / f"every-type-{version}" / "model.ckpt"
            path.parent.mkdir()
            tf.train.Saver(write_version=version).save(session, str(path), write_meta_graph=False)
    np.savez_compressed(folder / "results.npz", **results)


if __name__ == "__main__":
    tf.disable_v2_behavior()
    if FULL:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))
            target = Path(__file__).with_name("checkpoints.zip")
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                for path in sorted(Path(folder).rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(folder))
