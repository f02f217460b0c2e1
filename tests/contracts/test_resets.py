"""Resets: where one is true the state before the step is the initial one, and nothing passes by."""

import hypothesis
import pytest
import torch
from hypothesis import strategies

from tests.catalogue import CATALOGUE, FIXED, LENGTHS, N, T, draw, draw_state, make, parts, seeded
from tests.contracts.test_known_cell import X, both_counters
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    bidirectional_unroll,
    dynamic_unroll,
    reverse_sequence,
    stacked_bidirectional_unroll,
    static_unroll,
)
from unrolled.cells.state import map_state
from unrolled.unroll.kinds import KINDS, unroll

every_cell = pytest.mark.parametrize("name", CATALOGUE)
every_fixed_cell = pytest.mark.parametrize("name", FIXED)

RESETS = torch.zeros(N, T, dtype=torch.bool)
RESETS[0, [0, 3]] = RESETS[1, [1, 4]] = RESETS[2, 0] = RESETS[4, [1, 2, 4, 6]] = True  # lengths 7, 3, 0, 1, 5
COUNTED = torch.tensor([[False, False, True, False], [True] * 4, [True, True, False, False]])


@both_counters
def test_a_count_starts_anew_at_each_reset(counter):
    _, count, counts = dynamic_unroll(counter, X, resets=COUNTED, return_states=True)
    assert counts.squeeze(2).tolist() == [[1, 2, 1, 2], [1, 1, 1, 1], [1, 1, 2, 3]]
    assert count.tolist() == [[2], [1], [3]]


@both_counters
def test_a_count_goes_back_to_the_state_that_was_given(counter):
    state = torch.tensor([[10.0], [20.0], [30.0]])
    _, _, counts = dynamic_unroll(counter, X, None, state, resets=COUNTED, return_states=True)
    assert counts.squeeze(2).tolist() == [[11, 12, 11, 12], [21, 21, 21, 21], [31, 31, 32, 33]]


@both_counters
def test_a_count_may_begin_at_one_state_and_go_back_to_another(counter):
    state, zeros = torch.tensor([[10.0], [20.0], [30.0]]), torch.zeros(3, 1)
    _, _, counts = dynamic_unroll(
        counter, X, None, state, resets=COUNTED, reset_state=zeros, return_states=True
    )
    assert counts.squeeze(2).tolist() == [[11, 12, 1, 2], [1, 1, 1, 1], [1, 1, 2, 3]]


@both_counters
def test_resets_in_the_padding_reset_nothing(counter):
    _, count = dynamic_unroll(counter, X, [2, 0, 4], torch.full((3, 1), 5.0), resets=COUNTED)
    assert count.tolist() == [[7], [5], [8]]


@both_counters
@pytest.mark.parametrize("lengths", [None, [3, 0, 4]])
def test_a_backward_count_starts_anew_where_an_episode_ends(counter, lengths):
    _, count, counts = dynamic_unroll(counter, X, lengths, resets=COUNTED, reverse=True, return_states=True)
    if lengths is None:
        assert counts.squeeze(2).tolist() == [[2, 1, 2, 1], [1, 1, 1, 1], [1, 3, 2, 1]]
        assert count.tolist() == [[2], [1], [1]]
    else:
        assert counts.squeeze(2).tolist() == [[2, 1, 1, 2], [0, 0, 0, 0], [1, 3, 2, 1]]
        assert count.tolist() == [[2], [0], [1]]


@pytest.mark.parametrize("kind", KINDS)
@both_counters
def test_both_directions_of_one_name_count_alike(counter, kind):
    for lengths in (None, [3, 0, 4], [4, 1, 2]):
        _, counts = bidirectional_unroll(counter, counter, X, lengths, resets=COUNTED, kind=kind)
        _, backward = dynamic_unroll(counter, X, lengths, resets=COUNTED, reverse=True)
        assert_equal(counts, (dynamic_unroll(counter, X, lengths, resets=COUNTED)[1], backward))


