"""Modules as others write them, with recurrent layers inside: ONNX Runtime beside the module."""

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled
from tests.onnx.conftest import Exported
from tests.onnx.nearness import assert_near, with_rubbish
from unrolled import UnrolledError
from unrolled.onnx import export

pytest.importorskip("onnxscript")


class Tagger(nn.Module):
    """Words to tags."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6, padding_idx=0)
        self.drop = nn.Dropout(0.5)
        self.lstm = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True, dropout=0.5)
        self.norm = nn.LayerNorm(10)
        self.out = nn.Linear(10, 3)

    def forward(self, tokens):
        outputs, _ = self.lstm(self.drop(self.embedding(tokens)))
        return F.log_softmax(self.out(torch.relu(self.norm(outputs))), dim=-1)


class Last(nn.Module):
    """As tutorials have it: initial states of zeros, and the output of the last step."""

    def __init__(self):
        super().__init__()
        self.hidden_size, self.num_layers = 5, 2
        self.gru = nn.GRU(4, self.hidden_size, self.num_layers, batch_first=True)
        self.out = nn.Linear(self.hidden_size, 3)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size).to(x.device)
        outputs, _ = self.gru(x, h0)
        return self.out(outputs[:, -1, :])


class Ragged(nn.Module):
    """A drop-in that is given lengths, and cells that an unrolling walks with."""

    def __init__(self):
        super().__init__()
        self.gru = unrolled.GRU(4, 5, batch_first=True, bidirectional=True)
        self.cell = unrolled.LSTMCell(
            10, 6, peephole=True, layer_norm="gates", forget_bias=0.5, cell_clip=2.0
        )
        self.back = unrolled.GRUCell(6, 3, reset="before")
        self.out = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, x, lengths):
        outputs, h = self.gru(x, lengths=lengths)
        outputs, state = unrolled.dynamic_unroll(self.cell, outputs, lengths)
        outputs, _ = unrolled.dynamic_unroll(self.back, outputs, lengths, reverse=True)
        return self.out(torch.cat((h[-2], h[-1]), dim=1)), state.c, outputs


class States(nn.Module):
    """Time first, a convolution, a projection, an RNN, weights that are computed; states in and out."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3, padding=1)
        lstm = nn.LSTM(6, 5, proj_size=2)
        self.lstm = nn.utils.parametrizations.weight_norm(lstm, "weight_hh_l0")
        self.rnn = nn.RNN(2, 3, nonlinearity="relu", bidirectional=True, bias=False)

    def forward(self, x, state):
        x = F.gelu(self.conv(x.permute(1, 2, 0))).permute(2, 0, 1)
        outputs, (h, c) = self.lstm(x, state)
        outputs, last = self.rnn(outputs)
        return {"outputs": outputs, "state": (h, c), "last": last}


N, T = 3, 7
SIZES = {N: 5, T: 9}
CASES = {
    "tagger": (Tagger, (torch.arange(N * T).view(N, T) % 20,), ["LSTM"] * 4, [["N", "T"]]),
    "last": (Last, (torch.randn(N, T, 4),), ["GRU"] * 2, [["N", "T", 4]]),
    "ragged": (
        Ragged,
        (torch.randn(N, T, 4), torch.tensor([7, 0, 5])),
        ["GRU"] * 3 + ["Scan"],
        [["N", "T", 4], ["N"]],
    ),
    "states": (
        States,
        {"x": torch.randn(T, N, 4), "state": (torch.randn(1, N, 2), torch.randn(1, N, 5))},
        ["RNN"] * 2 + ["Scan"],
        [["T", "N", 4], [1, "N", 2], [1, "N", 5]],
    ),
}  # fmt: skip


