"""A recurrent node is computed as ONNX Runtime computes it, or is refused in one sentence."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.onnx.models import GATES, recurrent, saved
from unrolled import GRUCell, LSTMCell, RNNCell, UnrolledError, dynamic_unroll
from unrolled.onnx import load

ACTIVATIONS = {
    "LSTM": [[], ["Sigmoid", "Relu", "Relu"], ["sigmoid", "Softsign", "Softsign"], ["Sigmoid"] * 3],
    "GRU": [[], ["Sigmoid", "Tanh"]],
    "RNN": [[], ["Relu"], ["Tanh"]],
}


@st.composite
def drawn(draw):
    op = draw(st.sampled_from(list(GATES)))
    ways = draw(st.integers(1, 2))
    options = {
        "directions": ways,
        "inputs": draw(st.integers(1, 4)),
        "hidden": draw(st.integers(1, 5)),
        "bias": draw(st.booleans()),
        "lengths": draw(st.booleans()),
        "states": draw(st.booleans()),
        "seed": draw(st.integers(0, 99)),
    }
    if op == "LSTM":
        options["peepholes"] = draw(st.booleans())
    if op == "GRU":
        options["linear_before_reset"] = draw(st.integers(0, 1))
    if ways == 1 and draw(st.booleans()):
        options["direction"] = "reverse"
    activations = draw(st.sampled_from(ACTIVATIONS[op]))
    if activations:
        options["activations"] = activations * ways
    time, batch = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    return op, options, time, draw(st.lists(st.integers(1, time), min_size=batch, max_size=batch))


@settings(max_examples=60, deadline=None)
@given(drawn())
def test_a_recurrent_node_gives_what_onnx_runtime_gives(tmp_path_factory, case):
    runtime = pytest.importorskip("onnxruntime")
    op, options, time, lengths = case
    path = saved(recurrent(op, **options), tmp_path_factory.mktemp("model"))
    read = load(path)
    feeds = {}
    for name, expected in read.inputs.items():
        sizes = {"T": time, "N": len(lengths)}
        shape = [sizes.get(size, size) for size in expected.shape]
        feeds[name] = np.random.default_rng(7).normal(size=shape).astype("f4")
    if options["lengths"]:
        feeds["sequence_lens"] = np.array(lengths, "i4")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    came = read(**feeds)
    for name, expected in zip(came, session.run(list(came), feeds), strict=True):
        np.testing.assert_allclose(came[name].detach().numpy(), expected, rtol=0, atol=1e-5, err_msg=name)


def test_a_length_of_0_leaves_the_initial_state_and_padding_of_nan_touches_nothing(tmp_path):
    read = load(saved(recurrent("LSTM", 2, lengths=True, states=True), tmp_path))
    x = torch.randn(4, 2, 3)
    x[2:, 0] = x[:, 1] = torch.nan
    h, c = torch.randn(2, 2, 2), torch.randn(2, 2, 2)
    came = read(x, torch.tensor([2, 0]), h, c)
    assert (came["Y_h"][:, 1] == h[:, 1]).all()
    assert (came["Y_c"][:, 1] == c[:, 1]).all()
    assert (came["Y"][:, :, 1] == 0).all()
    alone = read(x[:2, :1], torch.tensor([2]), h[:, :1], c[:, :1])
    torch.testing.assert_close(came["Y"][:2, :, :1], alone["Y"])


@pytest.mark.parametrize(("op", "kind"), [("LSTM", LSTMCell), ("GRU", GRUCell), ("RNN", RNNCell)])
def test_a_cell_that_is_taken_out_unrolls_as_its_layer_reads(op, kind, tmp_path):
    read = load(saved(recurrent(op, 2, hidden=4, name="encoder/one.two"), tmp_path))
    assert list(read.layers) == ["encoder/one_two"]
    forward, backward = read.cells["encoder/one_two.forward"], read.cells["encoder/one_two.backward"]
    assert type(forward) is type(backward) is kind
    x = torch.randn(5, 2, 3)
    came = read(x)["Y"]
    outputs, _ = dynamic_unroll(forward, x, batch_first=False)
    back, _ = dynamic_unroll(backward, x, batch_first=False, reverse=True)
    assert (came[:, 0] == outputs).all()
    assert (came[:, 1] == back).all()


def test_a_gru_keeps_where_its_reset_gate_acts(tmp_path):
    for number, reset in ((0, "before"), (1, "after")):
        read = load(saved(recurrent("GRU", linear_before_reset=number), tmp_path))
        assert read.cells["rnn.forward"].reset == reset


REFUSED = [
    ("LSTM", {"input_forget": 1}, r"its input and forget gates are coupled \(input_forget = 1\)"),
    ("LSTM", {"clip": 3.0}, r"it clips what its activations see to 3 \(clip\)"),
    ("GRU", {"clip": 0.5}, "clips"),
    ("LSTM", {"activations": ["HardSigmoid", "Tanh", "Tanh"]}, r"its activations are hardsigmoid"),
    ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, r"sigmoid, tanh, relu; LSTM cells here have"),
    ("LSTM", {"activations": ["Sigmoid", "LeakyRelu", "LeakyRelu"]}, r"leakyrelu \(alpha 0\.01\)"),
    ("GRU", {"activations": ["Sigmoid", "Relu"]}, "GRU cells here have Sigmoid, Tanh"),
    ("RNN", {"activations": ["Affine"]}, "RNN cells here have Tanh or Relu"),
    ("RNN", {"activations": ["Tanh", "Tanh"]}, "it has 2 activations, expected 1"),
    ("RNN", {"direction": "sideways"}, "unknown direction 'sideways'"),
    ("RNN", {"layout": 2}, "its layout is 2, expected 0 or 1"),
    ("RNN", {"direction": "bidirectional"}, r"its W has shape \[1, 2, 3\], expected \[2, 2, 3\]"),
]


@pytest.mark.parametrize(("op", "attributes", "says"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_no_cell_computes_is_refused_in_one_sentence(op, attributes, says, tmp_path):
    path = saved(recurrent(op, **attributes), tmp_path)
    with pytest.raises(UnrolledError, match=says) as refused:
        load(path)
    assert str(path) in str(refused.value)
    assert "'rnn'" in str(refused.value)


def test_leaky_units_of_a_slope_that_cells_have_are_read(tmp_path):
    attributes = {"activations": ["Sigmoid", "LeakyRelu", "LeakyRelu"], "activation_alpha": [0.2, 0.2]}
    read = load(saved(recurrent("LSTM", **attributes), tmp_path))
    assert read.cells["rnn.forward"].activation == "leaky_relu"
