"""Encoders and decoders of `tf.contrib` against TensorFlow 1.15's own (see make_tf1_seq2seq.py)."""

import numpy as np
import pytest
import torch

from tests.golden import variables
from tests.golden.drawn import CLASSES, draw, draw_ids
from tests.golden.kept import arrays, parts
from tests.tolerances import assert_close, assert_equal
from unrolled import tf1
from unrolled.tf1 import legacy_seq2seq as legacy
from unrolled.tf1 import seq2seq

N, T, S, I, H, E = 4, 5, 3, 3, 6, 2
LENGTHS = [5, 2, 4, 1]

GOLDEN = arrays("tf1_seq2seq.npz")


def symbols(name, steps):
    return torch.from_numpy(draw_ids(name, N, steps) % 5).unbind(1)


def steps(x, count):
    return x.unbind(1)[:count]


def decoded(results):
    outputs, state = results
    return torch.stack(outputs, 1), state


class Case:
    """Results as a function of x, and who holds the variables, by the scope that TensorFlow has."""

    def __init__(self, build, **holders):
        self.build = build
        # Two in one scope differ by a space, and the keys of a memory are in none.
        self.holders = [
            ("" if scope.startswith("keys") else scope.strip(), holder) for scope, holder in holders.items()
        ]

    def named(self):
        return {
            name: value
            for scope, holder in self.holders
            for name, value in variables.named(holder, scope).items()
        }

    def load(self, name, x):
        """Make the variables by a first call, and give them what their names draw."""
        self.build(x)
        for scope, holder in self.holders:
            variables.load(holder, name, scope)


def embedding(function, cell, **options):
    scope, cell = tf1.VariableScope(), cell()
    arguments = symbols("source", T), symbols("target", S), cell, CLASSES, 5, E

    def build(x):
        return decoded(function(*arguments, dtype="float64", scope=scope, **options))

    return Case(build, **{function.__name__: scope})


def tied(**options):
    scope, cell = tf1.VariableScope(), tf1.GRUCell(H)
    arguments = symbols("source", T), symbols("target", S), cell, CLASSES, E

    def build(x):
        return decoded(legacy.embedding_tied_rnn_seq2seq(*arguments, dtype="float64", scope=scope, **options))

    return Case(build, embedding_tied_rnn_seq2seq=scope)


def attention(**options):
    scope, reader, cell = tf1.VariableScope(), tf1.GRUCell(4), tf1.BasicLSTMCell(H)

    def build(x):
        states, _ = tf1.dynamic_rnn(reader, x, dtype="float64")
        state = tf1.LSTMStateTuple(*(torch.from_numpy(draw(name, N, H)) for name in "ch"))
        return decoded(legacy.attention_decoder(steps(x, S), state, states, cell, scope=scope, **options))

    return Case(build, rnn=reader, attention_decoder=scope)


def targets_and_weights(count):
    targets = torch.from_numpy(draw_ids("targets", T, N) % count).unbind(0)
    return targets, torch.from_numpy(np.abs(draw("weights", T, N))).unbind(0)


def losses(x):
    arguments = steps(x, T), *targets_and_weights(I)
    return (
        legacy.sequence_loss_by_example(*arguments),
        legacy.sequence_loss_by_example(*arguments, average_across_timesteps=False),
        legacy.sequence_loss(*arguments),
        legacy.sequence_loss(*arguments, average_across_batch=False),
    )


def basic():
    scope, cell = tf1.VariableScope(), tf1.BasicLSTMCell(H)

    def build(x):
        return decoded(legacy.basic_rnn_seq2seq(steps(x, T), steps(x, S), cell, dtype="float64", scope=scope))

    return Case(build, basic_rnn_seq2seq=scope)


def same():
    scope, cell = tf1.VariableScope(), tf1.GRUCell(I)

    def build(x):
        return decoded(
            legacy.tied_rnn_seq2seq(
                steps(x, T), steps(x, S), cell, lambda output, _: output * 2, dtype="float64", scope=scope
            )
        )

    return Case(build, combined_tied_rnn_seq2seq=scope)