def other(value):
    """The same of other sizes."""
    if isinstance(value, dict):
        return {name: other(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(other, value))
    shape = [SIZES.get(size, size) for size in value.shape]
    if value.dim() == 1:
        return torch.tensor([9, 1, 0, 4, 9])
    return torch.randn(shape) if value.is_floating_point() else torch.randint(0, 20, shape)


def flat(value):
    if isinstance(value, dict):
        value = tuple(value.values())
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, tuple) else [value]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """`kept("last")`: a module that is in training and its model, which takes a while to be exported."""
    folder = tmp_path_factory.mktemp("modules")

    @functools.cache
    def make(case):
        module = CASES[case][0]()
        classes = [type(part) for part in module.modules()]
        model = Exported(module, folder / f"{case}.onnx", example=CASES[case][1], more={"author": "me"})
        assert module.training
        assert [type(part) for part in module.modules()] == classes
        return module, model, folder / f"{case}.onnx"

    return make


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_module_computes_what_it_does_here(kept, capfd, case):
    """In training it is, and stays so; what is exported evaluates. Batch and time are free."""
    _, example, nodes, shapes = CASES[case]
    module, model, _ = kept(case)
    assert capfd.readouterr() == ("", "")
    assert sorted(each.op_type for each in model.proto.graph.node if each.op_type in {*nodes}) == nodes
    axes = [[axis.dim_param or axis.dim_value for axis in entry.type.tensor_type.shape.dim]
            for entry in model.proto.graph.input]  # fmt: skip
    assert axes == shapes
    module.eval()
    for given in (example, other(example)):
        expected = flat(module(**given) if isinstance(given, dict) else module(*given))
        feeds = dict(zip(model.inputs, (value.numpy() for value in flat(given)), strict=True))
        assert_near(model.session.run(None, feeds), *expected)


def test_a_module_is_exported_alike_where_no_kernels_are(kept, tmp_path, monkeypatch):
    module, model, _ = kept("ragged")
    monkeypatch.setenv("UNROLLED_ISA", "reference")
    plain = Exported(module, tmp_path / "plain.onnx", example=CASES["ragged"][1], more={"author": "me"})
    assert plain.proto.graph == model.proto.graph


def test_padding_of_nan_touches_nothing_and_names_can_be_read(kept):
    x, lengths = CASES["ragged"][1]
    module, model, _ = kept("ragged")
    expected = module.eval()(x, lengths)
    fed = {"x": with_rubbish(x, lengths).numpy(), "lengths": lengths.numpy()}
    came = model.session.run(None, fed)
    assert_near(came, *expected)
    graph = model.proto.graph
    assert (model.inputs, model.outputs) == (["x", "lengths"], ["output1", "output2", "output3"])
    names = {each.name for each in graph.node}
    assert {"gru_l0/GRU", "gru_l0_reverse/GRU", "cell/W_x", "back/GRU"} <= names
    assert {entry.name for entry in graph.initializer} >= {"gru_l0/W", "back/R", "cell/weight_ih_transposed"}
    assert not any(entry.name.startswith("gru.weight") for entry in graph.initializer)
    assert (graph.name, model.proto.producer_name) == ("Ragged", "unrolled")
    assert [(entry.key, entry.value) for entry in model.proto.metadata_props] == [("author", "me")]
    assert __file__.encode() not in model.proto.SerializeToString()


def test_axes_may_be_named_that_are_free(exported):
    batch = torch.export.Dim("batch")
    module = nn.Sequential(nn.Flatten(1), nn.Linear(12, 2))
    model = exported(module, example=torch.randn(2, 3, 4), free=({0: batch},))
    x = torch.randn(5, 3, 4)
    assert_near(model.session.run(None, {model.inputs[0]: x.numpy()}), module(x))


def test_a_step_of_a_cell_has_a_free_batch(exported):
    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(4, 5)
            self.out = nn.Linear(5, 2)

        def forward(self, x, h):
            h = self.cell(x, h)
            return self.out(h), h

    module = Step()
    model = exported(module, example=(torch.randn(3, 4), torch.randn(3, 5)))
    x, h = torch.randn(6, 4), torch.randn(6, 5)
    assert_near(model.session.run(None, {"x": x.numpy(), "h": h.numpy()}), *module(x, h))


