"""Write tf1_seq2seq.npz: what the encoders and decoders of tf.contrib compute, see test_tf1_seq2seq.py.

Made as tf1_contrib.npz is, see make_tf1_contrib.py:

    tfenv/bin/python tests/golden/make_tf1_seq2seq.py a/copy/of/the/source/of/tensorflow-1.15
"""

import sys
from pathlib import Path

import numpy as np
import tf1_source  # before TensorFlow, of which it wants the old Keras
from drawn import CLASSES, draw, draw_ids

import tensorflow.compat.v1 as tf  # isort: skip

N, T, S, I, H, E = 4, 5, 3, 3, 6, 2
LENGTHS = [5, 2, 4, 1]
rnn = tf.nn.rnn_cell
contrib = tf1_source.load(sys.argv[1])
legacy = contrib.seq2seq


def symbols(name, steps):
    return tf.unstack(tf.constant(draw_ids(name, N, steps) % 5), axis=1)


def steps(x, count):
    return tf.unstack(x, axis=1)[:count]


def projection(size):
    return tf.constant(draw("W", size, CLASSES)), tf.constant(draw("b", CLASSES))


def decoded(results):
    """Outputs [N, T, O] and the state."""
    outputs, state = results
    return tf.stack(outputs, 1), state


def embedding(function, cell, **options):
    return lambda x: decoded(
        function(symbols("source", T), symbols("target", S), cell(), CLASSES, 5, E, dtype=x.dtype, **options)
    )


def tied(**options):
    return lambda x: decoded(
        legacy.embedding_tied_rnn_seq2seq(
            symbols("source", T), symbols("target", S), rnn.GRUCell(H), CLASSES, E, dtype=x.dtype, **options
        )
    )


def attention(**options):
    def build(x):
        states, _ = tf.nn.dynamic_rnn(rnn.GRUCell(4), x, dtype=x.dtype)
        state = rnn.LSTMStateTuple(*(tf.constant(draw(name, N, H)) for name in "ch"))
        return decoded(
            legacy.attention_decoder(
                steps(x, S), state, states, rnn.BasicLSTMCell(H), dtype=x.dtype, **options
            )
        )

    return build


def losses(x):
    """Both losses, whole and averaged, of logits that are the last axis of x."""
    logits = steps(x, T)
    targets = [tf.constant(ids) for ids in draw_ids("targets", T, N) % I]
    weights = [tf.constant(w) for w in np.abs(draw("weights", T, N))]
    return [
        legacy.sequence_loss_by_example(logits, targets, weights),
        legacy.sequence_loss_by_example(logits, targets, weights, average_across_timesteps=False),
        legacy.sequence_loss(logits, targets, weights),
        legacy.sequence_loss(logits, targets, weights, average_across_batch=False),
    ]


def buckets(x):
    targets = [tf.constant(ids) for ids in draw_ids("targets", T, N) % H]
    weights = [tf.constant(w) for w in np.abs(draw("weights", T, N))]

    def model(encoder_inputs, decoder_inputs):
        return legacy.basic_rnn_seq2seq(encoder_inputs, decoder_inputs, rnn.GRUCell(H), dtype=x.dtype)

    outputs, found = legacy.model_with_buckets(
        steps(x, T), steps(x, T), targets, weights, [(2, 1), (4, 3)], model
    )
    return [*outputs[0], *outputs[1], *found]


LEGACY = {
    "basic": lambda x: decoded(
        legacy.basic_rnn_seq2seq(steps(x, T), steps(x, S), rnn.BasicLSTMCell(H), dtype=x.dtype)
    ),
    "tied": lambda x: decoded(
        legacy.tied_rnn_seq2seq(
            steps(x, T), steps(x, S), rnn.GRUCell(I), lambda output, _: output * 2, dtype=x.dtype
        )
    ),
    "embedding": embedding(legacy.embedding_rnn_seq2seq, lambda: rnn.BasicLSTMCell(H)),
    "embedding-fed": embedding(legacy.embedding_rnn_seq2seq, lambda: rnn.GRUCell(H), feed_previous=True),
    "embedding-tied": tied(),
    "embedding-tied-fed": tied(feed_previous=True, num_decoder_symbols=4),
    "attention": attention(),
    "attention-every-option": attention(output_size=4, num_heads=2, initial_state_attention=True),
    "embedding-attention": embedding(legacy.embedding_attention_seq2seq, lambda: rnn.GRUCell(H)),
    "embedding-attention-fed": embedding(
        legacy.embedding_attention_seq2seq, lambda: rnn.GRUCell(H), feed_previous=True, num_heads=2
    ),
    "losses": losses,
    "buckets": buckets,
}


def mechanism(kind, memory, **options):
    options = {"dtype": memory.dtype, "memory_sequence_length": LENGTHS} | options
    return getattr(contrib.attention_wrapper, kind)(H, memory, **options)


def read(x):
    """The memory [N, T, 4], and a state of the decoder's cell."""
    memory, _ = tf.nn.dynamic_rnn(rnn.GRUCell(4), x, LENGTHS, dtype=x.dtype)
    return memory, tf.constant(draw("state", N, H))


def trained(*kinds, options=(), impute_finished=False, **wrapped):
    """Teacher forcing: the outputs, the samples, the final state and the lengths."""

    def build(x):
        memory, state = read(x)
        found = [mechanism(kind, memory, **dict(options)) for kind in kinds]
        cell = contrib.attention_wrapper.AttentionWrapper(
            rnn.GRUCell(H), found if len(found) > 1 else found[0], dtype=x.dtype, **wrapped
        )
        helper = contrib.helper.TrainingHelper(x, [4, 0, 3, 1])
        start = cell.zero_state(N, x.dtype).clone(cell_state=state)
        layer = contrib.attention_wrapper.layers_core.Dense(CLASSES, dtype=x.dtype)
        decoder = contrib.basic_decoder.BasicDecoder(cell, helper, start, layer)
        outputs, final, lengths = contrib.decoder.dynamic_decode(decoder, impute_finished=impute_finished)
        found = [outputs.rnn_output, outputs.sample_id, final.cell_state, final.attention, final.alignments]
        if wrapped.get("alignment_history"):
            found.append(final.alignment_history.stack())
        return [*found, lengths]

    return build


