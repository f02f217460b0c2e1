import numpy as np
import pytest
import torch

from tests.catalogue import H, I, N, draw, make
from tests.tolerances import assert_close
from unrolled import RNNCell


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False])
def test_rnn_cell_computes_what_torch_does_with_its_weights(nonlinearity, bias):
    ours = RNNCell(I, H, bias, nonlinearity).double()
    theirs = torch.nn.RNNCell(I, H, bias, nonlinearity).double()
    ours.load_state_dict(theirs.state_dict())
    x, h = draw(N, I), draw(N, H)
    assert_close(ours(x, h)[0], theirs(x, h))


def test_rnn_cell_gives_its_weights_to_torch():
    ours, theirs = make("rnn"), torch.nn.RNNCell(I, H).double()
    theirs.load_state_dict(ours.state_dict())
    x, h = draw(N, I), draw(N, H)
    assert_close(theirs(x, h), ours(x, h)[0])


def test_rnn_cell_follows_its_formula():
    cell = make("rnn")
    x, h = draw(N, I), draw(N, H)
    W, U, b_ih, b_hh = (parameter.detach().numpy() for parameter in cell.parameters())
    expected = np.tanh(x.numpy() @ W.T + b_ih + h.numpy() @ U.T + b_hh)
    output, state = cell(x, h)
    assert_close(output, expected)
    assert_close(state, expected)


def test_rnn_cell_refuses_an_unknown_nonlinearity():
    with pytest.raises(
        ValueError, match=r"unknown nonlinearity 'tahn': did you mean 'tanh'\? Known: tanh, relu"
    ):
        RNNCell(I, H, nonlinearity="tahn")