class Called(nn.Module):
    """A recurrent layer, and what a function does with it."""

    def __init__(self, function):
        super().__init__()
        self.rnn, self.cell = unrolled.LSTM(4, 5, batch_first=True), nn.LSTMCell(4, 5)
        self.out = nn.Linear(35, 2)
        self.function = function

    def forward(self, x, *more):
        return self.function(self, x, *more)


def packed(self, x, lengths):
    sequences = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(self.rnn(sequences)[0], batch_first=True)[0]


def looped(self, x):
    state = None
    for t in range(x.shape[1]):
        state = self.cell(x[:, t], state)
    return state[0]


def chosen(self, x):
    outputs, _ = self.rnn(x)
    return outputs if outputs.sum() > 0 else -outputs


def given(self, x):
    weights = {"weight_hh_l0": x[0, :1, :1] * self.rnn.weight_hh_l0}
    return torch.func.functional_call(self.rnn, weights, (x,))[0]


X, LENGTHS = torch.randn(N, T, 4), torch.tensor([7, 2, 5])
REFUSED = {
    "packed": (packed, (X, LENGTHS), "packed sequences have no form in ONNX: give its recurrent layer"),
    "loop": (looped, (X,), "its code holds for T = 7 alone, as a loop over steps in Python does"),
    "fixed": (lambda m, x: m.out(m.rnn(x)[0].flatten(1)), (X,), r"holds for T = 7 alone, .*free=\.\.\. says"),
    "chosen": (chosen, (X,), "goes one way or another by what values come"),
    "resets": (
        lambda m, x, r: m.rnn(x, resets=r)[0],
        (X, torch.zeros(N, T, dtype=torch.bool)),
        "is called with resets, which have no form in ONNX$",
    ),
    "computed": (given, (X,), "the weight_hh of the recurrent layer 'rnn_l0' is computed when"),
    "wrong": (lambda m, x: m.rnn(x[..., :3])[0], (X,), "Called cannot be exported: .*4"),
    "alike": (lambda m, x: m.rnn(x)[0], (X[:, :3],), r"first axes are \[3, 3\], expected two different"),
    "one": (lambda m, x: m.rnn(x)[0], (X[:1],), r"first axes are \[1, 7\], expected two different"),
    "two": (lambda m, x: m.rnn(x)[0], {"y": X}, "Called is not called as the example is: missing"),
    "nothing": (
        lambda m: m.rnn(X)[0],
        (),
        "is not called as the example is: missing a required argument: 'x'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_graph_can_say_is_told_in_one_line(case, tmp_path, capfd):
    function, example, says = REFUSED[case]
    with pytest.raises(UnrolledError, match=says) as refused:
        export(Called(function), tmp_path / "model.onnx", example=example)
    assert str(refused.value).isprintable()
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "model.onnx").exists()


def test_what_is_not_asked_of_a_module_is_told(tmp_path):
    with pytest.raises(TypeError, match=r"Tagger, expected .* any other torch module with example=\.\.\."):
        export(Tagger(), tmp_path / "model.onnx")
    with pytest.raises(UnrolledError, match="fp16 are for networks, cells and layers"):
        export(Tagger(), tmp_path / "model.onnx", example=CASES["tagger"][1], fp16=True)
    with pytest.raises(UnrolledError, match=r"has weights of torch\.float16, expected torch\.float32"):
        export(Last().half(), tmp_path / "model.onnx", example=X.half())


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UnrolledError, match=r"need the package onnxscript: pip install 'unrolled\[onnx\]'"):
        export(Last(), tmp_path / "model.onnx", example=X)


def test_a_traced_module_is_read_back_with_its_cells(kept):
    module, _, path = kept("last")
    back = unrolled.onnx.load(path)
    assert list(back.cells) == ["gru_l0/GRU.forward", "gru_l1/GRU.forward"]
    x = torch.randn(4, 8, 4)
    np.testing.assert_allclose(back(x)["output"], module.eval()(x), rtol=0, atol=1e-5)
    assert unrolled.onnx.read_exported(path) is None
