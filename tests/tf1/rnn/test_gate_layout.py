"""Between TensorFlow's layout of weights and ours: TensorFlow's equations in numpy are the judge."""

import re

import numpy as np
import pytest
import torch

from tests import catalogue
from tests.tolerances import assert_close, assert_equal
from unrolled import GRUCell, HighwayCell, LSTMCell, LSTMState, RNNCell, UnrolledError
from unrolled.tf1.rnn import gate_layout

N, I, H = 5, 3, 4
RANDOM = np.random.default_rng(8)


def draw(*shape):
    return RANDOM.normal(scale=0.7, size=shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalise(x, gamma, beta):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12) * gamma + beta


def load(cell, variables):
    cell = cell.double()
    cell.load_state_dict(gate_layout.parameters(cell, variables))
    return cell


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_a_layer_normalised_lstm_computes_what_contrib_wrote():
    """LayerNormBasicLSTMCell: each of i, j, f, o on its own, then c, which is stored normalised."""
    variables = {"kernel": draw(I + H, 4 * H)}
    gates = ("input", "transform", "forget", "output", "state")
    variables |= {f"{gate}/{name}": draw(H) for gate in gates for name in ("gamma", "beta")}
    x, h, c = draw(N, I), draw(N, H), draw(N, H)

    def norm(value, gate):
        return normalise(value, variables[f"{gate}/gamma"], variables[f"{gate}/beta"])

    split = np.split(np.concatenate([x, h], 1) @ variables["kernel"], 4, axis=1)
    i, j, f, o = (norm(part, gate) for part, gate in zip(split, gates[:4], strict=True))
    new_c = norm(c * sigmoid(f + 0.6) + sigmoid(i) * np.tanh(j), "state")
    new_h = np.tanh(new_c) * sigmoid(o)

    cell = load(LSTMCell(I, H, forget_bias=0.6, layer_norm="gates"), variables)
    output, state = cell(*tensors(x), LSTMState(*tensors(h, c)))
    assert_close(output, new_h)
    assert_close(state.c, new_c)


def test_a_highway_s_gate_computes_what_contrib_wrote():
    cell = HighwayCell(RNNCell(I, I)).double()
    variables = {"carry_w": draw(I, I), "carry_b": draw(I)}
    cell.load_state_dict(gate_layout.parameters(cell, variables), strict=False)
    x, h = draw(N, I), draw(N, I)
    carry = sigmoid(x @ variables["carry_w"] + variables["carry_b"])
    inner = cell.cell(*tensors(x, h))[0].detach().numpy()
    assert_close(cell(*tensors(x, h))[0], x * carry + inner * (1 - carry))


def test_a_peephole_lstm_with_projection_computes_what_tensorflow_s_does():
    P = 2
    variables = {"kernel": draw(I + P, 4 * H), "bias": draw(4 * H), "projection/kernel": draw(H, P)}
    variables |= {f"w_{gate}_diag": draw(H) for gate in "ifo"}
    x, h, c = draw(N, I), draw(N, P), draw(N, H)
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ variables["kernel"] + variables["bias"], 4, axis=1)
    new_c = c * sigmoid(f + 0.6 + variables["w_f_diag"] * c)
    new_c += sigmoid(i + variables["w_i_diag"] * c) * np.tanh(j)
    new_h = sigmoid(o + variables["w_o_diag"] * new_c) * np.tanh(new_c) @ variables["projection/kernel"]
    cell = load(LSTMCell(I, H, forget_bias=0.6, peephole=True, proj_size=P), variables)
    output, state = cell(*tensors(x), LSTMState(*tensors(h, c)))
    assert_close(output, new_h)
    assert_close(state.c, new_c)


def test_a_gru_and_an_rnn_compute_what_tensorflow_s_do():
    variables = {
        "gates/kernel": draw(I + H, 2 * H),
        "gates/bias": draw(2 * H),
        "candidate/kernel": draw(I + H, H),
        "candidate/bias": draw(H),
    }
    x, h = draw(N, I), draw(N, H)
    both = np.concatenate([x, h], 1)
    r, u = np.split(sigmoid(both @ variables["gates/kernel"] + variables["gates/bias"]), 2, axis=1)
    candidate = np.concatenate([x, r * h], 1) @ variables["candidate/kernel"] + variables["candidate/bias"]
    cell = load(GRUCell(I, H, reset="before"), variables)
    assert_close(cell(*tensors(x, h))[0], u * h + (1 - u) * np.tanh(candidate))

    variables = {"kernel": draw(I + H, H), "bias": draw(H)}
    cell = load(RNNCell(I, H), variables)
    assert_close(cell(*tensors(x, h))[0], np.tanh(both @ variables["kernel"] + variables["bias"]))


@pytest.mark.parametrize(
    "name", ["rnn", "lstm", "lstm-peephole-projection-clips", "lstm-norm-gates", "gru-before", "highway"]
)
def test_there_and_back_is_the_same_cell(name):
    """Two biases come back as one; everything else bit for bit."""
    cell = catalogue.make(name)
    variables = gate_layout.variables(cell)
    came = gate_layout.parameters(cell, variables)
    weights = {key: value for key, value in cell.state_dict().items() if not key.startswith("cell.")}
    if "bias_ih" in weights:
        weights["bias_ih"] = weights["bias_ih"] + weights["bias_hh"]
        weights["bias_hh"] = torch.zeros_like(weights["bias_hh"])
    assert set(came) == set(weights)
    for key, value in weights.items():
        assert_equal(came[key], value)
    for key, value in gate_layout.variables(cell, came).items():
        assert_equal(variables[key], value)


@pytest.mark.parametrize(
    "name", ["lstm-no-bias", "gru-before-no-bias", "rnn-no-bias", "lstm-norm-gates-no-bias"]
)
def test_a_cell_without_bias_gets_zeros_in_tensorflow(name):
    variables = gate_layout.variables(catalogue.make(name))
    shifts = [value for key, value in variables.items() if key.endswith(("bias", "beta"))]
    assert shifts
    assert not any(value.any() for value in shifts)


def test_averages_of_gradients_take_the_same_way():
    cell = catalogue.make("lstm")
    averages = {name: torch.full_like(value, 2.0) for name, value in cell.state_dict().items()}
    named = gate_layout.variables(cell, averages)
    assert bool((named["kernel"] == 2).all())
    assert bool((named["bias"] == 4).all())


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (GRUCell(I, H), "TensorFlow 1's GRUCell resets before the matrix product, and this one after it"),
        (LSTMCell(I, H, zoneout=0.1), "TensorFlow 1 has no LSTM with zoneout"),
        (LSTMCell(I, H, layer_norm="projections"), 'TensorFlow 1 has no LSTM with layer_norm="projections"'),
        (catalogue.make("stack-mixed"), "TensorFlow 1 has no cell like StackedCell"),
    ],
)
def test_a_cell_that_tensorflow_does_not_have_is_refused(cell, message):
    with pytest.raises(UnrolledError, match=re.escape(message)):
        gate_layout.variables(cell)


def test_a_missing_variable_is_named():
    message = "a LSTMCell needs the variable bias, and there are only kernel"
    with pytest.raises(UnrolledError, match=message):
        gate_layout.parameters(LSTMCell(I, H), {"kernel": np.zeros((7, 16))})
