import pytest

from tests.catalogue import I, N, draw, draw_state, make
from tests.tolerances import assert_equal
from unrolled import GRUCell, HighwayCell, ResidualCell


def test_a_residual_cell_adds_its_input_to_its_output_and_not_to_its_state():
    cell = make("residual")
    x, state = draw(N, I), draw_state(cell)
    y, next_state = cell.cell(x, state)
    assert_equal(cell(x, state), (x + y, next_state))


@pytest.mark.parametrize("wrapper", [ResidualCell, HighwayCell])
def test_a_skip_connection_refuses_a_cell_that_changes_the_width(wrapper):
    match = "the cell takes an input of 3 and gives an output of 4, expected one width for both"
    with pytest.raises(ValueError, match=f"{wrapper.__name__}: {match}"):
        wrapper(GRUCell(3, 4))
