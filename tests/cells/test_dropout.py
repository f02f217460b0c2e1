"""Dropout: where it acts, in which order, and for how long a mask lasts."""

import pytest
import torch

from tests.catalogue import draw
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    Cell,
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    LSTMState,
    ResidualCell,
    StackedCell,
    dynamic_unroll,
)

N, T, I, H = 40, 5, 30, 25


class Probe(Cell):
    """output = x + 3, h' = x + 2, c' = x + 1: what came in can be told from what comes out."""

    def __init__(self):
        super().__init__(I, I, LSTMState(I, I))

    def step(self, x, state):
        return x + 3, LSTMState(x + 2, x + 1)


ONES = torch.ones(N, I)


def test_dropout_of_the_output_leaves_the_state_whole():
    output, state = DropoutCell(Probe(), output=0.5)(ONES)
    assert set(output.unique().tolist()) == {0.0, 8.0}
    assert_equal(state, LSTMState(ONES + 2, ONES + 1))


def test_dropout_of_the_state_leaves_the_output_and_c_whole():
    output, state = DropoutCell(Probe(), state=0.5)(ONES)
    assert_equal(output, ONES + 3)
    assert_equal(state.c, ONES + 1)
    assert set(state.h.unique().tolist()) == {0.0, 6.0}


def test_dropout_of_the_state_reaches_h_of_every_layer_of_a_stack():
    cell = DropoutCell(StackedCell([Probe(), Probe()]), state=0.5)
    _, (first, second) = cell(ONES)
    assert set(first.h.unique().tolist()) == {0.0, 6.0}
    assert set(second.h.unique().tolist()) == {0.0, 12.0}
    assert_equal((first.c, second.c), (ONES + 1, ONES + 4))
    assert 0.4 < ((first.h == 0) == (second.h == 0)).float().mean() < 0.6


def test_dropout_of_the_state_of_a_gru_drops_what_the_next_step_sees():
    plain = GRUCell(I, H)
    output, state = DropoutCell(plain, state=0.5)(ONES)
    assert_equal(output, plain(ONES)[0])
    assert_close(state, torch.where(state == 0, 0.0, 2 * output))
    assert 0.4 < (state == 0).float().mean() < 0.6


def test_dropout_of_the_input_comes_before_the_cell():
    output, state = DropoutCell(Probe(), input=0.5)(ONES)
    assert set(output.unique().tolist()) == {3.0, 5.0}
    assert_equal(state, LSTMState(output - 1, output - 2))


def test_dropout_of_input_output_and_state_act_one_after_the_other():
    output, state = DropoutCell(Probe(), input=0.5, output=0.5, state=0.5)(ONES)
    assert set(output.unique().tolist()) == {0.0, 6.0, 10.0}
    assert set(state.h.unique().tolist()) == {0.0, 4.0, 8.0}
    assert set(state.c.unique().tolist()) == {1.0, 3.0}
    assert 0.4 < ((output == 0) == (state.h == 0)).float().mean() < 0.6


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("probability", [0.2, 0.7])
def test_dropout_keeps_the_expected_value(probability, variational):
    cell = DropoutCell(Probe(), output=probability, variational=variational)
    output, _ = cell(torch.ones(1000, I))
    assert abs((output == 0).float().mean() - probability) < 0.02
    assert_close(output[output != 0].unique(), torch.tensor([4 / (1 - probability)]))


@pytest.mark.parametrize("variational", [True, False])
def test_dropout_does_nothing_after_training(variational):
    plain = LSTMCell(I, H)
    cell = DropoutCell(plain, input=0.5, output=0.5, state=0.5, variational=variational).eval()
    x, state = torch.randn(N, I), LSTMState(torch.randn(N, H), torch.randn(N, H))
    assert_equal(cell(x, state), plain(x, state))


