"""Networks that see more of a sequence than its last output, read it backwards, or add a layer's input."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import assert_close, assert_equal
from unrolled import Stream, UnrolledError, dynamic_unroll
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.tf1.graphs.networks.export import network_checkpoint

N, T, I, H = 4, 6, 3, 5
LENGTHS = [6, 0, 1, 4]
REDUCED = {
    "first": lambda steps: steps[0],
    "mean": lambda steps: steps.mean(0),
    "max": lambda steps: steps.amax(0),
}


def network(layers=(("lstm", H),), **options):
    return SequenceClassifier(NetworkConfig("mine", layers, input_size=I, classes=2, **options))


@pytest.mark.parametrize("read", REDUCED)
@pytest.mark.parametrize("direction", ["forward", "backward", "bidirectional", "parallel"])
def test_a_ragged_batch_is_read_as_each_sequence_alone(read, direction):
    model, x = network(read=read, direction=direction), torch.randn(N, T, I)
    together = model.features(x, LENGTHS)
    for row, length in enumerate(LENGTHS):
        if length:
            assert_close(together[row], model.features(x[row : row + 1, :length])[0])
        else:
            assert not together[row].any()


@given(st.sampled_from(sorted(REDUCED)), st.lists(st.integers(1, T), min_size=1, max_size=4))
def test_what_is_seen_is_made_of_the_real_outputs_alone(read, lengths):
    model, x = network(read=read), torch.randn(len(lengths), T, I)
    outputs, _ = dynamic_unroll(model.cell, x, lengths)
    seen = model.features(x, lengths)
    for row, length in enumerate(lengths):
        assert_close(seen[row], REDUCED[read](outputs[row, :length]))


def test_memory_is_the_c_of_the_last_layer():
    model, x = network((("gru", 4), ("lstm", H, {"proj_size": 2})), read="memory"), torch.randn(N, T, I)
    _, state = dynamic_unroll(model.cell, x, LENGTHS)
    assert_equal(model.features(x, LENGTHS), state[-1].c)
    assert model.classifier.in_features == H


@pytest.mark.parametrize("wrong", [{"layers": (("gru", H),)}, {"direction": "bidirectional"}])
def test_memory_needs_lstms_of_one_direction(wrong):
    with pytest.raises(
        UnrolledError, match='read is "memory", expected a last layer of LSTMs in one direction'
    ):
        NetworkConfig(**{"name": "mine", "layers": (("lstm", H),), "read": "memory", **wrong})


def test_a_backward_network_reads_what_a_forward_one_reads_of_reversed_sequences():
    model, x = network(), torch.randn(N, T, I)
    turned = network(direction="backward")
    turned.load_state_dict(model.state_dict())
    assert_equal(turned(x), model(x.flip(1)))
    assert_close(turned(x, LENGTHS)[3], model(x[3:, :4].flip(1))[0])


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("read", ["final", "last"])
def test_a_residual_layer_s_output_is_not_its_state(direction, read):
    wide = I if direction == "forward" else 4
    layers = (("gru", wide, {"residual": True}),) if direction == "forward" else (("gru", 2), ("gru", 4))
    if direction == "bidirectional":
        layers = (("gru", 2), ("gru", 4, {"residual": True}))
    model = network(layers, direction=direction, read=read)
    x = torch.randn(N, T, I)
    alone = torch.cat([model.features(x[row : row + 1, : LENGTHS[row]]) for row in (0, 2, 3)])
    assert_close(model.features(x, LENGTHS)[[0, 2, 3]], alone)
    if direction == "forward":
        outputs, state = dynamic_unroll(model.cell, x)
        assert_equal(model.features(x), outputs[:, -1])
        assert_close(model.features(x), state[0] + x[:, -1])


def test_whole_numbers_stand_for_one_hot_steps():
    for inner in ((), ((4, "relu"), (2, "tanh"))):
        model = network(input_layers=inner)
        words = torch.randint(0, I, (N, T))
        assert_close(model(words, LENGTHS), model(torch.nn.functional.one_hot(words, I).float(), LENGTHS))
    with pytest.raises(ValueError, match="x has values from -1 to 2, expected 0 to 2: network mine reads 3"):
        model(torch.tensor([[-1, 2]]))


def test_what_no_variable_says_is_neither_exported_nor_streamed():
    for options in ({"read": "max"}, {"direction": "backward"}):
        with pytest.raises(UnrolledError, match="no variable says so"):
            network_checkpoint(network(**options))
    with pytest.raises(UnrolledError, match="of which no variable knows"):
        network_checkpoint(network((("gru", I, {"residual": True}),)))
    with pytest.raises(UnrolledError, match='network mine reads "mean", which is not its last output'):
        Stream(network(read="mean"))
    with pytest.raises(UnrolledError, match="network mine is backward"):
        Stream(network(direction="backward"))
