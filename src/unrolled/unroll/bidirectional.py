"""Two cells read each sequence, one from each end."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.cells.cell import Cell
from unrolled.cells.state import R, S, State
from unrolled.unroll.kinds import unroll
from unrolled.unroll.lengths import Lengths
from unrolled.unroll.resets import Resets, check_reset_state


def bidirectional_unroll(
    forward_cell: Cell[S],
    backward_cell: Cell[R],
    x: Tensor,
    lengths: Lengths | None = None,
    states: tuple[State | None, State | None] | None = None,
    *,
    resets: Resets | None = None,
    reset_states: tuple[State | None, State | None] | None = None,
    batch_first: bool = True,
    kind: str = "dynamic",
) -> tuple[Tensor, tuple[S, R]]:
    r"""Apply one cell from the first step to the last, and another from the last to the first.

        f_t, s_t = forward_cell(x_t, s_{t-1})       t = 1 ... L
        b_t, r_t = backward_cell(x_t, r_{t+1})      t = L ... 1
        y_t      = [f_t, b_t]

    Symbols: L the length of the sequence; f_t [N, F], b_t [N, B], y_t [N, F + B].

    The backward cell's last step is t = 1: its state there has seen the whole sequence, while b_L has
    seen x_L alone. Whoever wants one vector for the sequence takes the two final states, not y_L.

    Resets mark where episodes begin, and neither cell sees across such a border: where resets[n, t] is true
    the forward cell reads x_t, and the backward cell x_{t-1}, from the initial state.

    Args:
        forward_cell, backward_cell: two cells, which need not be of one kind or width.
        x: [N, T, I], or [T, N, I] with batch_first=False.
        lengths: [N] whole numbers from 0 to T in any order; None if all sequences have T steps.
        states: the initial states (s_0, r_{L+1}); None, also for one of them, is the cell's own.
        resets: [N, T] bool, whatever the layout of x, true where an episode begins.
        reset_states: the states that resets go back to, for each cell; None, also for one of them, is its
            initial state.
        batch_first: whether the batch is the first axis of x.
        kind: "dynamic" or "static", the unrolling of each direction.

    Returns:
        The outputs y [N, T, F + B], zero past each length, and the pair of final states (s_L, r_1).

    Raises:
        TypeError, ValueError: as `dynamic_unroll`.

    >>> from unrolled.cells import GRUCell
    >>> x = torch.randn(2, 5, 4)
    >>> outputs, (forward, backward) = bidirectional_unroll(GRUCell(4, 3), GRUCell(4, 2), x)
    >>> bool((outputs[:, -1, :3] == forward).all()), bool((outputs[:, 0, 3:] == backward).all())
    (True, True)

    Reference: Schuster and Paliwal 1997, Bidirectional recurrent neural networks, IEEE TSP 45(11).
    """
    forward_state, backward_state = (None, None) if states is None else states
    check_reset_state(resets, reset_states, "reset_states")
    ahead, back = (None, None) if reset_states is None else reset_states
    forward_outputs, forward_final = unroll(
        forward_cell,
        x,
        lengths,
        forward_state,
        resets=resets,
        reset_state=ahead,
        batch_first=batch_first,
        kind=kind,
    )
    backward_outputs, backward_final = unroll(
        backward_cell,
        x,
        lengths,
        backward_state,
        resets=resets,
        reset_state=back,
        batch_first=batch_first,
        reverse=True,
        kind=kind,
    )
    return torch.cat([forward_outputs, backward_outputs], dim=2), (forward_final, backward_final)
