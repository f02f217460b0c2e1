"""What holds for one step of every cell."""

import copy
import pickle

import pytest
import torch

from tests.catalogue import CATALOGUE, N, draw, draw_state, make, parts, seeded
from tests.tolerances import assert_equal
from unrolled.cells.state import map_state

every_cell = pytest.mark.parametrize("name", CATALOGUE)


@every_cell
def test_output_and_state_have_the_declared_sizes(name):
    cell = make(name)
    output, state = cell(draw(N, cell.input_size), draw_state(cell))
    assert output.shape == (N, cell.output_size)
    assert map_state(lambda part: part.shape[1], state) == cell.state_size
    assert type(state) is type(draw_state(cell))
    assert all(part.shape[0] == N for part in parts(state))


@every_cell
def test_initial_state_is_zeros_nested_as_state_size(name):
    cell = make(name)
    state = cell.initial_state(N)
    assert map_state(lambda part: part.shape[1], state) == cell.state_size
    for part in parts(state):
        assert part.shape[0] == N
        assert part.dtype == torch.float64
        assert part.count_nonzero() == 0


@every_cell
def test_initial_state_takes_a_dtype_and_a_device(name):
    state = make(name).initial_state(N, dtype=torch.float32, device="meta")
    assert all(part.dtype == torch.float32 and part.device.type == "meta" for part in parts(state))


@every_cell
def test_a_step_without_a_state_starts_from_the_initial_state(name):
    cell, other = make(name), make(name)
    x = draw(N, cell.input_size)
    assert_equal(seeded(cell, x), seeded(other, x, other.initial_state(N)))


@every_cell
def test_a_step_leaves_its_arguments_as_they_were(name):
    cell = make(name)
    x, state = draw(N, cell.input_size), draw_state(cell)
    before = x.clone(), map_state(torch.clone, state)
    cell(x, state)
    assert_equal((x, state), before)


@every_cell
def test_gradients_of_a_step_are_those_of_finite_differences(name):
    cell = make(name)
    x, state = draw(2, cell.input_size), draw_state(cell, 2)

    def step(x, *rest):  # the rest are the state and the parameters, moved in place
        output, next_state = seeded(cell, x, state)
        return output, *parts(next_state)

    leaves = [x.requires_grad_(), *(part.requires_grad_() for part in parts(state))]
    assert torch.autograd.gradcheck(step, (*leaves, *cell.parameters()))


@every_cell
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda cell: pickle.loads(pickle.dumps(cell))])
def test_a_copy_computes_the_same_and_shares_nothing(name, copied):
    cell = make(name)
    x, state = draw(N, cell.input_size), draw_state(cell)
    cell(x, state)
    twin = copied(cell)
    assert_equal(seeded(twin, x, state), seeded(cell, x, state))
    for ours, theirs in zip(twin.parameters(), cell.parameters(), strict=True):
        assert ours.data_ptr() != theirs.data_ptr()


@every_cell
def test_a_state_dict_carries_all_that_a_cell_has_learnt(name):
    cell, other = make(name), CATALOGUE[name]().double().train(make(name).training)
    x, state = draw(N, cell.input_size), draw_state(cell)
    other.load_state_dict(cell.state_dict())
    assert_equal(seeded(other, x, state), seeded(cell, x, state))


@every_cell
def test_the_printed_cell_names_its_kind_and_sizes(name):
    cell = make(name)
    assert type(cell).__name__ in repr(cell)
    assert str(cell.input_size) in repr(cell)