@every_cell
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("given", ["nothing", "a state", "a state to go back to", "both"])
def test_static_and_dynamic_unroll_agree_with_resets(name, lengths, batch_first, given, assert_agree):
    cell = make(name)
    x = draw(N, T, cell.input_size)
    options = {
        "state": draw_state(cell) if given in ("a state", "both") else None,
        "resets": RESETS,
        "reset_state": draw_state(cell) if given in ("a state to go back to", "both") else None,
    }
    outputs, final = seeded(static_unroll, cell, x.unbind(1), lengths, **options)
    x = x if batch_first else x.transpose(0, 1)
    dynamic_outputs, dynamic_final = seeded(
        dynamic_unroll, cell, x, lengths, batch_first=batch_first, **options
    )
    assert_agree(dynamic_outputs, torch.stack(outputs, 1 if batch_first else 0))
    assert_agree(dynamic_final, final)


def episodes_of(resets, length):
    """Where each episode of a sequence begins and ends."""
    begins = sorted({0, *resets[:length].nonzero().flatten().tolist()})
    return list(zip(begins, [*begins[1:], length], strict=True))


def row(state, n):
    return None if state is None else map_state(lambda part: part[n : n + 1], state)


def one_by_one(cell, x, lengths, state, resets, reset_state, **options):
    """Outputs and final states with a call for each episode: what resets stand for."""
    outputs, finals = [], []
    for n, length in enumerate(lengths):
        pieces, episodes = [], episodes_of(resets[n], length)
        first = len(episodes) - 1 if options.get("reverse") else 0
        for number, (begin, end) in enumerate(episodes):
            anew = number != first or (not options.get("reverse") and length > 0 and bool(resets[n, 0]))
            start = row(reset_state if anew else state, n)
            found, last = dynamic_unroll(cell, x[n : n + 1, begin:end], None, start, **options)
            pieces.append(found)
            if number == (0 if options.get("reverse") else len(episodes) - 1):
                finals.append(last)
        padding = pieces[0].new_zeros(1, x.shape[1] - length, *pieces[0].shape[2:])
        outputs.append(torch.cat([*pieces, padding], 1))
    return torch.cat(outputs), map_state(lambda *rows: torch.cat(rows), *finals)


@every_fixed_cell
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [[T] * N, LENGTHS])
def test_each_episode_gives_what_it_gives_alone(name, lengths, reverse):
    cell = make(name)
    x, state, reset_state = draw(N, T, cell.input_size), draw_state(cell), draw_state(cell)
    together = dynamic_unroll(
        cell, x, lengths, state, resets=RESETS, reset_state=reset_state, reverse=reverse
    )
    alone = one_by_one(cell, x, lengths, state, RESETS, reset_state, reverse=reverse)
    assert_close(together, alone)


some_resets = strategies.integers(1, 6).flatmap(
    lambda time: strategies.lists(
        strategies.tuples(
            strategies.integers(0, time),
            strategies.lists(strategies.booleans(), min_size=time, max_size=time),
        ),
        min_size=1,
        max_size=5,
    )
)


@pytest.mark.parametrize("name", ["lstm", "lstm-norm-peephole-projection-zoneout", "gru-before", "wrappers"])
@hypothesis.given(batch=some_resets, reverse=strategies.booleans())
def test_each_episode_gives_what_it_gives_alone_for_any_resets(name, batch, reverse):
    lengths, resets = [length for length, _ in batch], torch.tensor([flags for _, flags in batch])
    cell = make(name)
    x, state = draw(len(batch), resets.shape[1], cell.input_size), draw_state(cell, len(batch))
    together = dynamic_unroll(cell, x, lengths, state, resets=resets, reverse=reverse)
    assert_close(together, one_by_one(cell, x, lengths, state, resets, state, reverse=reverse))


@every_fixed_cell
@pytest.mark.parametrize("recompute_gates", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_are_those_of_the_episodes_one_by_one(name, reverse, recompute_gates):
    cell = make(name)
    x = draw(N, T, cell.input_size).requires_grad_()
    states = [map_state(lambda part: part.requires_grad_(), draw_state(cell)) for _ in range(2)]

    def gradients(unrolled):
        outputs, final = unrolled
        loss = sum(part.sin().sum() for part in [outputs, *parts(final)])
        return torch.autograd.grad(loss, [x, *parts(states[0]), *parts(states[1]), *cell.parameters()])

    together = dynamic_unroll(
        cell,
        x,
        LENGTHS,
        states[0],
        resets=RESETS,
        reset_state=states[1],
        reverse=reverse,
        recompute_gates=recompute_gates,
    )
    alone = one_by_one(cell, x, LENGTHS, states[0], RESETS, states[1], reverse=reverse)
    assert_close(gradients(together), gradients(alone))


@every_cell
def test_the_gradient_of_a_given_state_is_summed_over_its_resets(name):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), map_state(lambda part: part.requires_grad_(), draw_state(cell))
    again = map_state(lambda part: part.detach().clone().requires_grad_(), state)

    def gradients(leaves, **options):
        outputs, _ = seeded(dynamic_unroll, cell, x, LENGTHS, resets=RESETS, **options)
        found = torch.autograd.grad(outputs.sin().sum(), leaves, allow_unused=True)
        return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]

    summed = gradients(parts(state), state=state)
    apart = gradients([*parts(state), *parts(again)], state=state, reset_state=again)
    count = len(summed)
    assert_close(summed, [a + b for a, b in zip(apart[:count], apart[count:], strict=True)])


