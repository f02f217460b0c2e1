import pytest

from tests.catalogue import H, I, K, N, draw, draw_state, make
from tests.tolerances import assert_equal
from unrolled import GRUCell, LSTMCell, RNNCell, StackedCell


def test_each_layer_reads_what_the_one_below_gives_and_keeps_its_own_state():
    stack = make("stack-mixed")
    x, state = draw(N, I), draw_state(stack)
    lstm, gru, rnn = stack.cells
    first, s_1 = lstm(x, state[0])
    second, s_2 = gru(first, state[1])
    third, s_3 = rnn(second, state[2])
    assert_equal(stack(x, state), (third, (s_1, s_2, s_3)))


def test_a_cell_that_stands_twice_shares_its_weights():
    cell = GRUCell(H, H).double()
    stack = StackedCell([cell, cell])
    assert len(list(stack.parameters())) == 4
    x, state = draw(N, H), draw_state(stack)
    first, s_1 = cell(x, state[0])
    second, s_2 = cell(first, state[1])
    assert_equal(stack(x, state), (second, (s_1, s_2)))


def test_a_stack_of_one_is_its_cell_with_a_tuple_for_a_state():
    cell = make("lstm")
    x, state = draw(N, I), draw_state(cell)
    output, next_state = cell(x, state)
    assert_equal(StackedCell([cell])(x, (state,)), (output, (next_state,)))


def test_a_stack_of_no_cells_is_refused():
    with pytest.raises(ValueError, match="StackedCell: cells is empty, expected at least one cell"):
        StackedCell([])


def test_a_stack_refuses_a_cell_that_does_not_take_what_the_one_below_gives():
    match = "StackedCell: cell 2 takes an input of 4, but cell 1 below it gives 6"
    with pytest.raises(ValueError, match=match):
        StackedCell([LSTMCell(I, H), GRUCell(H, K), RNNCell(H, K)])
    with pytest.raises(ValueError, match="cell 1 takes an input of 4, but cell 0 below it gives 2"):
        StackedCell(iter([LSTMCell(I, H, proj_size=2), GRUCell(H, K)]))
