"""The plain loop over a list of steps: the definition of what an unrolling computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from unrolled.cells.cell import Cell, begin_sequence, check_cell
from unrolled.cells.state import S, State, map_state
from unrolled.kernels.readable import check_numbers, is_recorded, is_transformed
from unrolled.unroll.lengths import Lengths, check_lengths
from unrolled.unroll.resets import Resets, check_reset_state, check_resets


def static_unroll(
    cell: Cell[S],
    steps: Sequence[Tensor],
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    resets: Resets | None = None,
    reset_state: State | None = None,
) -> tuple[list[Tensor], S]:
    r"""Apply a cell to a list of steps, one after the other.

        y_t, s_t = cell(x_t, s_{t-1})       t = 1 ... T

    With lengths, a sequence of length L is finished after step L: y_t = 0 and s_t = s_L from there on. A
    length of 0 leaves the initial state. What stands in the padding, NaN included, touches neither
    results nor gradients.

    With resets, s_{t-1} is the initial state again where resets[n, t] is true, and no gradient passes there:
    each episode gives what it would give as a sequence of its own. Resets in the padding do nothing.

    Args:
        cell: a `Cell`, or any module with `cell(x, state) -> output, state` and `initial_state(N)`.
        steps: T tensors x_t [N, I], at least one.
        lengths: [N] whole numbers from 0 to T in any order; None if all sequences have T steps.
        state: s_0, nested as the cell's state; None for the cell's initial state.
        resets: [N, T] bool, true where an episode begins: the state before that step is the initial one.
        reset_state: the state that resets go back to, nested as the cell's state; None for s_0.

    Returns:
        The outputs, a list of T tensors [N, O], and the final state of each sequence.

    Raises:
        TypeError: cell is not a cell.
        ValueError: no steps, or lengths, resets or a state that do not fit.

    >>> from unrolled.cells import LSTMCell
    >>> outputs, state = static_unroll(LSTMCell(4, 3), [torch.ones(2, 4)] * 5)
    >>> len(outputs), bool((outputs[-1] == state.h).all())
    (5, True)
    """
    if len(steps) == 0:
        raise ValueError("steps is empty, expected at least one tensor [N, I]")
    check_cell(cell)
    check_numbers(cell, steps=steps, state=state, reset_state=reset_state)
    check_reset_state(resets, reset_state)
    reset_state = state if reset_state is None else reset_state
    known = None if resets is None else check_resets(resets, len(steps[0]), len(steps), steps[0].device)
    outputs = []
    for output, next_state in walk(cell, steps, lengths, state, known, reset_state):
        outputs.append(output)
        final: S = next_state
    return outputs, final


def walk(
    cell: Cell,
    steps: Sequence[Tensor],
    lengths: Lengths | None,
    state: State | None,
    resets: Tensor | None = None,
    reset_state: State | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Yield each step's output and the state after it, as `static_unroll` defines them, of a checked cell.

    resets are checked; a reset_state of None is the cell's initial state.
    """
    batch_size, device = steps[0].shape[0], steps[0].device
    state = cell.initial_state(batch_size) if state is None else state
    begin_sequence(cell)

    if lengths is not None:
        lengths = check_lengths(lengths, batch_size, len(steps), device)
    before = _restarts(cell, resets, reset_state, state)
    if lengths is None or batch_size == 0:
        for t, x in enumerate(steps):
            output, state = cell(x, before(t, state))
            yield output, state
        return

    # A graph is to hold for other lengths, too.
    shortest, longest = (0, len(steps)) if is_recorded() else (int(lengths.min()), int(lengths.max()))
    for t, x in enumerate(steps):
        if t < shortest:  # all are running
            output, state = cell(x, before(t, state))
        elif t < longest or t == 0:  # the first step always runs: it tells the shape of an output
            running = t < lengths
            # Zeros in place of the padding: a NaN there would come back through the gradient.
            output, next_state = cell(choose(running, x, 0), before(t, state))
            output = choose(running, output, 0)
            state = map_state(partial(choose, running), next_state, state)
        else:  # all have finished
            output = torch.zeros_like(output)
        yield output, state


def _restarts(
    cell: Cell, resets: Tensor | None, reset_state: State | None, state: State
) -> Callable[[int, Any], Any]:
    """before(t, state): the state with which step t begins."""
    if resets is None:
        return lambda t, state: state
    batch_size, time = resets.shape
    anew = cell.initial_state(batch_size) if reset_state is None else reset_state
    if isinstance(cell, Cell):
        cell._check_state(anew, batch_size, "reset_state")
    elif map_state(lambda part: part.shape, anew) != map_state(lambda part: part.shape, state):
        raise ValueError(
            "reset_state has other shapes than the state: give one that is nested and shaped alike"
        )
    unknown = is_recorded() or is_transformed() or resets.is_meta
    some = [True] * time if unknown else resets.any(0).tolist()

    def before(t: int, state: Any) -> Any:
        if not some[t]:
            return state
        return map_state(lambda old, new: choose(resets[:, t], new, old), state, anew)

    return before


def choose(chosen: Tensor, new: Tensor, old: Tensor | float) -> Tensor:
    """`new` [N, ...] for the sequences that are chosen [N], `old` for the others."""
    return torch.where(chosen.view(-1, *[1] * (new.dim() - 1)), new, old)