def in_loop(x):
    """The wrapper in dynamic_rnn."""
    memory, _ = read(x)
    cell = contrib.attention_wrapper.AttentionWrapper(
        rnn.BasicLSTMCell(H), mechanism("LuongAttention", memory), output_attention=False, dtype=x.dtype
    )
    outputs, final = tf.nn.dynamic_rnn(cell, x, [5, 2, 0, 1], dtype=x.dtype)
    return outputs, final.cell_state, final.attention, final.alignments


def greedy(x, iterations=6):
    memory, state = read(x)
    cell = contrib.attention_wrapper.AttentionWrapper(
        rnn.GRUCell(H), mechanism("BahdanauAttention", memory), attention_layer_size=5, dtype=x.dtype
    )
    vectors = tf.constant(draw("vectors", CLASSES, E))
    helper = contrib.helper.GreedyEmbeddingHelper(vectors, [1, 2, 3, 4], 5)
    start = cell.zero_state(N, x.dtype).clone(cell_state=state)
    layer = contrib.attention_wrapper.layers_core.Dense(CLASSES, use_bias=False, dtype=x.dtype)
    decoder = contrib.basic_decoder.BasicDecoder(cell, helper, start, layer)
    outputs, final, lengths = contrib.decoder.dynamic_decode(decoder, maximum_iterations=iterations)
    return [outputs.rnn_output, outputs.sample_id, final.cell_state, final.alignments, lengths]


def inferred(x):
    """A sequence ends when its first output is positive; the inputs are the outputs."""
    helper = contrib.helper.InferenceHelper(
        tf.tanh, [H], x.dtype, tf.constant(draw("state", N, H)), lambda ids: ids[:, 0] > 0.1
    )
    decoder = contrib.basic_decoder.BasicDecoder(rnn.GRUCell(H), helper, tf.constant(draw("h", N, H)))
    outputs, final, lengths = contrib.decoder.dynamic_decode(
        decoder, maximum_iterations=5, impute_finished=True, output_time_major=True
    )
    return [outputs.rnn_output, outputs.sample_id, final, lengths]


def custom(x):
    """The inputs are those of x, but scaled by the number of the step."""

    def next_inputs(time, outputs, state, sample_ids):
        return time >= [3, 0, 2, 1], x[:, 1] * tf.cast(time, x.dtype), state * 0.5

    helper = contrib.helper.CustomHelper(
        lambda: (tf.constant([False] * N), x[:, 0]),
        lambda time, outputs, state: tf.cast(tf.argmax(outputs, 1), tf.int32),
        next_inputs,
    )
    decoder = contrib.basic_decoder.BasicDecoder(rnn.GRUCell(H), helper, tf.constant(draw("h", N, H)))
    outputs, final, lengths = contrib.decoder.dynamic_decode(decoder)
    return [outputs.rnn_output, outputs.sample_id, final, lengths]


def sequence_losses(x):
    """Every choice of averages and sums."""
    targets = tf.constant(draw_ids("targets", N, T) % I)
    weights = tf.constant(np.abs(draw("weights", N, T)) * (draw_ids("zeros", N, T) > 1))
    return [
        contrib.loss.sequence_loss(x, targets, weights, *choice)
        for choice in [
            (True, True),
            (True, False),
            (False, True),
            (False, False),
            (False, False, True, True),
            (False, False, True, False),
            (False, False, False, True),
        ]
    ]


SEQ2SEQ = {
    "bahdanau": trained("BahdanauAttention", attention_layer_size=5, alignment_history=True),
    "bahdanau-normalised": trained("BahdanauAttention", options=[("normalize", True)], impute_finished=True),
    "bahdanau-dense": trained("BahdanauAttention", options=[("memory_sequence_length", None)]),
    "luong": trained("LuongAttention", attention_layer_size=5),
    "luong-scaled": trained("LuongAttention", options=[("scale", True)], output_attention=False),
    "two-mechanisms": trained("BahdanauAttention", "BahdanauAttention", attention_layer_size=[5, 2]),
    "attention-in-a-loop": in_loop,
    "greedy": greedy,
    "inferred": inferred,
    "custom": custom,
    "sequence-losses": sequence_losses,
}


def run(name, build):
    """The flat results, the variables' shapes and the gradients, with what the variables' names draw."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable_scope().set_dtype("float64")
        x = tf.constant(draw("x", N, T, I, scale=1.0))
        results = tf.nest.flatten(build(x))
        variables = tf.global_variables()
        for variable in variables:
            variable.load(draw(f"{name}/{variable.op.name}", *variable.shape), session)
        values = session.run(results)
        loss = tf.add_n(
            [
                tf.reduce_sum(result * tf.constant(draw(f"loss/{number}", *value.shape)))
                for number, (result, value) in enumerate(zip(results, values, strict=True))
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
        return dict(enumerate(values)) | {"variables": np.array(shapes)} | gradients


def main():
    golden = {"tensorflow": np.array(tf.__version__)}
    for name, build in (LEGACY | SEQ2SEQ).items():
        golden |= {f"{name}/{key}": value for key, value in run(name, build).items()}
    np.savez_compressed(Path(__file__).with_name("tf1_seq2seq.npz"), **golden)


if __name__ == "__main__":
    main()
