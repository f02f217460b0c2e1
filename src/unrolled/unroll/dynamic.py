"""A cell applied to a whole batch of sequences in one call."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Unpack, overload

import torch
from torch import Tensor

from unrolled.cells.cell import Cell, check_cell
from unrolled.cells.state import S, State, map_state
from unrolled.kernels.readable import check_numbers
from unrolled.unroll.layerwise import Unrolled, Walk
from unrolled.unroll.lengths import Lengths, check_lengths
from unrolled.unroll.resets import Resets, check_reset_state, check_resets, read_backward


class _Choices(TypedDict, total=False):
    """The options of `dynamic_unroll` that leave what it returns as it is, for type checkers."""

    resets: Resets | None
    reset_state: State | None
    batch_first: bool
    reverse: bool
    recompute_gates: bool


@overload
def dynamic_unroll(
    cell: Cell[S],
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    return_states: Literal[False] = False,
    return_gates: Literal[False] = False,
    **options: Unpack[_Choices],
) -> tuple[Tensor, S]: ...
@overload
def dynamic_unroll(
    cell: Cell[S],
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    return_states: Literal[True],
    return_gates: Literal[False] = False,
    **options: Unpack[_Choices],
) -> tuple[Tensor, S, S]: ...
@overload
def dynamic_unroll(
    cell: Cell[S],
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    return_states: Literal[False] = False,
    return_gates: Literal[True],
    **options: Unpack[_Choices],
) -> tuple[Tensor, S, Any]: ...
@overload
def dynamic_unroll(
    cell: Cell[S],
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    return_states: Literal[True],
    return_gates: Literal[True],
    **options: Unpack[_Choices],
) -> tuple[Tensor, S, S, Any]: ...
@overload
def dynamic_unroll(
    cell: Cell[S],
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    return_states: bool = False,
    return_gates: bool = False,
    **options: Unpack[_Choices],
) -> tuple[Any, ...]: ...
def dynamic_unroll(
    cell: Cell,
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    resets: Resets | None = None,
    reset_state: State | None = None,
    batch_first: bool = True,
    reverse: bool = False,
    return_states: bool = False,
    return_gates: bool = False,
    recompute_gates: bool = False,
) -> tuple[Any, ...]:
    r"""Apply a cell to each step of a batch of sequences.

        y_t, s_t = cell(x_t, s_{t-1})       t = 1 ... T

    It computes what `static_unroll` computes, on one tensor: outputs past a length are zero, the state is
    carried through to the end, a length of 0 leaves the initial state, and what stands in the padding,
    NaN included, touches neither results nor gradients; with resets a sequence is several episodes, one after
    the other, and each gives what it would give as a sequence of its own. Where a fused kernel has the cell's
    maths, the whole sequence runs in it; `unrolled.isa.explain()` says which, UNROLLED_ISA=reference turns it
    off.

    Args:
        cell: a `Cell`, or any module with `cell(x, state) -> output, state` and `initial_state(N)`.
        x: [N, T, I], or [T, N, I] with batch_first=False.
        lengths: [N] whole numbers from 0 to T in any order; None if all sequences have T steps.
        state: s_0, nested as the cell's state; None for the cell's initial state.
        resets: [N, T] bool, whatever the layout of x, true where an episode begins: the state before that
            step is the initial one, and no gradient passes. With reverse the same resets, of beginnings, put
            the initial state before the last step of each episode, which is read first.
        reset_state: the state that resets go back to, nested as the cell's state; None for s_0. Whoever goes
            on from the state of an earlier call gives that as `state`, and here `cell.initial_state(N)`.
        batch_first: whether the batch is the first axis of x, and so of what is returned.
        reverse: read each sequence from its last step to its first; outputs stay beside their inputs.
        return_states: whether to return the state after every step as well.
        return_gates: whether to return the gates of every step, without gradients, as well.
        recompute_gates: keep h and c alone for backward, and compute the gates again there: a third of the
            memory for about half as much time again. The outputs are then not to be changed in place.

    Returns:
        The outputs [N, T, O] and the final state of each sequence; with return_states also the states of
        all steps, nested as the state, each tensor [N, T, size]; with return_gates last `LSTMGates` (i, f, g,
        o) or `GRUGates` (r, z, n), each [N, T, H] and zero past each length: for a stack a tuple of them, and
        None for a cell that has none or no kernel. Time comes first with batch_first=False.

    Raises:
        TypeError: cell is not a cell, x no tensor.
        ValueError: x, lengths, resets or a state that do not fit.

    >>> from unrolled.cells import GRUCell
    >>> outputs, state = dynamic_unroll(GRUCell(4, 3), torch.ones(2, 5, 4), lengths=[5, 2])
    >>> tuple(outputs.shape), bool((outputs[1, 1] == state[1]).all()), bool((outputs[1, 2:] == 0).all())
    ((2, 5, 3), True, True)
    """
    check_cell(cell)
    known, anew = check_sequences(x, lengths, resets, reset_state, batch_first)
    if anew is not None and reverse:
        anew = read_backward(anew, known)
    walk = Walk(known, batch_first, reverse, return_states, return_gates, recompute_gates, anew)
    if anew is not None and reset_state is None:
        reset_state = state
    if x.shape[1 if batch_first else 0]:
        found = walk.through(cell, x, state, reset_state)
    else:
        found = _no_steps(cell, x, state, 1 if batch_first else 0)
    extras = (
        *((found.states,) if return_states else ()),
        *((found.gates,) if return_gates else ()),
    )
    return found.outputs, found.state, *extras


def check_sequences(
    x: Any, lengths: Lengths | None, resets: Resets | None, reset_state: State | None, batch_first: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Raise what `dynamic_unroll` raises for a batch of sequences; lengths and resets as tensors beside x."""
    layout = "[N, T, I]" if batch_first else "[T, N, I]"
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}, expected a torch.Tensor {layout}")
    if x.is_nested:
        raise ValueError(
            f"x is a nested tensor, expected {layout}: torch.nested.to_padded_tensor makes one of it"
        )
    if x.dim() < 3:
        raise ValueError(f"x has shape {list(x.shape)}, expected {layout}: a batch of sequences")
    batch_size, time = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
    known = None if lengths is None else check_lengths(lengths, batch_size, time, x.device)
    check_reset_state(resets, reset_state)
    return known, None if resets is None else check_resets(resets, batch_size, time, x.device)


def _no_steps(cell: Cell, x: Tensor, state: State | None, time_axis: int) -> Unrolled:
    """The results for T = 0: no outputs, and the initial state."""
    check_numbers(cell, state=state)
    batch_size = x.shape[1 - time_axis]
    state = cell.initial_state(batch_size) if state is None else state

    def none_of(part: Tensor) -> Tensor:
        return torch.stack([part], time_axis).narrow(time_axis, 0, 0)

    # A step on zeros tells the shape of an output, for a module with no output_size as well.
    output, _ = cell(x.new_zeros(batch_size, *x.shape[2:]), state)
    return Unrolled(none_of(output), state, map_state(none_of, state))
