"""Steps before which some of the sequences begin anew: in each the others go on."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from tests.catalogue import FIXED, N, T, draw, draw_state, make
from tests.tolerances import assert_close, assert_equal
from unrolled import GRUCell, LSTMCell, StackedCell, Stream, dynamic_unroll, networks
from unrolled.errors import UnrolledError

RESETS = torch.rand(N, T, generator=torch.Generator().manual_seed(3)) < 0.3


@pytest.mark.parametrize("name", FIXED)
def test_steps_with_resets_are_the_unroll_with_resets_bit_for_bit(name):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    stream = Stream(cell, N)
    stream.state = state
    steps = [stream.step(x[:, t], RESETS[:, t]) for t in range(T)]
    outputs, final = dynamic_unroll(cell, x, None, state, resets=RESETS, reset_state=cell.initial_state(N))
    assert_equal(torch.stack(steps, 1), outputs)
    assert_equal(stream.state, final)


@pytest.mark.parametrize("name", ["lstm", "stack-mixed", "highway", "lstm-softsign", "wrappers"])
def test_a_sequence_that_begins_anew_is_a_new_one_and_the_others_go_on(name):
    cell = make(name)
    x = draw(3, 4, cell.input_size)
    stream, untouched, fresh = Stream(cell), Stream(cell), Stream(cell)
    for t in range(2):
        stream.step(x[:, t]), untouched.step(x[:, t])
    found = stream.step(x[:, 2], [False, True, False])
    assert_equal(found[[0, 2]], untouched.step(x[:, 2])[[0, 2]])
    assert_equal(found[1], fresh.step(x[:, 2])[1])
    assert_equal(stream.step(x[:, 3])[1], fresh.step(x[:, 3])[1])


@pytest.mark.parametrize(
    "model",
    [
        lambda: nn.LSTM(5, 7, 2),
        lambda: nn.GRU(5, 7, 2, batch_first=True),
        lambda: nn.RNN(5, 7),
        lambda: nn.LSTMCell(5, 7),
        lambda: networks.build("seed-004", input_size=5),
    ],
    ids=["LSTM", "GRU", "RNN", "LSTMCell", "network"],
)
def test_layers_of_torch_and_networks_take_resets_too(model):
    model = model().eval()
    stream, fresh = Stream(model), Stream(model)
    x = torch.randn(3, 2, 5)
    stream.step(x[:, 0])
    assert_equal(stream.step(x[:, 1], torch.tensor([True] * 3)), fresh.step(x[:, 1]))


def test_a_layer_that_is_called_itself_takes_resets_too():
    class Doubled(nn.LSTM):
        def forward(self, x, hx=None):
            outputs, state = super().forward(x, hx)
            return 2 * outputs, state

    layers = Doubled(5, 7, 2)
    stream, fresh = Stream(layers), Stream(layers)
    x = torch.randn(2, 3, 5)
    stream.step(x[:, 0]), fresh.step(x[:, 1])
    stream.step(x[:, 1], [True, True])
    assert_close(stream.step(x[:, 2]), fresh.step(x[:, 2]))


@pytest.mark.parametrize(
    "resets",
    [True, np.bool_(True), [True], np.array([True]), torch.tensor([True]), torch.tensor(True)],
    ids=repr,
)
def test_one_sequence_takes_one_reset(resets, elsewhere):
    cell = GRUCell(5, 7)
    stream, fresh = Stream(cell), Stream(cell)
    x, expected = torch.randn(2, 5), fresh.step
    for kind in (torch.Tensor.clone, torch.Tensor.numpy):
        fresh.reset()
        stream.step(x[0])
        with elsewhere:
            found = stream.step(kind(x[1]), resets)
        assert_equal(found, expected(kind(x[1])))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("resets", "message"),
    [
        (torch.zeros(3), "resets is float32, expected bool: true where a sequence is new"),
        ([0, 1, 0], "resets is int64, expected bool"),
        (torch.zeros(2, dtype=torch.bool), "resets has shape [2], expected [3]: one for each sequence of x"),
        (torch.ones(3, 1, dtype=torch.bool), "resets has shape [3, 1], expected [3]"),
        (True, "resets has shape [1], expected [3]"),
        (
            torch.ones(3, dtype=torch.bool, device="meta"),
            "resets has no numbers to read: it is on the meta device",
        ),
    ],
    ids=str,
)
def test_resets_that_do_not_fit_are_one_error_and_change_nothing(resets, message, first):
    stream = Stream(StackedCell([LSTMCell(5, 7), GRUCell(7, 4)]))
    x = torch.randn(3, 5)
    if not first:
        stream.step(x)
    before = stream.state
    with pytest.raises(UnrolledError, match=re.escape(message)):
        stream.step(x, resets)
    assert_equal(stream.state or (), before or ())


def test_an_x_that_does_not_fit_resets_nothing():
    stream = Stream(GRUCell(5, 7))
    stream.step(torch.randn(3, 5))
    before = stream.state
    with pytest.raises(UnrolledError, match="x has shape"):
        stream.step(torch.randn(3, 4), [True] * 3)
    assert_equal(stream.state, before)