def buckets():
    scope, cell = tf1.VariableScope(), tf1.GRUCell(H)

    def model(sources, targets):
        return legacy.basic_rnn_seq2seq(sources, targets, cell, dtype="float64", scope=scope)

    def build(x):
        arguments = steps(x, T), steps(x, T), *targets_and_weights(H)
        outputs, found = legacy.model_with_buckets(*arguments, [(2, 1), (4, 3)], model)
        return (*outputs[0], *outputs[1], *found)

    return Case(build, basic_rnn_seq2seq=scope)


CASES = {
    "basic": basic,
    "tied": same,
    "embedding": lambda: embedding(legacy.embedding_rnn_seq2seq, lambda: tf1.BasicLSTMCell(H)),
    "embedding-fed": lambda: embedding(
        legacy.embedding_rnn_seq2seq, lambda: tf1.GRUCell(H), feed_previous=True
    ),
    "embedding-tied": tied,
    "embedding-tied-fed": lambda: tied(feed_previous=True, num_decoder_symbols=4),
    "attention": attention,
    "attention-every-option": lambda: attention(output_size=4, num_heads=2, initial_state_attention=True),
    "embedding-attention": lambda: embedding(legacy.embedding_attention_seq2seq, lambda: tf1.GRUCell(H)),
    "embedding-attention-fed": lambda: embedding(
        legacy.embedding_attention_seq2seq, lambda: tf1.GRUCell(H), feed_previous=True, num_heads=2
    ),
    "losses": lambda: Case(losses),
    "buckets": buckets,
}


def loaded(name):
    x = torch.from_numpy(draw("x", N, T, I, scale=1.0)).requires_grad_()
    case = CASES[name]()
    case.load(name, x)
    return case, x


LEGACY = set(CASES)


def reader(x):
    """The memory [N, T, 4] as a function of x, and the cell that reads it."""
    cell = tf1.GRUCell(4)
    return cell, lambda x: tf1.dynamic_rnn(cell, x, LENGTHS, dtype="float64")[0]


def state():
    return torch.from_numpy(draw("state", N, H))


def trained(*kinds, lengths=LENGTHS, options=(), impute_finished=False, **wrapped):
    cell, read = reader(None)
    found = [getattr(seq2seq, kind)(H, **dict(options)) for kind in kinds]
    wrapper = seq2seq.AttentionWrapper(tf1.GRUCell(H), found if len(found) > 1 else found[0], **wrapped)
    layer = tf1.Dense(CLASSES)

    def build(x):
        memory = read(x)
        for mechanism in found:
            mechanism.setup_memory(memory, lengths)
        helper = seq2seq.TrainingHelper(x, [4, 0, 3, 1])
        start = wrapper.zero_state(N, "float64").clone(cell_state=state())
        decoder = seq2seq.BasicDecoder(wrapper, helper, start, layer)
        outputs, final, ends = seq2seq.dynamic_decode(decoder, impute_finished=impute_finished)
        results = outputs.rnn_output, outputs.sample_id, final.cell_state, final.attention, final.alignments
        history = (final.alignment_history.stack(),) if wrapped.get("alignment_history") else ()
        return (*results, *history, ends)

    if len(found) > 1:
        found[1].memory_layer.name = "memory_layer_1"
    keys = {f"keys of {number}": mechanism for number, mechanism in enumerate(found)}
    return Case(build, rnn=cell, decoder=wrapper, **{"decoder ": layer}, **keys)


def attention_in_a_loop():
    cell, read = reader(None)
    mechanism = seq2seq.LuongAttention(H)
    wrapper = seq2seq.AttentionWrapper(tf1.BasicLSTMCell(H), mechanism, output_attention=False)

    def build(x):
        mechanism.setup_memory(read(x), LENGTHS)
        outputs, final = tf1.dynamic_rnn(wrapper, x, [5, 2, 0, 1], dtype="float64")
        return outputs, final.cell_state, final.attention, final.alignments

    return Case(build, **{"rnn": cell, "rnn ": wrapper, "keys of 0": mechanism})