@pytest.mark.parametrize("variational", [True, False])
def test_a_probability_of_1_drops_everything_and_one_of_0_nothing(variational):
    none = DropoutCell(Probe(), variational=variational)
    assert_equal(none(ONES), Probe()(ONES))
    every = DropoutCell(Probe(), input=1.0, output=1.0, state=1.0, variational=variational)
    output, state = every(ONES)
    assert_equal((output, state), (0 * ONES, LSTMState(0 * ONES, ONES)))


def masks(cell, lengths=None):
    """Which elements of each step's output an unroll drops: [N, T, I]."""
    return dynamic_unroll(cell, torch.ones(N, T, I), lengths)[0] == 0


@pytest.mark.parametrize("lengths", [None, [T] * (N - 1) + [T - 1]])
def test_variational_dropout_keeps_one_mask_for_all_steps_and_draws_another_for_the_next_unroll(lengths):
    cell = DropoutCell(Probe(), output=0.5, variational=True)
    first, second = masks(cell, lengths), masks(cell, lengths)
    for t in range(T):
        assert_equal(first[: N - 1, t], first[: N - 1, 0])
    assert 0.4 < (first[: N - 1, 0] == second[: N - 1, 0]).float().mean() < 0.6


def test_variational_dropout_draws_a_mask_for_each_sequence_and_each_element():
    (mask,) = {
        tuple(m.flatten().tolist()): m
        for m in masks(DropoutCell(Probe(), output=0.5, variational=True)).unbind(1)
    }.values()
    assert len({tuple(row) for row in mask.tolist()}) == N
    assert len({tuple(column) for column in mask.T.tolist()}) == I


def test_variational_dropout_keeps_one_mask_for_the_input_and_the_state_as_well():
    cell = DropoutCell(Probe(), input=0.5, state=0.5, variational=True)
    outputs, _, states = dynamic_unroll(cell, torch.ones(N, T, I), return_states=True)
    for t in range(T):
        assert_equal(outputs[:, t], outputs[:, 0])
        assert_equal(states.h[:, t], states.h[:, 0])
    input_mask, state_mask = outputs[:, 0] == 3, states.h[:, 0] == 0
    assert 0.4 < (input_mask == state_mask).float().mean() < 0.6


def test_other_dropout_draws_a_mask_for_each_step():
    mask = masks(DropoutCell(Probe(), output=0.5))
    for t in range(1, T):
        assert 0.4 < (mask[:, t] == mask[:, 0]).float().mean() < 0.6


@pytest.mark.parametrize(
    "wrap",
    [
        lambda cell: cell,
        lambda cell: StackedCell([Probe(), cell]),
        lambda cell: DropoutCell(ResidualCell(HighwayCell(cell)), variational=True),
    ],
)
def test_begin_sequence_draws_anew_in_every_part_of_a_cell_that_is_stepped_by_hand(wrap):
    cell = wrap(DropoutCell(Probe(), output=0.5, variational=True))
    first, kept = cell(ONES)[0], cell(ONES)[0]
    cell.begin_sequence()
    assert_equal(kept, first)
    assert 0.4 < (cell(ONES)[0] == first).float().mean() < 0.6


def test_an_unroll_of_a_module_that_holds_a_dropout_cell_draws_anew():
    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cells = torch.nn.ModuleList([DropoutCell(Probe(), output=0.5, variational=True)])

        def initial_state(self, batch_size):
            return self.cells[0].initial_state(batch_size)

        def forward(self, x, state):
            return self.cells[0](x, state)

    cell = Module()
    assert 0.4 < (masks(cell)[:, 0] == masks(cell)[:, 0]).float().mean() < 0.6


def test_variational_dropout_draws_anew_for_a_batch_of_another_size():
    cell = DropoutCell(Probe(), output=0.5, variational=True)
    assert cell(ONES)[0].shape == (N, I)
    assert cell(ONES[:7])[0].shape == (7, I)


def test_gradients_of_dropout_flow_through_what_was_kept():
    x = draw(N, I).requires_grad_()
    output, _ = DropoutCell(Probe(), output=0.5)(x)
    output.sum().backward()
    assert_equal(x.grad, torch.where(output == 0, 0.0, 2.0).double())