@every_fixed_cell
def test_no_gradient_passes_a_reset(name):
    cell = make(name)
    x = draw(N, T, cell.input_size).requires_grad_()
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[:, 3] = True
    outputs, _ = dynamic_unroll(cell, x, resets=resets)
    (d_x,) = torch.autograd.grad(outputs[:, 3:].sin().sum(), x)
    assert d_x[:, :3].count_nonzero() == 0
    assert d_x[:, 3:].count_nonzero() > 0


@every_cell
def test_gradients_with_resets_are_those_of_finite_differences(name):
    cell = make(name)
    x, state, reset_state = draw(3, 4, cell.input_size), draw_state(cell, 3), draw_state(cell, 3)
    resets = torch.tensor([[False, True, False, True], [True] * 4, [True, False, True, True]])

    def unrolled(x, *rest):  # the rest are the states and the parameters, moved in place
        outputs, final = seeded(
            dynamic_unroll, cell, x, [4, 0, 3], state, resets=resets, reset_state=reset_state
        )
        return outputs, *parts(final)

    leaves = [x.requires_grad_(), *(p.requires_grad_() for p in [*parts(state), *parts(reset_state)])]
    assert torch.autograd.gradcheck(unrolled, (*leaves, *cell.parameters()), fast_mode=True)


@every_cell
def test_resets_that_are_false_change_nothing(name):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    plain = seeded(dynamic_unroll, cell, x, LENGTHS, state, return_states=True)
    resets = torch.zeros(N, T, dtype=torch.bool)
    assert_equal(seeded(dynamic_unroll, cell, x, LENGTHS, state, resets=resets, return_states=True), plain)


@every_fixed_cell
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_what_stands_before_a_reset_does_not_touch_what_comes_after(name, poison):
    cell = make(name)
    x = draw(N, T, cell.input_size)
    resets = torch.zeros(N, T, dtype=torch.bool)
    resets[:, 3] = True
    poisoned = x.clone()
    poisoned[:, 1] = poison
    expected, found = (dynamic_unroll(cell, one, resets=resets)[0][:, 3:] for one in (x, poisoned))
    assert_equal(found, expected)


