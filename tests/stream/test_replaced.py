"""Layers, weights and options that are replaced while a stream walks."""

import pytest
import torch
from torch import nn

from tests.catalogue import make
from tests.stream.walks import H, I, follows, started
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    DropoutCell,
    GRUCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
    Stream,
    dynamic_unroll,
)
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier


def test_a_layer_of_a_stack_may_be_replaced():
    stack = StackedCell([LSTMCell(I, H), GRUCell(H, H), RNNCell(H, 3)]).eval()
    stream = started(stack)
    stack.cells[1] = GRUCell(H, H)
    assert follows(stream, stack)
    stack.cells[1] = LSTMCell(H, H, peephole=True)
    x = torch.randn(1, I)
    state = stream.state
    with pytest.raises(UnrolledError, match=r"the model has changed: state is .*reset\(\) begins others"):
        stream.step(x)
    assert_equal(stream.state, state)
    stream.reset()
    assert follows(stream, stack)


@pytest.mark.parametrize(
    "cell", [lambda: LSTMCell(I, H), lambda: make("highway").float()], ids=["fused", "loop"]
)
def test_options_and_modes_that_change_count_from_the_next_reset(cell):
    cell = cell().eval()
    stream = started(cell)
    inner = cell if isinstance(cell, LSTMCell) else cell.cell
    inner.forget_bias = 3.0
    stream.reset()
    assert follows(stream, cell)
    inner.recurrent_dropout = 0.9
    cell.train()
    stream.reset()
    x = torch.randn(1, 1, cell.input_size)
    first = stream.step(x[:, 0])
    assert_equal(first, dynamic_unroll(cell.eval(), x)[0][:, 0])


def test_a_stream_evaluates_although_its_model_goes_into_training_later():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.dropout = nn.Dropout(0.9)

        def initial_state(self, batch_size):
            return torch.zeros(batch_size, 3)

        def forward(self, x, state):
            return self.dropout(x * self.weight), state

    cell = Noisy().eval()
    stream, x = Stream(cell), torch.randn(2, 3)
    assert_equal(stream.step(x), x)
    cell.train()
    assert_equal(stream.step(x), x)
    assert cell.dropout.training


NETWORK = NetworkConfig(
    "mine",
    (("lstm", 5), ("gru", 7)),
    input_size=3,
    classes=4,
    input_layers=((6, "relu"), (5, "identity")),
    output_layers=((8, "tanh"),),
)


def test_dense_layers_before_and_after_the_cells_take_part():
    network, x = SequenceClassifier(NETWORK), torch.randn(2, 4, 3)
    stream = Stream(network)
    for t in range(4):
        with torch.no_grad():
            expected = network(x[:, : t + 1]).softmax(dim=1)
        assert_close(stream.step(x[:, t]), expected)
    assert Stream(network).step(x[0, 0].numpy()).shape == (4,)


@pytest.mark.parametrize("change", ["counted", "data", "replaced"])
def test_no_weight_of_a_network_is_overlooked(change):
    network, x = SequenceClassifier(NETWORK).eval(), torch.randn(2, 1, 3)
    stream = Stream(network)
    stream.step(x[:, 0])
    for name, weight in list(network.named_parameters()):
        with torch.no_grad():
            if change == "counted":
                weight.add_(0.3)
            elif change == "data":
                weight.data.add_(0.3)
            else:
                module, _, key = name.rpartition(".")
                setattr(network.get_submodule(module), key, nn.Parameter(weight + 0.3))
            if change == "data":
                stream.reset()
            else:
                stream.state = network.cell.initial_state(2)
            assert_close(stream.step(x[:, 0]), network(x).softmax(dim=1))


def widened(make, change):
    cell = make().eval()
    change(cell)
    return cell


@pytest.mark.parametrize(
    "cell",
    [
        lambda: widened(
            lambda: StackedCell([GRUCell(I, H), RNNCell(H, 3)]),
            lambda c: c.cells.__setitem__(1, RNNCell(H, 200)),
        ),
        lambda: widened(
            lambda: StackedCell([GRUCell(I, H), RNNCell(H, 3)]),
            lambda c: c.cells.__setitem__(1, LSTMCell(H, 4)),
        ),
        lambda: widened(lambda: DropoutCell(GRUCell(I, I)), lambda c: setattr(c, "cell", LSTMCell(I, 200))),
    ],
)
def test_a_layer_may_be_replaced_by_one_of_another_size(cell):
    cell, x = cell(), torch.randn(2, 3, I)
    expected, _ = dynamic_unroll(cell, x)
    for stream in (Stream(cell), Stream(cell, batch_size=2)):
        assert_equal(torch.stack([stream.step(x[:, t]) for t in range(3)], 1), expected)


@pytest.mark.parametrize(
    "cell",
    [
        lambda: widened(
            lambda: StackedCell([GRUCell(I, H), RNNCell(H, 3)]),
            lambda c: c.cells.__setitem__(1, RNNCell(99, 3)),
        ),
        lambda: widened(
            lambda: StackedCell([GRUCell(I, H), RNNCell(H, 3)]),
            lambda c: c.cells.__setitem__(0, GRUCell(99, H)),
        ),
        lambda: widened(lambda: ResidualCell(GRUCell(I, I)), lambda c: setattr(c, "cell", GRUCell(I, 99))),
        lambda: StackedCell([LSTMCell(I, H), GRUCell(H, 3).double()]),
        lambda: widened(
            lambda: GRUCell(I, H), lambda c: setattr(c, "weight_hh", nn.Parameter(torch.randn(9, H)))
        ),
        lambda: widened(lambda: GRUCell(I, H), lambda c: setattr(c, "bias_hh", nn.Parameter(torch.randn(2)))),
        lambda: widened(
            lambda: nn.LSTMCell(I, H), lambda c: setattr(c, "weight_ih", nn.Parameter(torch.randn(28, 2)))
        ),
        lambda: widened(
            lambda: nn.LSTM(I, H), lambda c: setattr(c, "weight_hh_l0", nn.Parameter(torch.randn(9, H)))
        ),
        lambda: widened(lambda: nn.GRU(I, H), lambda c: setattr(c.weight_hh_l0, "data", torch.randn(9, H))),
    ],
)
def test_layers_and_weights_that_do_not_fit_are_an_error(cell):
    stream = Stream(cell())
    for _ in range(2):
        with pytest.raises((UnrolledError, ValueError, RuntimeError)):
            stream.step(torch.randn(2, I))
