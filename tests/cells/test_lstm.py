"""The LSTM and each of its options against torch and against formulas written out in numpy."""

import numpy as np
import pytest
import torch

from tests.catalogue import H, I, N, P, draw, draw_state, make
from tests.tolerances import assert_close
from unrolled import LSTMCell, LSTMState, StackedCell, dynamic_unroll


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def norm(v, epsilon):
    """Layer normalisation over the last axis, before its scale and shift."""
    return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + epsilon)


def start(cell):
    """A random input and state, as tensors for the cell and as arrays x, h, c."""
    x, state = draw(N, I), draw_state(cell)
    return x, state, x.numpy(), state.h.numpy(), state.c.numpy()


def weights(cell):
    return {name: parameter.detach().numpy() for name, parameter in cell.named_parameters()}


def gates(cell, x, h):
    """W_k x + U_k h + b_k for k = i, f, g, o, each [N, H], from the k-th H rows of each matrix."""
    w = weights(cell)
    b = w.get("bias_ih", np.zeros(4 * H)) + w.get("bias_hh", np.zeros(4 * H))
    for k in range(4):
        rows = slice(k * H, (k + 1) * H)
        yield x @ w["weight_ih"][rows].T + h @ w["weight_hh"][rows].T + b[rows]


@pytest.mark.parametrize("bias", [True, False])
def test_lstm_cell_computes_what_torch_does_with_its_weights(bias):
    ours, theirs = LSTMCell(I, H, bias).double(), torch.nn.LSTMCell(I, H, bias).double()
    ours.load_state_dict(theirs.state_dict())
    x, state = draw(N, I), draw_state(ours)
    output, next_state = ours(x, state)
    assert_close(next_state, theirs(x, state))
    assert_close(output, next_state.h)


def test_lstm_cell_gives_its_weights_to_torch():
    ours, theirs = make("lstm"), torch.nn.LSTMCell(I, H).double()
    theirs.load_state_dict(ours.state_dict())
    x, state = draw(N, I), draw_state(ours)
    assert_close(theirs(x, state), ours(x, state)[1])


@pytest.mark.parametrize("name", ["lstm", "lstm-no-bias", "lstm-forget-bias"])
def test_lstm_cell_follows_its_formula(name):
    cell = make(name)
    x, state, *arrays = start(cell)
    i, f, g, o = gates(cell, *arrays[:2])
    c = sigmoid(f + cell.forget_bias) * arrays[2] + sigmoid(i) * np.tanh(g)
    assert_close(cell(x, state)[1], LSTMState(sigmoid(o) * np.tanh(c), c))


def test_forget_bias_is_not_a_parameter():
    assert make("lstm-forget-bias").forget_bias == 1.5
    assert make("lstm-forget-bias").state_dict().keys() == torch.nn.LSTMCell(I, H).state_dict().keys()


@pytest.mark.parametrize(
    ("activation", "φ"),
    [
        ("tanh", np.tanh),
        ("relu", lambda v: np.maximum(v, 0)),
        ("sigmoid", sigmoid),
        ("softsign", lambda v: v / (1 + np.abs(v))),
        ("identity", lambda v: v),
    ],
)
def test_the_activation_is_that_of_the_candidate_and_of_the_output(activation, φ):
    cell = LSTMCell(I, H, activation=activation).double()
    x, state, *arrays = start(cell)
    i, f, g, o = gates(cell, *arrays[:2])
    c = sigmoid(f) * arrays[2] + sigmoid(i) * φ(g)
    assert_close(cell(x, state)[1], LSTMState(sigmoid(o) * φ(c), c))


def test_peepholes_show_i_and_f_the_old_cell_state_and_o_the_new():
    cell = make("lstm-peephole")
    x, state, x_, h, c = start(cell)
    w = weights(cell)
    i, f, g, o = gates(cell, x_, h)
    c_next = sigmoid(f + w["weight_cf"] * c) * c + sigmoid(i + w["weight_ci"] * c) * np.tanh(g)
    h_next = sigmoid(o + w["weight_co"] * c_next) * np.tanh(c_next)
    assert_close(cell(x, state)[1], LSTMState(h_next, c_next))


def test_projection_makes_h_narrower_than_c():
    cell = make("lstm-projection")
    x, state, x_, h, c = start(cell)
    i, f, g, o = gates(cell, x_, h)
    c_next = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h_next = (sigmoid(o) * np.tanh(c_next)) @ weights(cell)["weight_hr"].T
    assert h_next.shape == (N, P)
    assert_close(cell(x, state)[1], LSTMState(h_next, c_next))


def test_projection_clip_bounds_the_projected_h_alone():
    cell = make("lstm-projection-clip")
    x, state, x_, h, c = start(cell)
    i, f, g, o = gates(cell, x_, h)
    c_next = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h_next = (sigmoid(o) * np.tanh(c_next)) @ weights(cell)["weight_hr"].T
    assert np.abs(h_next).max() > 0.2
    assert_close(cell(x, state)[1], LSTMState(np.clip(h_next, -0.2, 0.2), c_next))


