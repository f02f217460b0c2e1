"""What holds for every cell on a batch of sequences of different lengths."""

import hypothesis
import pytest
import torch

from tests.catalogue import CATALOGUE, FIXED, LENGTHS, N, T, draw, draw_state, make, parts, ragged, seeded
from tests.tolerances import assert_close, assert_equal
from unrolled import bidirectional_unroll, dynamic_unroll
from unrolled.cells.state import map_state

every_cell = pytest.mark.parametrize("name", CATALOGUE)
every_fixed_cell = pytest.mark.parametrize("name", FIXED)


def row(state, n):
    """The state of one sequence."""
    return map_state(lambda part: part[n : n + 1], state)


@every_cell
def test_outputs_past_a_length_are_zero(name):
    cell = make(name)
    outputs, _ = dynamic_unroll(cell, draw(N, T, cell.input_size), LENGTHS, draw_state(cell))
    for n, length in enumerate(LENGTHS):
        assert outputs[n, length:].count_nonzero() == 0


@every_cell
def test_the_final_state_is_the_state_after_the_last_step_within_the_length(name):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    _, final, states = seeded(dynamic_unroll, cell, x, LENGTHS, state, return_states=True)
    _, _, unpadded = seeded(dynamic_unroll, cell, x, None, state, return_states=True)
    for n, length in enumerate(LENGTHS):
        if length:
            assert_equal(row(final, n), map_state(lambda s, n=n, L=length: s[n : n + 1, L - 1], unpadded))
        for t in range(length, T):
            assert_equal(map_state(lambda s, n=n, t=t: s[n : n + 1, t], states), row(final, n))


@every_cell
@pytest.mark.parametrize("lengths", [[0] * N, LENGTHS])
def test_a_length_of_0_leaves_the_initial_state(name, lengths):
    cell = make(name)
    state = draw_state(cell)
    outputs, final = dynamic_unroll(cell, draw(N, T, cell.input_size), lengths, state)
    for n in range(N):
        if lengths[n] == 0:
            assert_equal(row(final, n), row(state, n))
            assert outputs[n].count_nonzero() == 0


@every_cell
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_what_stands_in_the_padding_touches_neither_results_nor_gradients(name, poison):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    padding = torch.arange(T) >= torch.tensor(LENGTHS)[:, None]

    def results(fill):
        filled = x.masked_fill(padding[:, :, None], fill).requires_grad_()
        start = map_state(lambda part: part.clone().requires_grad_(), state)
        outputs, final = seeded(dynamic_unroll, cell, filled, LENGTHS, start)
        loss = sum(part.sin().sum() for part in [outputs, *parts(final)])
        gradients = torch.autograd.grad(loss, [filled, *parts(start), *cell.parameters()])
        assert gradients[0][padding].count_nonzero() == 0
        return outputs, final, gradients

    assert_equal(results(poison), results(0.0))


@every_fixed_cell
def test_each_padded_sequence_gives_what_it_gives_alone(name):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    outputs, final = dynamic_unroll(cell, x, LENGTHS, state)
    for n, length in enumerate(LENGTHS):
        alone, alone_final = dynamic_unroll(cell, x[n : n + 1, :length], None, row(state, n))
        assert_close(outputs[n : n + 1, :length], alone)
        assert_close(row(final, n), alone_final)


@pytest.mark.parametrize("name", ["lstm", "gru-before", "wrappers"])
@hypothesis.given(ragged)
def test_each_padded_sequence_gives_what_it_gives_alone_for_any_lengths(name, batch):
    time, lengths = batch
    cell = make(name)
    x = draw(len(lengths), time, cell.input_size)
    outputs, final = dynamic_unroll(cell, x, lengths)
    for n, length in enumerate(lengths):
        alone, alone_final = dynamic_unroll(cell, x[n : n + 1, :length])
        assert_close(outputs[n : n + 1, :length], alone)
        assert outputs[n, length:].count_nonzero() == 0
        assert_close(row(final, n), alone_final)


@every_fixed_cell
def test_the_order_of_the_sequences_does_not_matter(name):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    order = torch.tensor([3, 1, 4, 0, 2])
    outputs, final = dynamic_unroll(cell, x, LENGTHS, state)
    lengths = torch.tensor(LENGTHS)[order]
    moved, moved_final = dynamic_unroll(cell, x[order], lengths, map_state(lambda s: s[order], state))
    assert_close(moved, outputs[order])
    assert_close(moved_final, map_state(lambda s: s[order], final))


@every_cell
@pytest.mark.parametrize("others", [[3, 0, 7, 1], [3, 3, 3, 3], [0, 0, 0, 0], [7, 7, 7, 7]])
def test_the_lengths_of_other_sequences_do_not_touch_a_row(name, others):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    alike, alike_final = seeded(dynamic_unroll, cell, x, [3] * N, state)
    outputs, final = seeded(dynamic_unroll, cell, x, [3, *others], state)
    assert_equal(outputs[0], alike[0])
    assert_equal(row(final, 0), row(alike_final, 0))


@pytest.mark.parametrize(
    "lengths",
    [LENGTHS, torch.tensor(LENGTHS), torch.tensor(LENGTHS, dtype=torch.uint8), torch.tensor(LENGTHS).numpy()],
    ids=["list", "int64", "uint8", "numpy"],
)
def test_lengths_may_be_a_list_a_tensor_or_an_array(lengths):
    cell = make("gru-after")
    x = draw(N, T, cell.input_size)
    expected = bidirectional_unroll(cell, cell, x, tuple(LENGTHS))
    assert_equal(bidirectional_unroll(cell, cell, x, lengths), expected)