def greedy():
    cell, read = reader(None)
    mechanism = seq2seq.BahdanauAttention(H)
    wrapper = seq2seq.AttentionWrapper(tf1.GRUCell(H), mechanism, attention_layer_size=5)
    layer = tf1.Dense(CLASSES, use_bias=False)

    def build(x):
        mechanism.setup_memory(read(x), LENGTHS)
        vectors = torch.from_numpy(draw("vectors", CLASSES, E))
        helper = seq2seq.GreedyEmbeddingHelper(vectors, [1, 2, 3, 4], 5)
        start = wrapper.zero_state(N, "float64").clone(cell_state=state())
        decoder = seq2seq.BasicDecoder(wrapper, helper, start, layer)
        outputs, final, ends = seq2seq.dynamic_decode(decoder, maximum_iterations=6)
        return outputs.rnn_output, outputs.sample_id, final.cell_state, final.alignments, ends

    return Case(build, rnn=cell, decoder=wrapper, **{"decoder ": layer, "keys of 0": mechanism})


def inferred():
    cell = tf1.GRUCell(H)

    def build(x):
        helper = seq2seq.InferenceHelper(torch.tanh, [H], x.dtype, state(), lambda ids: ids[:, 0] > 0.1)
        decoder = seq2seq.BasicDecoder(cell, helper, torch.from_numpy(draw("h", N, H)))
        outputs, final, ends = seq2seq.dynamic_decode(
            decoder, maximum_iterations=5, impute_finished=True, output_time_major=True
        )
        return outputs.rnn_output, outputs.sample_id, final, ends

    return Case(build, decoder=cell)


def custom():
    cell = tf1.GRUCell(H)

    def build(x):
        def next_inputs(time, outputs, state, sample_ids):
            return time >= torch.tensor([3, 0, 2, 1]), x[:, 1] * time, state * 0.5

        helper = seq2seq.CustomHelper(
            lambda: (torch.zeros(N, dtype=torch.bool), x[:, 0]),
            lambda time, outputs, state: outputs.argmax(1).int(),
            next_inputs,
        )
        decoder = seq2seq.BasicDecoder(cell, helper, torch.from_numpy(draw("h", N, H)))
        outputs, final, ends = seq2seq.dynamic_decode(decoder)
        return outputs.rnn_output, outputs.sample_id, final, ends

    return Case(build, decoder=cell)


def sequence_losses(x):
    targets = torch.from_numpy(draw_ids("targets", N, T) % I)
    weights = torch.from_numpy(np.abs(draw("weights", N, T)) * (draw_ids("zeros", N, T) > 1))
    choices = [(True, True), (True, False), (False, True), (False, False)]
    choices += [(False, False, True, True), (False, False, True, False), (False, False, False, True)]
    return tuple(seq2seq.sequence_loss(x, targets, weights, *choice) for choice in choices)


CASES |= {
    "bahdanau": lambda: trained("BahdanauAttention", attention_layer_size=5, alignment_history=True),
    "bahdanau-normalised": lambda: trained(
        "BahdanauAttention", options=[("normalize", True)], impute_finished=True
    ),
    "bahdanau-dense": lambda: trained("BahdanauAttention", lengths=None),
    "luong": lambda: trained("LuongAttention", attention_layer_size=5),
    "luong-scaled": lambda: trained("LuongAttention", options=[("scale", True)], output_attention=False),
    "two-mechanisms": lambda: trained("BahdanauAttention", "BahdanauAttention", attention_layer_size=[5, 2]),
    "attention-in-a-loop": attention_in_a_loop,
    "greedy": greedy,
    "inferred": inferred,
    "custom": custom,
    "sequence-losses": lambda: Case(sequence_losses),
}


@pytest.mark.parametrize("name", CASES)
def test_results_are_tensorflows(name):
    case, x = loaded(name)
    results = parts(case.build(x))
    assert f"{name}/{len(results)}" not in GOLDEN
    for number, result in enumerate(results):
        expected = GOLDEN[f"{name}/{number}"]
        if not result.dtype.is_floating_point:
            assert_equal(result, torch.from_numpy(expected))
            continue
        if "attention" in name and name in LEGACY:  # TensorFlow's softmax is in float32 there
            result, expected = result.float(), expected.astype("f4")
        assert_close(result, expected)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_tensorflows(name):
    case, x = loaded(name)
    variables.backward(case.build(x))
    for _, holder in case.holders:
        variables.become_gradients(holder)
    variables.assert_gradients({"x": x.grad, **case.named()}, GOLDEN, name)


@pytest.mark.parametrize("name", CASES)
def test_variables_have_tensorflows_names_and_shapes(name):
    case, _ = loaded(name)
    variables.assert_names(case.named(), GOLDEN, name)
