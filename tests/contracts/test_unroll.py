"""What holds for every cell along time."""

import hypothesis
import pytest
import torch

from tests.catalogue import CATALOGUE, FIXED, LENGTHS, N, T, draw, draw_state, make, parts, ragged, seeded
from tests.tolerances import assert_equal
from unrolled import dynamic_unroll, static_unroll
from unrolled.cells.state import map_state

every_cell = pytest.mark.parametrize("name", CATALOGUE)


@every_cell
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("given_state", [True, False])
def test_static_and_dynamic_unroll_agree(name, lengths, batch_first, given_state, assert_agree):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell) if given_state else None
    outputs, final = seeded(static_unroll, cell, x.unbind(1), lengths, state)
    x = x if batch_first else x.transpose(0, 1)
    dynamic_outputs, dynamic_final = seeded(dynamic_unroll, cell, x, lengths, state, batch_first=batch_first)
    assert_agree(dynamic_outputs, torch.stack(outputs, 1 if batch_first else 0))
    assert_agree(dynamic_final, final)


@pytest.mark.parametrize("name", ["lstm", "gru-before", "stack-mixed"])
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(batch=ragged)
def test_static_and_dynamic_unroll_agree_for_any_lengths(name, batch, assert_agree):
    time, lengths = batch
    cell = make(name)
    x = draw(len(lengths), time, cell.input_size)
    outputs, final = static_unroll(cell, x.unbind(1), lengths)
    assert_agree(dynamic_unroll(cell, x, lengths), (torch.stack(outputs, 1), final))


@every_cell
def test_an_unroll_is_the_cell_step_by_step(name, assert_agree):
    cell = make(name)
    x, state = draw(N, 3, cell.input_size), draw_state(cell)

    def by_hand():
        first, s = cell(x[:, 0], state)
        second, s = cell(x[:, 1], s)
        third, s = cell(x[:, 2], s)
        return torch.stack([first, second, third], 1), s

    expected = seeded(by_hand)
    assert_agree(seeded(dynamic_unroll, make(name), x, None, state), expected)


@every_cell
def test_gradients_of_a_ragged_unroll_are_those_of_finite_differences(name):
    cell = make(name)
    x, state = draw(3, 4, cell.input_size), draw_state(cell, 3)

    def unroll(x, *rest):  # the rest are the state and the parameters, moved in place
        outputs, final = seeded(dynamic_unroll, cell, x, [4, 0, 2], state)
        return outputs, *parts(final)

    leaves = [x.requires_grad_(), *(part.requires_grad_() for part in parts(state))]
    assert torch.autograd.gradcheck(unroll, (*leaves, *cell.parameters()), fast_mode=True)


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("cut", [1, 4])
def test_two_unrolls_that_hand_on_the_state_are_one_long_unroll(name, cut):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    outputs, final = dynamic_unroll(cell, x, None, state)
    first, middle = dynamic_unroll(cell, x[:, :cut], None, state)
    second, end = dynamic_unroll(cell, x[:, cut:], None, middle)
    assert_equal(torch.cat([first, second], 1), outputs)
    assert_equal(end, final)


@every_cell
@pytest.mark.parametrize("batch_first", [True, False])
def test_returned_states_are_the_states_after_each_step(name, batch_first):
    cell = make(name)
    axis = 1 if batch_first else 0
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    _, _, states = seeded(
        dynamic_unroll,
        cell,
        x if batch_first else x.transpose(0, 1),
        LENGTHS,
        state,
        batch_first=batch_first,
        return_states=True,
    )
    for t in range(T):
        lengths = [min(length, t + 1) for length in LENGTHS]
        _, after = seeded(dynamic_unroll, cell, x[:, : t + 1], lengths, state)
        assert_equal(map_state(lambda part, t=t: part.select(axis, t), states), after)


@every_cell
def test_asking_for_the_states_changes_no_result(name):
    cell = make(name)
    x = draw(N, T, cell.input_size)
    outputs, final, _ = seeded(dynamic_unroll, cell, x, LENGTHS, return_states=True)
    assert_equal(seeded(dynamic_unroll, cell, x, LENGTHS), (outputs, final))


@every_cell
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_outputs_and_states_can_be_changed_in_place_one_without_the_other(name, lengths):
    cell = make(name)
    x = draw(N, T, cell.input_size)
    results = dynamic_unroll(cell, x, lengths, return_states=True)
    memory = [part.untyped_storage().data_ptr() for result in results for part in parts(result)]
    assert len(set(memory)) == len(memory)


@every_cell
@pytest.mark.parametrize("lengths", [None, [0] * N])
@pytest.mark.parametrize("batch_first", [True, False])
def test_no_steps_give_no_outputs_and_the_initial_state(name, lengths, batch_first):
    cell = make(name)
    x = draw(N, 0, cell.input_size) if batch_first else draw(0, N, cell.input_size)
    state = draw_state(cell)
    outputs, final, states = dynamic_unroll(
        cell, x, lengths, state, batch_first=batch_first, return_states=True
    )
    empty = (N, 0) if batch_first else (0, N)
    assert outputs.shape == (*empty, cell.output_size)
    assert map_state(lambda part: part.shape, states) == map_state(
        lambda size: (*empty, size), cell.state_size
    )
    assert_equal(final, state)
    assert_equal(dynamic_unroll(cell, x, lengths, batch_first=batch_first)[1], cell.initial_state(N))


@every_cell
@pytest.mark.parametrize("lengths", [None, []])
def test_an_empty_batch_gives_empty_results(name, lengths):
    cell = make(name)
    outputs, final, states = dynamic_unroll(cell, draw(0, T, cell.input_size), lengths, return_states=True)
    assert outputs.shape == (0, T, cell.output_size)
    assert map_state(lambda part: part.shape, final) == map_state(lambda size: (0, size), cell.state_size)
    assert map_state(lambda part: part.shape, states) == map_state(lambda size: (0, T, size), cell.state_size)


@every_cell
def test_one_step_is_one_call_of_the_cell(name, assert_agree):
    cell, other = make(name), make(name)
    x, state = draw(N, 1, cell.input_size), draw_state(cell)
    output, after = seeded(other, x[:, 0], state)
    assert_agree(seeded(dynamic_unroll, cell, x, None, state), (output.unsqueeze(1), after))
