"""Encoders and decoders of `tf.contrib` against TensorFlow 1.15's own (see make_tf1_seq2seq.py)."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tolerances import assert_close
from unrolled import tf1
from unrolled.cells.state import map_state
from unrolled.tf1 import legacy_seq2seq as legacy

N, T, S, I, H, E, CLASSES = 4, 5, 3, 3, 6, 2, 7
LENGTHS = [5, 2, 4, 1]

with np.load(Path(__file__).with_name("tf1_seq2seq.npz")) as file:
    GOLDEN = {key: file[key] for key in file.files}


def draw(name, *shape, scale=0.5):
    return np.random.RandomState(zlib.crc32(name.encode())).normal(scale=scale, size=shape)


def draw_ids(name, *shape):
    return np.random.RandomState(zlib.crc32(name.encode())).randint(CLASSES, size=shape)


def symbols(name, steps):
    return torch.from_numpy(draw_ids(name, N, steps) % 5).unbind(1)


def steps(x, count):
    return x.unbind(1)[:count]


def parts(results):
    """The tensors of nested results, in order."""
    tensors = []
    map_state(tensors.append, results)
    return tensors


def decoded(results):
    outputs, state = results
    return torch.stack(outputs, 1), state


class Case:
    """Results as a function of x, and who holds the variables, by the scope that TensorFlow has."""

    def __init__(self, build, **holders):
        self.build = build
        self.holders = holders

    def named(self, values=lambda holder: holder.variables):
        return {
            f"{scope}/{name}".removeprefix("/"): value
            for scope, holder in self.holders.items()
            for name, value in values(holder).items()
        }

    def load(self, name, x):
        """Make the variables by a first call, and give them what their names draw."""
        self.build(x)
        for scope, holder in self.holders.items():
            holder.assign(
                {
                    key: draw(f"{name}/" + f"{scope}/{key}".removeprefix("/"), *value.shape)
                    for key, value in holder.variables.items()
                }
            )


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


@pytest.mark.parametrize("name", CASES)
def test_results_are_tensorflows(name):
    case, x = loaded(name)
    results = parts(case.build(x))
    assert f"{name}/{len(results)}" not in GOLDEN
    for number, result in enumerate(results):
        expected = GOLDEN[f"{name}/{number}"]
        if "attention" in name and name in LEGACY:  # TensorFlow's softmax is in float32 there
            result, expected = result.float(), expected.astype("f4")
        assert_close(result, expected)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_tensorflows(name):
    case, x = loaded(name)
    results = parts(case.build(x))
    sum(
        (result * torch.from_numpy(np.asarray(draw(f"loss/{number}", *result.shape)))).sum()
        for number, result in enumerate(results)
        if result.dtype.is_floating_point
    ).backward()
    with torch.no_grad():  # so that the variables, which are made of the parameters, are made of gradients
        for holder in case.holders.values():
            for parameter in holder.parameters():
                parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    for key, gradient in {"x": x.grad, **case.named()}.items():
        expected = GOLDEN.get(f"{name}/gradient/{key}")
        if expected is None:
            assert gradient is None or not gradient.any()
        else:
            assert_close(gradient.float(), expected)


@pytest.mark.parametrize("name", CASES)
def test_variables_have_tensorflows_names_and_shapes(name):
    case, _ = loaded(name)
    came = [f"{key} {list(value.shape)}" for key, value in case.named().items()]
    assert sorted(came) == sorted(map(str, GOLDEN[f"{name}/variables"]))
