"""Write tf1_contrib.npz: what the cells and loops of tf.contrib compute, see test_tf1_contrib.py.

They are those of TensorFlow 1.15 itself: its files in Python run on TensorFlow 2.21, with its kernels.

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_tf1_contrib.py a/copy/of/the/source/of/tensorflow-1.15

Only results are kept: inputs and weights are drawn by their names from a generator that never changes. Of
each case there are the results of whole and of ragged sequences, the variables, and the gradients of a
weighted sum of the results of the ragged ones.
"""

import sys
from pathlib import Path

import numpy as np
import tf1_source  # before TensorFlow, of which it wants the old Keras
from drawn import CLASSES, draw, draw_ids, draw_variable

import tensorflow.compat.v1 as tf  # isort: skip

N, T, I, H, P = 4, 5, 3, 6, 2
LENGTHS = [5, 2, 0, 1]
rnn = tf.nn.rnn_cell
contrib = tf1_source.load(sys.argv[1])
cells = contrib.rnn_cell


def dynamic(make):
    return lambda x, lengths: tf.nn.dynamic_rnn(make(), x, lengths, dtype=x.dtype)


CELLS = {
    "coupled": lambda: cells.CoupledInputForgetGateLSTMCell(H),
    "coupled-peephole-projection": lambda: cells.CoupledInputForgetGateLSTMCell(
        H,
        use_peepholes=True,
        num_proj=P,
        proj_clip=0.2,
        num_unit_shards=2,
        num_proj_shards=4,
        forget_bias=0.3,
    ),
    "coupled-norm": lambda: cells.CoupledInputForgetGateLSTMCell(
        H, use_peepholes=True, layer_norm=True, state_is_tuple=False
    ),
    "layer-norm-lstm": lambda: cells.LayerNormLSTMCell(H),
    "layer-norm-lstm-every-option": lambda: cells.LayerNormLSTMCell(
        H,
        use_peepholes=True,
        cell_clip=0.6,
        num_proj=P,
        proj_clip=0.5,
        layer_norm=True,
        activation=tf.nn.relu,
    ),
    "nas": lambda: cells.NASCell(H),
    "nas-projection-bias": lambda: cells.NASCell(H, num_proj=P, use_bias=True),
    "ugrnn": lambda: cells.UGRNNCell(H, forget_bias=0.3, activation=tf.nn.softsign),
    "sru": lambda: cells.SRUCell(H),
    "ind-rnn": lambda: cells.IndRNNCell(H, activation=tf.nn.relu),
    "indy-gru": lambda: cells.IndyGRUCell(H),
    "indy-lstm": lambda: cells.IndyLSTMCell(H, forget_bias=0.3),
    "input-projection": lambda: contrib.core_rnn_cell.InputProjectionWrapper(
        rnn.GRUCell(H), 5, activation=tf.nn.relu
    ),
    "output-projection": lambda: contrib.core_rnn_cell.OutputProjectionWrapper(rnn.BasicLSTMCell(H), P),
    "projections-in-a-stack": lambda: rnn.MultiRNNCell(
        [
            contrib.core_rnn_cell.InputProjectionWrapper(rnn.GRUCell(H), 5),
            contrib.core_rnn_cell.OutputProjectionWrapper(cells.IndRNNCell(4), P),
        ]
    ),
    "attention-cell": lambda: cells.AttentionCellWrapper(rnn.BasicLSTMCell(H), attn_length=3),
    "attention-cell-every-option": lambda: cells.AttentionCellWrapper(
        rnn.GRUCell(H), attn_length=2, attn_size=4, attn_vec_size=5, input_size=2, state_is_tuple=False
    ),
    "device": lambda: rnn.DeviceWrapper(rnn.GRUCell(H), "/cpu:0"),
}
# The kernels of these know no float64, and the phased cell makes float32 of its times.
BLOCKS = {
    "lstm-block": lambda: contrib.lstm_ops.LSTMBlockCell(H, forget_bias=0.3),
    "lstm-block-peephole-clip": lambda: contrib.lstm_ops.LSTMBlockCell(H, use_peephole=True, cell_clip=0.3),
    "gru-block": lambda: contrib.gru_ops.GRUBlockCell(H),
    "gru-block-v2": lambda: contrib.gru_ops.GRUBlockCellV2(H),
    "cudnn-compatible-lstm": lambda: contrib.cudnn_rnn_ops.CudnnCompatibleLSTMCell(H),
    "cudnn-compatible-gru": lambda: contrib.cudnn_rnn_ops.CudnnCompatibleGRUCell(H),
}


def convolutions(x, lengths, ndims, kernel_shape):
    shape = [4, 3, 2][:ndims]
    images = tf.reshape(tf.tile(x, [1, 1, int(np.prod(shape))]), [N, T, *shape, I])
    images *= tf.constant(draw("images", 1, 1, *shape, I), x.dtype)
    cell = cells.ConvLSTMCell(
        conv_ndims=ndims,
        input_shape=[*shape, I],
        output_channels=2,
        kernel_shape=kernel_shape,
        forget_bias=0.3,
    )
    return tf.nn.dynamic_rnn(cell, images, lengths, dtype=x.dtype)