def test_cell_clip_bounds_c_before_the_output_sees_it():
    cell = make("lstm-clip")
    x, state, x_, h, c = start(cell)
    i, f, g, o = gates(cell, x_, h)
    c_next = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    assert np.abs(c_next).max() > 0.3
    c_next = np.clip(c_next, -0.3, 0.3)
    assert_close(cell(x, state)[1], LSTMState(sigmoid(o) * np.tanh(c_next), c_next))


@pytest.mark.parametrize("name", ["lstm-norm-gates", "lstm-norm-gates-no-bias"])
def test_layer_norm_of_gates_normalises_each_gate_and_stores_the_normalised_c(name):
    cell = make(name)
    x, state, x_, h, c = start(cell)
    w = weights(cell)
    scale = w["norm_gates.weight"].reshape(4, H)
    shift = w.get("norm_gates.bias", np.zeros(4 * H)).reshape(4, H)
    i, f, g, o = (norm(v, 1e-12) * scale[k] + shift[k] for k, v in enumerate(gates(cell, x_, h)))
    c_next = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    c_next = norm(c_next, 1e-12) * w["norm_c.weight"] + w.get("norm_c.bias", 0)
    assert_close(cell(x, state)[1], LSTMState(sigmoid(o) * np.tanh(c_next), c_next))


@pytest.mark.parametrize("name", ["lstm-norm-projections", "lstm-norm-projections-no-bias"])
def test_layer_norm_of_projections_normalises_both_products_and_stores_the_plain_c(name):
    cell = make(name)
    x, state, x_, h, c = start(cell)
    w = weights(cell)
    from_x = norm(x_ @ w["weight_ih"].T, 1e-5) * w["norm_ih.weight"] + w.get("norm_ih.bias", 0)
    from_h = norm(h @ w["weight_hh"].T, 1e-5) * w["norm_hh.weight"] + w.get("norm_hh.bias", 0)
    i, f, g, o = np.split(from_x + from_h, 4, axis=1)
    c_next = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    shown = norm(c_next, 1e-5) * w["norm_c.weight"] + w.get("norm_c.bias", 0)
    assert_close(cell(x, state)[1], LSTMState(sigmoid(o) * np.tanh(shown), c_next))


@pytest.mark.parametrize("kind", ["gates", "projections"])
def test_layer_norm_shifts_in_the_place_of_the_biases(kind):
    assert LSTMCell(I, H, layer_norm=kind).bias_ih is None
    assert not any("bias" in name for name in LSTMCell(I, H, bias=False, layer_norm=kind).state_dict())


@pytest.mark.parametrize("kind", ["gates", "projections"])
def test_layer_norm_bears_a_sequence_that_begins_with_zeros(kind):
    """Where all units are equal, its gradient is 1/√ε, and the product over a few steps overflows."""
    cell = StackedCell([LSTMCell(I, H, layer_norm=kind), LSTMCell(H, H, layer_norm=kind)])
    x = torch.cat([torch.zeros(N, 20, I), torch.randn(N, 5, I)], dim=1)
    dynamic_unroll(cell, x)[0].sum().backward()
    for parameter in cell.parameters():
        assert parameter.grad.norm() < 1e5


def test_options_apply_in_the_documented_order():
    cell = LSTMCell(
        I,
        H,
        bias=False,
        forget_bias=0.7,
        activation="softsign",
        peephole=True,
        proj_size=P,
        cell_clip=0.6,
        proj_clip=0.3,
        layer_norm="gates",
        zoneout=0.25,
    )
    cell = cell.double().eval()
    x, state, x_, h, c = start(cell)
    w = weights(cell)

    def φ(v):
        return v / (1 + np.abs(v))

    i, f, g, o = (norm(v, 1e-12) for v in gates(cell, x_, h))
    f, i = sigmoid(f + w["weight_cf"] * c + 0.7), sigmoid(i + w["weight_ci"] * c)
    c_next = np.clip(norm(f * c + i * φ(g), 1e-12), -0.6, 0.6)
    h_next = (sigmoid(o + w["weight_co"] * c_next) * φ(c_next)) @ w["weight_hr"].T
    h_next = 0.25 * h + 0.75 * np.clip(h_next, -0.3, 0.3)
    output, next_state = cell(x, state)
    assert_close(next_state, LSTMState(h_next, 0.25 * c + 0.75 * c_next))
    assert_close(output, h_next)


@pytest.mark.parametrize("input_size", [2, 3])
def test_layer_norm_of_gates_gives_the_numbers_of_tensorflow_1s_own_test(input_size):
    """LayerNormBasicLSTMCell(2) of TensorFlow 1.15's contrib, all kernels 0.5, forget bias 1."""
    cell = LSTMCell(input_size, 2, bias=False, forget_bias=1.0, layer_norm="gates").double()
    torch.nn.init.constant_(cell.weight_ih, 0.5)
    torch.nn.init.constant_(cell.weight_hh, 0.5)
    h, c = np.array([[0.2, 0.3]]), np.array([[0.0, 0.1]])
    output, state = cell(
        torch.ones(1, input_size).double(), LSTMState(torch.from_numpy(h), torch.from_numpy(c))
    )
    np.testing.assert_allclose(output.detach(), [[-0.38079708, 0.38079708]], atol=1e-8)
    np.testing.assert_allclose(state.c.detach(), [[-1.0, 1.0]], atol=1e-8)
