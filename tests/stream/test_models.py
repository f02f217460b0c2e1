"""What streams, and what cannot: networks, torch.nn's layers, and anything else."""

import pytest
import torch
from torch import nn

from tests.tolerances import assert_close, assert_equal
from unrolled import Cell, GRUCell, RNNCell, StackedCell, Stream
from unrolled.errors import UnrolledError
from unrolled.networks import CATALOGUE, NetworkConfig, SequenceClassifier, build

FORWARD = [name for name, config in CATALOGUE.items() if config.direction == "forward"]
LAYERS = {
    "lstm": lambda: nn.LSTM(3, 4),
    "lstm-stack": lambda: nn.LSTM(3, 4, num_layers=2, dropout=0.5, batch_first=True),
    "lstm-projection": lambda: nn.LSTM(3, 5, num_layers=2, proj_size=4, bias=False),
    "gru-stack": lambda: nn.GRU(3, 4, num_layers=3),
    "rnn": lambda: nn.RNN(3, 4),
    "rnn-relu": lambda: nn.RNN(3, 4, num_layers=2, nonlinearity="relu", batch_first=True),
}


@pytest.mark.parametrize("read", ["final", "state"])
@pytest.mark.parametrize("unroll", ["static", "dynamic"])
def test_a_network_gives_the_probabilities_of_what_it_has_read(unroll, read):
    layers = (("lstm", 5), ("gru", 7), ("rnn", 6))
    config = NetworkConfig("mine", layers, unroll=unroll, read=read, input_size=3, classes=4)
    network = SequenceClassifier(config)
    x = torch.randn(2, 6, 3)
    stream = Stream(network)
    for t in range(6):
        with torch.no_grad():
            logits = network(x[:, : t + 1])
            # torch's product adds up in an order that depends on the strides of what it multiplies.
            same_strides = network.classifier(network.features(x[:, : t + 1]).contiguous())
        probabilities = stream.step(x[:, t])
        assert_close(probabilities, logits.softmax(dim=1))
        assert_equal(probabilities, same_strides.softmax(dim=1))
    alone = Stream(network)
    assert_close(alone.step(x[0, 0]), Stream(network).step(x[:, 0])[0])
    assert alone.step(x[0, 1].numpy()).shape == (4,)


@pytest.mark.parametrize("name", FORWARD)
def test_every_forward_network_of_the_catalogue_streams(name):
    network = build(name).train()
    x = torch.rand(2, 3, 28)
    stream = Stream(network)
    for t in range(3):
        probabilities = stream.step(x[:, t])
    with torch.no_grad():
        assert_close(probabilities, network.eval()(x).softmax(dim=1))


def test_a_network_sees_new_weights_of_its_classifier_and_its_cells():
    network = build("seed-004")
    x = torch.rand(2, 2, 28)
    stream = Stream(network)
    stream.step(x[:, 0])
    state = stream.state
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.01)
        expected = network.classifier(network.cell(x[:, 1], state)[0]).softmax(dim=1)
    assert_close(stream.step(x[:, 1]), expected)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_of_torch_stream_with_their_own_states(name):
    layers = LAYERS[name]()
    x = torch.randn(2, 7, 3)
    stream = Stream(layers)  # in training mode, where dropout would be active
    layers.eval()

    def whole(piece, state=None):
        with torch.no_grad():
            outputs, state = layers(piece if layers.batch_first else piece.transpose(0, 1), state)
        return outputs if layers.batch_first else outputs.transpose(0, 1), state

    expected, final = whole(x)
    for t in range(3):
        assert_close(stream.step(x[:, t]), expected[:, t])
    output, state = whole(x[:, 3:5], stream.state)
    assert_close(output, expected[:, 3:5])
    stream.state = state
    for t in (5, 6):
        assert_close(stream.step(x[:, t]), expected[:, t])
    assert_close(stream.state, final)


def test_a_state_of_layers_in_another_form_is_refused():
    stream = Stream(nn.LSTM(3, 4, num_layers=2), batch_size=5)
    with pytest.raises(
        UnrolledError, match=r"state is \[2, 5, 4\] float32, expected \('\[2, 5, 4\] float32', '\[2"
    ):
        stream.state = torch.zeros(2, 5, 4)
    h, c = stream.state
    stream = Stream(nn.LSTM(3, 4, num_layers=2))
    stream.state = (h, c)
    assert_equal(stream.state, (h, c))


class Counter(Cell):
    """A cell without parameters: output = x + 1, state' = state + 1."""

    def __init__(self):
        super().__init__(input_size=3, output_size=3, state_size=2)

    def step(self, x, state):
        return x + 1, state + 1


class PlainCounter(nn.Module):
    """The same, of no class of ours, on any width."""

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 2)

    def forward(self, x, state):
        return x + 1, state + 1


@pytest.mark.parametrize("cell", [Counter(), PlainCounter()])
def test_a_cell_of_ones_own_streams(cell):
    stream = Stream(cell)
    x = torch.randn(4, 3)
    for _ in range(2):
        assert_equal(stream.step(x), x + 1)
    assert_equal(stream.state, torch.full((4, 2), 2.0))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            lambda: build("multi-layer-dynamic-bi-lstm"),
            "network multi-layer-dynamic-bi-lstm is bidirectional: its",
        ),
        (
            lambda: nn.GRU(3, 4, bidirectional=True),
            "the GRU is bidirectional: its backward direction needs the end",
        ),
    ],
)
def test_what_needs_the_end_of_a_sequence_cannot_stream(model, words):
    with pytest.raises(UnrolledError, match=words):
        Stream(model())


@pytest.mark.parametrize("model", [nn.Linear(3, 4), [GRUCell(3, 4)], nn.Sequential(GRUCell(3, 4))])
def test_what_takes_no_steps_is_refused(model):
    with pytest.raises(
        TypeError, match=r"model is a .*(Linear|list|Sequential), expected a cell such as unrolled.L"
    ):
        Stream(model)


def test_own_weights_are_shared_and_not_copied():
    stack = StackedCell([GRUCell(3, 4), RNNCell(4, 5)]).train()
    stream = Stream(stack, batch_size=1)
    assert {id(weight) for weight in stream._source.cell.parameters()} == {
        id(weight) for weight in stack.parameters()
    }
