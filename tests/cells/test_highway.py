import numpy as np
import pytest
import torch

from tests.catalogue import H, I, N, draw, draw_state, make
from tests.tolerances import assert_close, assert_equal
from unrolled import HighwayCell, LSTMCell


def test_a_highway_cell_mixes_input_and_output_by_its_carry_gate():
    cell = make("highway")
    x, state = draw(N, I), draw_state(cell)
    y, next_state = cell.cell(x, state)
    W, b = cell.weight_carry.detach().numpy(), cell.bias_carry.detach().numpy()
    t = 1 / (1 + np.exp(-(x.numpy() @ W.T + b)))
    output, highway_state = cell(x, state)
    assert_close(output, t * x.numpy() + (1 - t) * y.detach().numpy())
    assert_equal(highway_state, next_state)


@pytest.mark.parametrize("bias", [-100.0, 100.0])
def test_a_carry_gate_that_is_shut_gives_the_output_and_one_that_is_open_the_input(bias):
    cell = make("highway")
    torch.nn.init.constant_(cell.bias_carry, bias)
    x, state = draw(N, I), draw_state(cell)
    y, _ = cell.cell(x, state)
    assert_close(cell(x, state)[0], y if bias < 0 else x)


def test_an_untrained_highway_cell_carries_most_of_its_input():
    cell = HighwayCell(LSTMCell(I, H, proj_size=I, dtype=torch.float64))
    assert cell.bias_carry.tolist() == [1.0] * I
    assert cell.weight_carry.shape == (I, I)
    assert cell.weight_carry.abs().max() <= I**-0.5
    assert cell.weight_carry.dtype == torch.float64
