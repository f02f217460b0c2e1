"""`unrolled.quantize` on whole models."""

import copy
import io
import re

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

import unrolled
from tests.tolerances import assert_close, assert_equal
from unrolled import GRUCell, LSTMCell, ResidualCell, RNNCell, StackedCell, UnrolledError, quantize
from unrolled.cells import QuantizedCell
from unrolled.layers import QuantizedLayers, QuantizedStep, explain
from unrolled.networks import CATALOGUE, NetworkConfig, SequenceClassifier

I, H = 5, 6
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
DROP_INS = {"lstm": unrolled.LSTM, "gru": unrolled.GRU, "rnn": unrolled.RNN}
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
NEAR = {torch.int8: 0.05, torch.bfloat16: 0.01}
kinds = pytest.mark.parametrize("kind", LAYERS)
dtypes = pytest.mark.parametrize("dtype", NEAR)


def flat(results):
    for part in results:
        yield from flat(part) if isinstance(part, tuple) else [part]


def assert_near(actual, expected, dtype):
    pairs = list(zip(flat(actual), flat(expected), strict=True))
    assert all(a.shape == e.shape and a.dtype == e.dtype for a, e in pairs)
    distance = max(float((a - e).abs().max()) for a, e in pairs)
    assert 0 < distance < NEAR[dtype]


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}])
@pytest.mark.parametrize("states", [False, True])
@dtypes
@kinds
def test_a_layer_of_torch_stays_near_itself(kind, dtype, states, options):
    layers = LAYERS[kind](I, H, **options)
    small = quantize(layers, dtype)
    assert isinstance(small, QuantizedLayers)
    places = len(small.cells)
    hx = None
    if states:
        h = torch.rand(places, 3, H) - 0.5
        hx = (h, torch.rand(places, 3, H)) if kind == "lstm" else h
    x = torch.randn(3, 4, I) if options else torch.randn(4, 3, I)
    with torch.no_grad():
        assert_near(small(x, hx), layers(x, hx), dtype)
        one = None if hx is None else tuple(s[:, 0] for s in hx) if kind == "lstm" else hx[:, 0]
        alone = x[0] if options else x[:, 0]
        assert_near(small(alone, one), layers(alone, one), dtype)


@kinds
def test_lengths_and_resets_are_those_of_the_drop_ins(kind):
    layers = DROP_INS[kind](I, H, bidirectional=True, batch_first=True)
    small = quantize(layers, torch.bfloat16)
    x, lengths = torch.randn(3, 6, I), [6, 0, 4]
    resets = torch.tensor([[0, 0, 1, 0, 1, 0], [0] * 6, [0, 1, 0, 0, 0, 0]]).bool()
    with torch.no_grad():
        assert_near(small(x, lengths=lengths), layers(x, lengths=lengths), torch.bfloat16)
        both = {"lengths": lengths, "resets": resets}
        assert_near(small(x, **both), layers(x, **both), torch.bfloat16)


@kinds
def test_a_packed_sequence_is_the_padded_one(kind):
    layers = LAYERS[kind](I, H, bidirectional=True)
    small = quantize(layers)
    sequences = [torch.randn(length, I) for length in (2, 5, 1, 4)]
    h = torch.rand(2, 4, H)
    hx = (h, h.flip(0)) if kind == "lstm" else h
    with torch.no_grad():
        outputs, states = small(pack_sequence(sequences, enforce_sorted=False), hx)
        padded = nn.utils.rnn.pad_sequence(sequences)
        expected, final = small(padded, hx, lengths=[2, 5, 1, 4])
    assert_equal(pad_packed_sequence(outputs)[0], expected)
    assert_equal(tuple(flat((states,))), tuple(flat((final,))))


@dtypes
@kinds
def test_a_cell_of_torch_stays_near_itself(kind, dtype):
    cell = CELLS[kind](I, H)
    small = quantize(cell, dtype)
    assert isinstance(small, QuantizedStep)
    h = torch.rand(2, H) - 0.5
    hx = (h, torch.rand(2, H)) if kind == "lstm" else h
    x = torch.randn(2, I)

    def parts(result):
        return result if isinstance(result, tuple) else (result,)

    with torch.no_grad():
        assert_near(parts(small(x, hx)), parts(cell(x, hx)), dtype)
        assert_near(parts(small(x[0])), parts(cell(x[0])), dtype)


def test_a_model_is_copied_and_itself_stays_as_it_is():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(7, I)
            self.first = nn.LSTM(I, H, batch_first=True)
            self.shared = self.first
            self.head = nn.Linear(H, 2)
            self.parts = [self.first]

        def forward(self, tokens):
            return self.head(self.first(self.embed(tokens))[0])

    model = unrolled.accelerate(Model())
    before = copy.deepcopy(model.state_dict())
    tokens = torch.randint(0, 7, (3, 4))
    small = quantize(model)
    assert type(small) is Model
    assert isinstance(small.first, QuantizedLayers)
    assert small.shared is small.first
    assert small.parts[0] is small.first
    assert model.training
    assert not small.training
    assert not any(parameter.requires_grad for parameter in small.parameters())
    assert small(tokens).requires_grad is False
    with torch.no_grad():
        assert_near((small(tokens),), (model(tokens),), torch.int8)
    assert_equal(list(model.state_dict().values()), list(before.values()))
    assert type(model.first) is unrolled.LSTM


