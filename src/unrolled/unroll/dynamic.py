"""A cell applied to a whole batch of sequences in one call."""

from __future__ import annotations

from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from unrolled.cells.state import State, map_state
from unrolled.unroll.fused import fused_unroll
from unrolled.unroll.lengths import Lengths, check_lengths
from unrolled.unroll.static import check_cell, walk


@overload
def dynamic_unroll(
    cell: nn.Module,
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    batch_first: bool = True,
    return_states: Literal[False] = False,
) -> tuple[Tensor, Any]: ...


@overload
def dynamic_unroll(
    cell: nn.Module,
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    batch_first: bool = True,
    return_states: Literal[True],
) -> tuple[Tensor, Any, Any]: ...


def dynamic_unroll(
    cell: nn.Module,
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    batch_first: bool = True,
    return_states: bool = False,
) -> tuple[Tensor, Any] | tuple[Tensor, Any, Any]:
    r"""Apply a cell to each step of a batch of sequences.

        y_t, s_t = cell(x_t, s_{t-1})       t = 1 ... T

    It computes what `static_unroll` computes, on one tensor: outputs past a length are zero, the state is
    carried through to the end, a length of 0 leaves the initial state, and what stands in the padding,
    NaN included, touches neither results nor gradients. Where a fused kernel has the cell's maths, the whole
    sequence runs in it; `unrolled.isa.explain()` says which, and UNROLLED_ISA=reference turns it off.

    Args:
        cell: a `Cell`, or any module with `cell(x, state) -> output, state` and `initial_state(N)`.
        x: [N, T, I], or [T, N, I] with batch_first=False.
        lengths: [N] whole numbers from 0 to T in any order; None if all sequences have T steps.
        state: s_0, nested as the cell's state; None for the cell's initial state.
        batch_first: whether the batch is the first axis of x, and so of what is returned.
        return_states: whether to return the state after every step as well.

    Returns:
        The outputs [N, T, O] and the final state of each sequence; with return_states also the states of
        all steps, nested as the state, each tensor [N, T, size]. Time comes first with batch_first=False.

    Raises:
        TypeError: cell is not a cell.
        ValueError: x, lengths or a state that do not fit.

    >>> from unrolled.cells import GRUCell
    >>> outputs, state = dynamic_unroll(GRUCell(4, 3), torch.ones(2, 5, 4), lengths=[5, 2])
    >>> tuple(outputs.shape), bool((outputs[1, 1] == state[1]).all()), bool((outputs[1, 2:] == 0).all())
    ((2, 5, 3), True, True)
    """
    check_cell(cell)
    if x.dim() < 3:
        layout = "[N, T, I]" if batch_first else "[T, N, I]"
        raise ValueError(f"x has shape {list(x.shape)}, expected {layout}: a batch of sequences")
    time_axis = 1 if batch_first else 0
    if x.shape[time_axis] == 0:
        return _no_steps(cell, x, lengths, state, time_axis, return_states)

    fused = fused_unroll(cell, x, lengths, state, batch_first=batch_first, return_states=return_states)
    if fused is not None:
        return fused if return_states else fused[:2]

    outputs, states = [], []
    for output, next_state in walk(cell, x.unbind(time_axis), lengths, state):
        outputs.append(output)
        state = next_state
        if return_states:
            states.append(state)
    stacked = torch.stack(outputs, time_axis)
    if not return_states:
        return stacked, state
    return stacked, state, map_state(lambda *steps: torch.stack(steps, time_axis), *states)


def _no_steps(
    cell: nn.Module,
    x: Tensor,
    lengths: Lengths | None,
    state: State | None,
    time_axis: int,
    return_states: bool,
) -> tuple[Tensor, Any] | tuple[Tensor, Any, Any]:
    """The results for T = 0: no outputs, and the initial state."""
    batch_size = x.shape[1 - time_axis]
    if lengths is not None:
        check_lengths(lengths, batch_size, 0, x.device)
    state = cell.initial_state(batch_size) if state is None else state
    none_of = lambda part: part.unsqueeze(time_axis).narrow(time_axis, 0, 0)  # noqa: E731
    outputs = none_of(x.new_zeros(batch_size, cell.output_size))
    return (outputs, state, map_state(none_of, state)) if return_states else (outputs, state)
