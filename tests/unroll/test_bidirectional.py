"""Both directions against the same composition made by hand from static loops."""

import hypothesis
import pytest
import torch

from tests.catalogue import LENGTHS, H, I, K, N, P, T, draw, draw_state, ragged
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    GRUCell,
    LSTMCell,
    RNNCell,
    StackedCell,
    bidirectional_unroll,
    stacked_bidirectional_unroll,
    static_unroll,
)
from unrolled.cells.state import map_state


def by_hand(forward_cell, backward_cell, x, lengths, states=(None, None)):
    """Each sequence alone, without its padding: one loop along the steps and one against them."""
    outputs = torch.zeros(
        len(x), x.shape[1], forward_cell.output_size + backward_cell.output_size, dtype=x.dtype
    )
    finals = []
    for n, length in enumerate(lengths):
        start = [map_state(lambda part, n=n: part[n : n + 1], s) if s is not None else None for s in states]
        steps = [x[n : n + 1, t] for t in range(length)]
        if not steps:
            finals.append(start)
            continue
        forwards, forward = static_unroll(forward_cell, steps, None, start[0])
        backwards, backward = static_unroll(backward_cell, steps[::-1], None, start[1])
        for t in range(length):
            outputs[n, t] = torch.cat([forwards[t], backwards[length - 1 - t]], 1)[0]
        finals.append([forward, backward])
    return outputs, finals


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("lengths", [LENGTHS, None])
def test_bidirectional_unroll_is_a_loop_from_each_end(kind, batch_first, lengths):
    forward_cell, backward_cell = LSTMCell(I, H).double(), GRUCell(I, P).double()
    x, states = draw(N, T, I), (draw_state(forward_cell), draw_state(backward_cell))
    expected, finals = by_hand(forward_cell, backward_cell, x, lengths or [T] * N, states)
    outputs, final = bidirectional_unroll(
        forward_cell,
        backward_cell,
        x if batch_first else x.transpose(0, 1),
        lengths,
        states,
        batch_first=batch_first,
        kind=kind,
    )
    assert_close(outputs if batch_first else outputs.transpose(0, 1), expected)
    for n in range(N):
        assert_close([map_state(lambda part, n=n: part[n : n + 1], s) for s in final], finals[n])


@hypothesis.given(ragged)
def test_stacked_bidirectional_unroll_feeds_each_layer_both_directions_of_the_one_below(batch):
    time, lengths = batch
    forward_cells = [LSTMCell(I, H).double(), RNNCell(H + P, K).double()]
    backward_cells = [GRUCell(I, P).double(), LSTMCell(H + P, H).double()]
    x = draw(len(lengths), time, I)
    below, _ = by_hand(forward_cells[0], backward_cells[0], x, lengths)
    expected, _ = by_hand(forward_cells[1], backward_cells[1], below, lengths)
    outputs, _ = stacked_bidirectional_unroll(forward_cells, backward_cells, x, lengths)
    assert_close(outputs, expected)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_stacked_bidirectional_unroll_is_one_bidirectional_unroll_on_another(kind, batch_first):
    forward_cells = [LSTMCell(I, H).double(), RNNCell(H + P, K).double()]
    backward_cells = [GRUCell(I, P).double(), LSTMCell(H + P, H).double()]
    x = draw(N, T, I) if batch_first else draw(T, N, I)
    states = tuple([draw_state(cell) for cell in cells] for cells in (forward_cells, backward_cells))
    options = {"batch_first": batch_first, "kind": kind}
    below, (f_1, b_1) = bidirectional_unroll(
        forward_cells[0], backward_cells[0], x, LENGTHS, (states[0][0], states[1][0]), **options
    )
    expected, (f_2, b_2) = bidirectional_unroll(
        forward_cells[1], backward_cells[1], below, LENGTHS, (states[0][1], states[1][1]), **options
    )
    outputs, final = stacked_bidirectional_unroll(
        iter(forward_cells), iter(backward_cells), x, LENGTHS, states, **options
    )
    assert_equal(outputs, expected)
    assert_equal(final, ((f_1, f_2), (b_1, b_2)))


def test_a_stack_of_cells_is_a_direction_too():
    forward_cell = StackedCell([GRUCell(I, H), LSTMCell(H, K)]).double()
    backward_cell = RNNCell(I, P).double()
    x = draw(N, T, I)
    expected, _ = by_hand(forward_cell, backward_cell, x, LENGTHS)
    assert_close(bidirectional_unroll(forward_cell, backward_cell, x, LENGTHS)[0], expected)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_the_padding_touches_neither_results_nor_gradients_of_any_direction(poison):
    forward_cells = [LSTMCell(I, H).double(), RNNCell(H + P, K).double()]
    backward_cells = [GRUCell(I, P).double(), LSTMCell(H + P, H).double()]
    parameters = [p for cell in forward_cells + backward_cells for p in cell.parameters()]
    x = draw(N, T, I)
    padding = (torch.arange(T) >= torch.tensor(LENGTHS)[:, None])[:, :, None]

    def results(fill):
        filled = x.masked_fill(padding, fill).requires_grad_()
        outputs, final = stacked_bidirectional_unroll(forward_cells, backward_cells, filled, LENGTHS)
        return outputs, final, torch.autograd.grad(outputs.sin().sum(), [filled, *parameters])

    assert_equal(results(poison), results(0.0))


def test_another_number_of_cells_for_each_direction_is_refused():
    cells = [RNNCell(2, 2) for _ in range(2)]
    x = torch.zeros(1, 3, 2)
    message = "2 forward cells and 1 backward cells, expected as many of both, and at least one"
    with pytest.raises(ValueError, match=message):
        stacked_bidirectional_unroll(cells, cells[:1], x)
    with pytest.raises(ValueError, match="0 forward cells and 0 backward cells, expected as many of both"):
        stacked_bidirectional_unroll([], [], x)


@pytest.mark.parametrize("states", [([None], [None, None]), ([None, None], [None])])
def test_another_number_of_states_than_of_layers_is_refused(states):
    cells = [RNNCell(2, 1), RNNCell(2, 1)]
    came = f"states has {len(states[0])} forward and {len(states[1])} backward states"
    with pytest.raises(ValueError, match=f"{came}, expected 2 of each: one for each layer"):
        stacked_bidirectional_unroll(cells, cells, torch.zeros(1, 3, 2), states=states)