@dtypes
def test_a_quantized_model_goes_through_a_file(dtype):
    model = nn.Sequential(nn.Linear(3, I), nn.GRU(I, H))
    small, other = quantize(model, dtype), quantize(nn.Sequential(nn.Linear(3, I), nn.GRU(I, H)), dtype)
    file = io.BytesIO()
    torch.save(small.state_dict(), file)
    file.seek(0)
    x = torch.randn(4, 2, 3)
    other(x)  # packs its weights
    other.load_state_dict(torch.load(file))
    assert_equal(other(x)[0], small(x)[0])


def test_what_stays_is_said(capsys):
    class Mine(nn.LSTM):
        def forward(self, input, hx=None):
            return super().forward(input.flip(0), hx)

    model = nn.ModuleDict(
        {
            "plain": LSTMCell(I, H),
            "peephole": LSTMCell(I, H, peephole=True),
            "projected": nn.LSTM(I, H, proj_size=2),
            "mine": Mine(I, H),
            "wide": GRUCell(I, H, dtype=torch.float64),
        }
    )
    small = quantize(model, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("plain: QuantizedCell, replaced: its weights are int8, and it runs in ")
    said = "\n".join(map(str, explain(small)))
    assert "peephole: LSTMCell, left: its weights stay as they are: an LSTM with peephole" in said
    assert "wide: GRUCell, left: its weights stay as they are: its weight_ih is torch.float64" in said
    left = "left: accelerate has not seen it yet; its weights stay as they are"
    assert f"projected: LSTM, {left}: an LSTM with proj_size" in said
    assert f"mine: Mine, {left}: a class of its own" in said
    for name in ("peephole", "projected", "mine", "wide"):
        assert type(small[name]) is type(model[name])


def test_a_model_with_nothing_to_quantize_is_refused():
    with pytest.raises(UnrolledError, match="nothing to quantize in a Linear: it has no LSTM, GRU or RNN"):
        quantize(nn.Linear(2, 2))
    with pytest.raises(UnrolledError, match="an LSTM with cell_clip and activation relu"):
        quantize(LSTMCell(I, H, cell_clip=1.0, activation="relu"))
    with pytest.raises(UnrolledError, match="it is quantized already"):
        quantize(quantize(GRUCell(I, H)))
    with pytest.raises(ValueError, match=re.escape("dtype is torch.float16, expected torch.int8 or")):
        quantize(GRUCell(I, H), torch.float16)
    with pytest.raises(TypeError, match="model is a str"):
        quantize("model")


def test_a_layer_with_hooks_stays():
    model = nn.ModuleList([GRUCell(I, H), RNNCell(I, H)])
    model[1].register_forward_hook(lambda *_: None)
    small = quantize(model)
    assert [type(part) for part in small] == [QuantizedCell, RNNCell]


def test_an_lstm_that_trains_with_recurrent_dropout_has_none_in_inference():
    cell = LSTMCell(I, H, recurrent_dropout=0.5, forget_bias=1.0).train()
    small = quantize(cell, torch.bfloat16)
    x = torch.randn(2, 4, I)
    with torch.no_grad():
        expected, _ = unrolled.dynamic_unroll(cell.eval(), x)
        assert float((unrolled.dynamic_unroll(small, x)[0] - expected).abs().max()) < 0.01


@pytest.mark.parametrize(
    "config",
    [
        CATALOGUE["seed-000"],
        NetworkConfig("stack", (("lstm", 8, {"residual": False}), ("gru", 8, {"residual": True}))),
        NetworkConfig("both", (("gru", 7), ("rnn", 6)), direction="bidirectional"),
        NetworkConfig("dense", (("rnn", 7),), input_layers=((4, "tanh"),), read="mean"),
    ],
    ids=lambda config: config.name,
)
@dtypes
def test_a_network_stays_near_itself(config, dtype):
    network = SequenceClassifier(config).eval()
    small = quantize(network, dtype)
    assert isinstance(small, SequenceClassifier)
    assert small.parameter_count == network.parameter_count
    x = torch.rand(3, 9, config.input_size)
    with torch.no_grad():
        assert_near((small(x, [9, 4, 1]),), (network(x, [9, 4, 1]),), dtype)


def test_a_stack_has_the_states_of_the_stack():
    stack = StackedCell([LSTMCell(I, H), ResidualCell(GRUCell(H, H))])
    small = quantize(stack, torch.bfloat16)
    x = torch.randn(2, 4, I)
    with torch.no_grad():
        (_, expected), (_, state) = unrolled.dynamic_unroll(stack, x), unrolled.dynamic_unroll(small, x)
    assert type(state[0]) is unrolled.LSTMState
    assert float((state[1] - expected[1]).abs().max()) < 0.01


def test_states_of_another_shape_are_named():
    small = quantize(nn.LSTM(I, H))
    with pytest.raises(ValueError, match=r"hx has shapes \[\[1, 2, 5\], \[1, 2, 6\]\], expected \[1, 2, 6\]"):
        small(torch.randn(4, 2, I), (torch.zeros(1, 2, 5), torch.zeros(1, 2, 6)))


def test_the_reference_path_gives_the_same(monkeypatch):
    layers = quantize(nn.LSTM(I, H, bidirectional=True), torch.bfloat16)
    x = torch.randn(4, 2, I)
    fused = layers(x)
    monkeypatch.setenv("UNROLLED_ISA", "reference")
    assert_close(layers(x)[0], fused[0])
    assert "it runs in plain PyTorch" in str(explain(layers)[0])