def phased(x, lengths, **options):
    times = tf.constant(np.abs(draw("times", N, T, 1, scale=4.0)).cumsum(1), tf.float64)
    return tf.nn.dynamic_rnn(cells.PhasedLSTMCell(H, **options), (times, x), lengths, dtype=x.dtype)


def embedded(x, lengths):
    cell = contrib.core_rnn_cell.EmbeddingWrapper(rnn.BasicLSTMCell(H), CLASSES, 4)
    ids = tf.unstack(tf.constant(draw_ids("ids", N, T)), axis=1)
    outputs, state = tf.nn.static_rnn(cell, ids, dtype=x.dtype, sequence_length=lengths)
    return tf.stack(outputs, 1) + 0 * x[:, :, :1], state


def fused(make, listed=False):
    def build(x, lengths):
        steps = tf.transpose(x, [1, 0, 2])
        outputs, state = make()(
            tf.unstack(steps) if listed else steps, dtype=x.dtype, sequence_length=lengths
        )
        return tf.transpose(tf.stack(outputs) if listed else outputs, [1, 0, 2]), state

    return build


def state_saving(x, lengths):
    saved = {}

    class Saver:
        def state(self, name):
            return tf.constant(draw(name, N, H), x.dtype)

        def save_state(self, name, value):
            saved[name] = tf.identity(value)
            return saved[name]

    outputs, state = tf.nn.static_state_saving_rnn(
        rnn.BasicLSTMCell(H), tf.unstack(x, axis=1), Saver(), ("c", "h"), sequence_length=lengths
    )
    return tf.stack(outputs, 1), state, saved["c"], saved["h"]


CASES = {name: ("float64", dynamic(make)) for name, make in CELLS.items()}
CASES |= {name: ("float32", dynamic(make)) for name, make in BLOCKS.items()}
CASES |= {
    "conv-1d": ("float64", lambda x, lengths: convolutions(x, lengths, 1, [3])),
    "conv-2d": ("float64", lambda x, lengths: convolutions(x, lengths, 2, [3, 2])),
    "conv-3d": ("float32", lambda x, lengths: convolutions(x, lengths, 3, [1, 3, 2])),
    "phased": ("float32", lambda x, lengths: phased(x, lengths)),
    "phased-peephole": ("float32", lambda x, lengths: phased(x, lengths, use_peepholes=True, leak=0.1)),
    "embedding": ("float64", embedded),
    "adaptor": ("float64", fused(lambda: contrib.fused_rnn_cell.FusedRNNCellAdaptor(rnn.GRUCell(H)), True)),
    "reversed-tensor": (
        "float64",
        fused(
            lambda: contrib.fused_rnn_cell.TimeReversedFusedRNN(
                contrib.fused_rnn_cell.FusedRNNCellAdaptor(rnn.GRUCell(H), use_dynamic_rnn=True)
            )
        ),
    ),
    "reversed-list": (
        "float64",
        fused(
            lambda: contrib.fused_rnn_cell.TimeReversedFusedRNN(
                contrib.fused_rnn_cell.FusedRNNCellAdaptor(rnn.GRUCell(H))
            ),
            listed=True,
        ),
    ),
    "lstm-fused": ("float32", fused(lambda: contrib.lstm_ops.LSTMBlockFusedCell(H))),
    "lstm-fused-peephole-clip": (
        "float32",
        fused(lambda: contrib.lstm_ops.LSTMBlockFusedCell(H, use_peephole=True, cell_clip=0.3)),
    ),
    "state-saving": ("float64", state_saving),
}


def run(name, dtype, build, lengths, gradients=False):
    """The flat results, or the variables' shapes and the gradients, with what the variables' names draw."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable_scope().set_dtype(dtype)
        x = tf.constant(draw("x", N, T, I, scale=1.0), dtype)
        results = tf.nest.flatten(build(x, lengths))
        variables = tf.global_variables()
        for variable in variables:
            variable.load(draw_variable(f"{name}/{variable.op.name}", *variable.shape), session)
        if not gradients:
            return dict(enumerate(session.run(results)))
        loss = tf.add_n(
            [
                tf.reduce_sum(result * tf.constant(draw(f"loss/{number}", *result.shape), dtype))
                for number, result in enumerate(results)
                if result.dtype.is_floating
            ]
        )
        found = dict(
            zip(["x", *(v.op.name for v in variables)], tf.gradients(loss, [x, *variables]), strict=True)
        )
        found = session.run(
            {key: tf.convert_to_tensor(value) for key, value in found.items() if value is not None}
        )
        shapes = [f"{v.op.name} {v.shape.as_list()}" for v in variables]
        gradients = {f"gradient/{key}": value.astype("f4") for key, value in found.items()}  # for the size
        return {"variables": np.array(shapes)} | gradients


def main():
    golden = {"tensorflow": np.array(tf.__version__)}
    for name, (dtype, build) in CASES.items():
        print(name)
        for kind, lengths in (("dense", None), ("ragged", LENGTHS)):
            results = run(name, dtype, build, lengths)
            golden |= {f"{name}/{kind}/{key}": value for key, value in results.items()}
        golden |= {f"{name}/{key}": value for key, value in run(name, dtype, build, LENGTHS, True).items()}
    np.savez_compressed(Path(__file__).with_name("tf1_contrib.npz"), **golden)


if __name__ == "__main__":
    main()