@every_cell
def test_no_steps_and_no_sequences_take_resets_as_well(name):
    cell = make(name)
    for batch, time in ((0, T), (N, 0), (0, 0)):
        resets, x = torch.zeros(batch, time, dtype=torch.bool), draw(batch, time, cell.input_size)
        assert_equal(dynamic_unroll(cell, x, resets=resets), dynamic_unroll(cell, x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", [[T] * N, LENGTHS])
def test_neither_direction_sees_across_the_border_of_an_episode(lengths, batch_first, kind, assert_agree):
    forward, backward = make("lstm"), make("gru-before")
    x = draw(N, T, forward.input_size)
    found, (last, first) = bidirectional_unroll(
        forward,
        backward,
        x if batch_first else x.transpose(0, 1),
        lengths,
        resets=RESETS,
        batch_first=batch_first,
        kind=kind,
    )
    ahead = one_by_one(forward, x, lengths, None, RESETS, None)
    back = one_by_one(backward, x, lengths, None, RESETS, None, reverse=True)
    assert_close(found if batch_first else found.transpose(0, 1), torch.cat([ahead[0], back[0]], 2))
    assert_close((last, first), (ahead[1], back[1]))


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_layers_of_both_directions_keep_to_the_episodes(kind):
    forward = [make("lstm"), make("rnn-relu").double()]
    backward = [make("gru-after"), make("rnn")]
    for cells in (forward, backward):
        cells[1] = type(cells[1])(2 * forward[0].output_size, 3).double()
    states = ([draw_state(cell) for cell in forward], [draw_state(cell) for cell in backward])
    reset_states = ([draw_state(cell) for cell in forward], [draw_state(cell) for cell in backward])
    x = draw(N, T, forward[0].input_size)
    found, finals = stacked_bidirectional_unroll(
        forward, backward, x, LENGTHS, states, resets=RESETS, reset_states=reset_states, kind=kind
    )
    for layer in range(2):
        options = {"resets": RESETS, "kind": kind}
        x, pair = bidirectional_unroll(
            forward[layer],
            backward[layer],
            x,
            LENGTHS,
            (states[0][layer], states[1][layer]),
            reset_states=(reset_states[0][layer], reset_states[1][layer]),
            **options,
        )
        assert_equal((finals[0][layer], finals[1][layer]), pair)
    assert_equal(found, x)


def test_a_reversed_unroll_is_the_unroll_of_the_reversed_sequence():
    cell = make("lstm")
    x = draw(1, T, cell.input_size)
    resets = torch.tensor([[False, False, True, True, False, True, False]])
    turned = torch.tensor([[False, False, True, False, True, True, False]])  # ends at 4, 2 and 1, read from 6
    found, last = unroll(cell, x, resets=resets, reverse=True)
    expected, expected_last = dynamic_unroll(cell, reverse_sequence(x), resets=turned)
    assert_close(reverse_sequence(found), expected)
    assert_close(last, expected_last)


@pytest.mark.parametrize("given", [RESETS.tolist(), RESETS.numpy(), RESETS.T.contiguous().T], ids=type)
def test_resets_may_be_a_list_an_array_or_a_tensor_of_any_strides(given):
    cell = make("lstm")
    x = draw(N, T, cell.input_size)
    assert_equal(dynamic_unroll(cell, x, resets=given), dynamic_unroll(cell, x, resets=RESETS))


@every_fixed_cell
@pytest.mark.parametrize("reverse", [False, True])
def test_returned_states_are_those_after_each_step(name, reverse):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    options = {"resets": RESETS, "reverse": reverse}
    _, _, states = dynamic_unroll(cell, x, LENGTHS, state, return_states=True, **options)
    for t in range(T):
        if reverse:  # the state after step t is the one that a sequence without the steps before it ends with
            lengths, options["resets"] = [max(length - t, 0) for length in LENGTHS], RESETS[:, t:]
            _, after = dynamic_unroll(cell, x[:, t:], lengths, state, **options)
        else:
            _, after = dynamic_unroll(cell, x, [min(length, t + 1) for length in LENGTHS], state, **options)
        for n, length in enumerate(LENGTHS):
            if t < length:
                assert_equal(row(map_state(lambda part, t=t: part[:, t], states), n), row(after, n))


@pytest.mark.parametrize("name", ["lstm", "gru-before", "stack-mixed"])
def test_torch_func_and_compile_take_resets(name):
    cell = make(name)
    x = draw(2, N, T, cell.input_size)

    def unrolled(x, resets):
        return dynamic_unroll(cell, x, resets=resets)[0]

    both = torch.stack([RESETS, ~RESETS])
    expected = torch.stack([unrolled(*one) for one in zip(x, both, strict=True)])
    assert_close(torch.func.vmap(unrolled)(x, both), expected)
    torch._dynamo.reset()
    compiled = torch.compile(unrolled, backend="aot_eager", fullgraph=True)
    assert_close(torch.stack([compiled(*one) for one in zip(x, both, strict=True)]), expected)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit.trace")
def test_a_trace_holds_for_other_resets():
    cell = make("lstm").requires_grad_(False)
    x = draw(N, T, cell.input_size)
    traced = torch.jit.trace(
        lambda x, resets: dynamic_unroll(cell, x, resets=resets)[0], (x, RESETS), check_trace=False
    )
    assert_close(traced(x, ~RESETS), dynamic_unroll(cell, x, resets=~RESETS)[0])


def test_cells_on_meta_tell_shapes_with_resets_too():
    cell = make("stack-mixed").to("meta")
    x = torch.empty(N, T, cell.input_size, dtype=torch.float64, device="meta")
    outputs, _ = dynamic_unroll(cell, x, resets=RESETS.to("meta"))
    assert outputs.shape == (N, T, cell.output_size)
