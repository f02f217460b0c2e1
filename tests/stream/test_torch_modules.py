"""torch.nn's recurrent layers and cells, parametrized, pruned and subclassed ones among them."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from tests.tolerances import assert_close
from unrolled import GRU, LSTM, GRUCell, LSTMCell, StackedCell, Stream, dynamic_unroll
from unrolled.errors import UnrolledError
from unrolled.layers import accelerate

I, H = 5, 7

CELLS = {
    "lstm": lambda **k: nn.LSTMCell(I, H, **k),
    "gru": lambda **k: nn.GRUCell(I, H, **k),
    "rnn": lambda **k: nn.RNNCell(I, H, **k),
    "rnn-relu": lambda **k: nn.RNNCell(I, H, nonlinearity="relu", **k),
}


@pytest.mark.usefixtures("each_isa")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_the_cells_of_torch_stream_with_their_own_states(name, batch_size, bias, dtype):
    cell = CELLS[name](bias=bias, dtype=dtype)
    stream = Stream(cell, batch_size)
    state = None
    for x in torch.randn(4, batch_size or 2, I, dtype=dtype):
        with torch.no_grad():
            state = cell(x, state)
        h = state[0] if name == "lstm" else state
        assert_close(stream.step(x), h)
        assert_close(stream.state, state)
    with torch.no_grad():
        state = cell(x, stream.state)  # each takes the other's state
    stream.state = state
    x = torch.randn(batch_size or 2, I, dtype=dtype)
    with torch.no_grad():
        state = cell(x, state)
    assert_close(stream.step(x), state[0] if name == "lstm" else state)


def test_cells_and_layers_of_an_accelerated_model_stream():
    model = nn.ModuleDict({"cell": nn.LSTMCell(I, H), "layer": nn.GRU(I, H, batch_first=True)})
    cell, layer = copy.deepcopy(model["cell"]), copy.deepcopy(model["layer"])
    accelerate(model)
    x = torch.randn(2, I)
    with torch.no_grad():
        assert_close(Stream(model["cell"]).step(x), cell(x)[0])
        assert_close(Stream(model["layer"]).step(x), layer(x[:, None])[0][:, 0])


def test_a_cell_of_torch_follows_its_weights():
    cell, x = nn.LSTMCell(I, H), torch.randn(2, I)
    stream = Stream(cell)
    for change in ("add_", "data", "fused"):
        stream.step(x)
        if change == "fused":
            cell(x)[0].sum().backward()
            torch.optim.Adam(cell.parameters(), lr=0.1, fused=True).step()
        elif change == "data":
            cell.weight_hh.data.add_(0.1)
            state = stream.state
            stream.reset()
            stream.state = state
        else:
            with torch.no_grad():
                cell.weight_hh.add_(0.1)
        state = stream.state
        with torch.no_grad():
            assert_close(stream.step(x), cell(x, state)[0])


class Doubled(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0, dtype=weight.dtype))

    def forward(self, weight):
        return self.scale * weight


def old_weight_norm(module, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(module, name)


def pruned(module, name):
    return prune.random_unstructured(module, name, amount=0.5)


def pruned_twice(module, name):
    return prune.l1_unstructured(pruned(module, name), name, amount=0.3)


PARAMETRIZED = {
    "weight norm": parametrizations.weight_norm,
    "old weight norm": old_weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "old spectral norm": nn.utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": pruned,
    "pruned twice": pruned_twice,
    "own": lambda module, name: parametrize.register_parametrization(
        module, name, Doubled(getattr(module, name))
    ),
}
MODULES = {
    "nn.LSTM": (lambda: nn.LSTM(I, H, num_layers=2, batch_first=True), "weight_hh_l1"),
    "nn.GRU": (lambda: nn.GRU(I, H, batch_first=True, bias=False), "weight_hh_l0"),
    "drop-in": (lambda: LSTM(I, H, batch_first=True), "weight_ih_l0"),
    "nn.LSTMCell": (lambda: nn.LSTMCell(I, H), "weight_hh"),
    "LSTMCell": (lambda: LSTMCell(I, H, peephole=True), "weight_hh"),
    "GRUCell": (lambda: GRUCell(I, H), "weight_hh"),
}


def outputs_of(module, x):
    """What the module gives in evaluation for x [N, T, I]."""
    mode = module.training
    module.eval()
    with torch.no_grad():
        if isinstance(module, nn.RNNBase):
            outputs, _ = module(x)
        elif isinstance(module, nn.LSTMCell):
            state, steps = None, []
            for t in range(x.shape[1]):
                state = module(x[:, t], state)
                steps.append(state[0])
            outputs = torch.stack(steps, 1)
        else:
            outputs, _ = dynamic_unroll(module, x)
    module.train(mode)
    return outputs


@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", PARAMETRIZED)
@pytest.mark.parametrize("name", MODULES)
def test_modules_with_computed_weights_stream_and_follow_what_they_are_computed_of(name, kind, training):
    make, weight = MODULES[name]
    module = make().double()
    module = PARAMETRIZED[kind](module, weight).train(training)
    x = torch.randn(2, 3, I, dtype=torch.float64)
    stream = Stream(module)

    def steps():
        stream.reset()
        return torch.stack([stream.step(x[:, t]) for t in range(3)], 1)

    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = steps()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert module.training == training
    assert_close(found, outputs_of(module, x))

    for original in module.parameters():
        old = steps()
        original.data.add_(torch.randn_like(original))
        new = steps()
        assert_close(new, outputs_of(module, x))
        assert not torch.equal(new, old)


@pytest.mark.parametrize("make", [lambda: nn.LSTM(I, H), lambda: nn.GRUCell(I, H)])
def test_the_next_step_follows_an_original_that_was_trained(make):
    module = make()
    name = "weight_hh_l0" if isinstance(module, nn.LSTM) else "weight_hh"
    parametrizations.weight_norm(module, name)
    original = module.parametrizations[name].original0
    stream, x = Stream(module), torch.randn(2, I)
    stream.step(x)
    original.grad = torch.ones_like(original)
    torch.optim.SGD([original], lr=0.5, fused=True).step()
    state = stream.state
    with torch.no_grad():
        expected = module(x[None], state)[0][0] if isinstance(module, nn.LSTM) else module(x, state)
    assert_close(stream.step(x), expected)


def test_a_weight_that_is_parametrized_later_counts_from_the_next_step():
    cell, x = nn.GRUCell(I, H), torch.randn(2, I)
    stream = Stream(cell)
    stream.step(x)
    parametrize.register_parametrization(cell, "weight_hh", Doubled(cell.weight_hh))
    state = stream.state
    with torch.no_grad():
        expected = cell(x, state)
    assert_close(stream.step(x), expected)
    parametrize.remove_parametrizations(cell, "weight_hh", leave_parametrized=False)
    state = stream.state
    with torch.no_grad():
        expected = cell(x, state)
    assert_close(stream.step(x), expected)


def test_a_pruned_cell_inside_a_stack_in_training_streams():
    stack = StackedCell([LSTMCell(I, H), GRUCell(H, H)]).train()
    prune.random_unstructured(stack.cells[1], "weight_hh", amount=0.5)
    x = torch.randn(2, 3, I)
    expected, _ = dynamic_unroll(stack, x)
    stream = Stream(stack)
    assert_close(torch.stack([stream.step(x[:, t]) for t in range(3)], 1), expected)


class Backwards(nn.LSTM):
    """A layer with a forward of its own."""

    def forward(self, x, state=None):
        outputs, state = super().forward(-x, state)
        return 2 * outputs, state


class OwnCell(nn.LSTMCell):
    def forward(self, x, state=None):
        return super().forward(-x, state)


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_layer_with_a_forward_of_its_own_is_called(batch_first):
    layer, x = Backwards(I, H, num_layers=2, batch_first=batch_first), torch.randn(2, 4, I)
    with torch.no_grad():
        expected, state = layer(x if batch_first else x.transpose(0, 1))
    expected = expected if batch_first else expected.transpose(0, 1)
    stream = Stream(layer)
    assert_close(torch.stack([stream.step(x[:, t]) for t in range(4)], 1), expected)
    assert_close(stream.state, state)
    stream.state = state


def test_a_cell_with_a_forward_of_its_own_is_called():
    cell, x = OwnCell(I, H), torch.randn(2, I)
    stream = Stream(cell)
    with torch.no_grad():
        state = cell(x, cell(x))
    stream.step(x)
    assert_close(stream.step(x), state[0])
    assert_close(stream.state, state)


def test_hooks_of_a_layer_are_called():
    layer, x = nn.GRU(I, H), torch.randn(2, I)
    layer.register_forward_hook(lambda module, inputs, outputs: (outputs[0] + 1, outputs[1]))
    with torch.no_grad():
        expected = layer(x[None])[0][0]
    assert_close(Stream(layer).step(x), expected)


def test_a_plain_pair_is_a_state_for_a_cell_in_the_loop(monkeypatch):
    monkeypatch.setenv("UNROLLED_ISA", "reference")
    cell, x = nn.LSTMCell(I, H), torch.randn(2, I)
    stream = Stream(cell)
    h, c = torch.randn(2, 2, H)
    stream.state = (h, c)
    with torch.no_grad():
        assert_close(stream.step(x), cell(x, (h, c))[0])


@pytest.mark.parametrize(
    "make", [lambda: nn.LSTM(I, H, bidirectional=True), lambda: GRU(I, H, bidirectional=True)]
)
def test_a_bidirectional_layer_is_refused(make):
    with pytest.raises(UnrolledError, match="is bidirectional: its backward direction needs the end"):
        Stream(make())
