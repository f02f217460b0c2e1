"""Networks that speak after every step."""

import pytest
import torch

from tests.tolerances import assert_close, assert_equal
from unrolled import Stream, UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier

N, T, I, H = 4, 7, 3, 5
LENGTHS = [7, 0, 1, 4]
DIRECTIONS = ["forward", "bidirectional", "parallel"]


def network(direction="forward", **options):
    layers = (("lstm", 6), ("gru", H))
    config = NetworkConfig(
        "mine", layers, direction=direction, read="steps", input_size=I, classes=2, **options
    )
    return SequenceClassifier(config).eval()


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_each_step_has_logits_and_what_stands_beyond_a_length_changes_no_bit(direction, kind):
    model, x = network(direction, unroll=kind, output_layers=((4, "tanh"),)), torch.randn(N, T, I)
    logits = model(x, LENGTHS)
    assert logits.shape == (N, T, 2)
    longer = torch.full((N, T + 3, I), float("nan"))
    for row, length in enumerate(LENGTHS):
        longer[row, :length] = x[row, :length]
    padded = model(longer, LENGTHS)
    for row, length in enumerate(LENGTHS):
        assert_equal(padded[row, :length], logits[row, :length])
        assert padded[row, length:].isfinite().all()
        if length:
            assert_close(logits[row, :length], model(x[row : row + 1, :length])[0])


def test_a_forward_network_says_at_each_step_what_it_would_say_if_that_were_the_end():
    steps, x = network(), torch.randn(1, T, I)
    final = SequenceClassifier(steps.config.changed(read="final")).eval()
    final.load_state_dict(steps.state_dict())
    ends = torch.cat([final(x[:, : t + 1]) for t in range(T)])
    assert_close(steps(x)[0], ends)


def test_a_forward_one_streams_and_others_say_why_not():
    model, x = network(), torch.randn(N, T, I)
    stream = Stream(model)
    streamed = torch.stack([stream.step(x[:, t]) for t in range(T)], dim=1)
    assert_close(streamed, model(x).softmax(dim=2).detach())
    with pytest.raises(UnrolledError, match="bidirectional: its backward direction needs the end"):
        Stream(network("bidirectional"))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_has_the_same_gradients_whatever_stands_beyond_a_length(direction):
    model, x = network(direction), torch.randn(N, T, I)
    found = []
    for garbage in (0.0, float("nan")):
        model.zero_grad()
        put = x.clone()
        for row, length in enumerate(LENGTHS):
            put[row, length:] = garbage
        logits = model(put, LENGTHS)
        sum(logits[row, :length].square().sum() for row, length in enumerate(LENGTHS)).backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    assert_equal(*found)


def test_it_is_compiled_as_it_is():
    model, x = network("bidirectional"), torch.randn(N, T, I)
    compiled = torch.compile(model, backend="eager")
    lengths = torch.tensor([7, 2, 1, 4])
    for found, expected, length in zip(compiled(x, lengths), model(x, lengths), lengths, strict=True):
        assert_close(found[:length], expected[:length])
