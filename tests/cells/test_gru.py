import numpy as np
import pytest
import torch

from tests.catalogue import H, I, N, draw, make
from tests.tolerances import assert_close
from unrolled import GRUCell


@pytest.mark.parametrize("bias", [True, False])
def test_gru_cell_that_resets_after_computes_what_torch_does_with_its_weights(bias):
    ours, theirs = GRUCell(I, H, bias).double(), torch.nn.GRUCell(I, H, bias).double()
    ours.load_state_dict(theirs.state_dict())
    x, h = draw(N, I), draw(N, H)
    assert_close(ours(x, h)[0], theirs(x, h))


def test_gru_cell_gives_its_weights_to_torch():
    ours, theirs = make("gru-after"), torch.nn.GRUCell(I, H).double()
    theirs.load_state_dict(ours.state_dict())
    x, h = draw(N, I), draw(N, H)
    assert_close(theirs(x, h), ours(x, h)[0])


@pytest.mark.parametrize("bias", [True, False])
def test_gru_cell_that_resets_before_follows_the_formula_of_the_paper(bias):
    cell = make("gru-before" if bias else "gru-before-no-bias")
    x, h = draw(N, I), draw(N, H)
    expected = gru_by_hand(cell, x.numpy(), h.numpy(), lambda r, h, U, b: (r * h) @ U.T + b)
    output, state = cell(x, h)
    assert_close(output, expected)
    assert_close(state, expected)


def test_gru_cell_that_resets_after_follows_the_formula_of_cudnn():
    cell = make("gru-after")
    x, h = draw(N, I), draw(N, H)
    expected = gru_by_hand(cell, x.numpy(), h.numpy(), lambda r, h, U, b: r * (h @ U.T + b))
    assert_close(cell(x, h)[0], expected)


def gru_by_hand(cell, x, h, reset):
    zero = torch.zeros(3 * H)
    biases = (zero if b is None else b for b in (cell.bias_ih, cell.bias_hh))
    W, U, b_i, b_h = (
        dict(zip("rzn", v.detach().numpy().reshape(3, H, -1).squeeze(), strict=True))
        for v in (cell.weight_ih, cell.weight_hh, *biases)
    )
    r = 1 / (1 + np.exp(-(x @ W["r"].T + b_i["r"] + h @ U["r"].T + b_h["r"])))
    z = 1 / (1 + np.exp(-(x @ W["z"].T + b_i["z"] + h @ U["z"].T + b_h["z"])))
    n = np.tanh(x @ W["n"].T + b_i["n"] + reset(r, h, U["n"], b_h["n"]))
    return (1 - z) * n + z * h


def test_the_two_resets_are_two_functions_of_the_same_parameters():
    after, before = make("gru-after"), GRUCell(I, H, reset="before").double()
    before.load_state_dict(after.state_dict())
    x, h = draw(N, I), draw(N, H)
    assert (after(x, h)[0] - before(x, h)[0]).abs().max() > 0.01


def test_gru_cell_refuses_an_unknown_reset():
    with pytest.raises(
        ValueError, match=r"unknown reset 'befor': did you mean 'before'\? Known: after, before"
    ):
        GRUCell(I, H, reset="befor")
