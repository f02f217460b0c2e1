"""Bidirectional layers on top of one another, each reading both directions of the one below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

from torch import Tensor

from unrolled.cells.cell import Cell
from unrolled.cells.state import LSTMState, State
from unrolled.unroll.bidirectional import bidirectional_unroll
from unrolled.unroll.lengths import Lengths
from unrolled.unroll.resets import Resets, check_reset_state

# The states of layers that are of one kind, for type checkers.
Forward = TypeVar("Forward", LSTMState, Tensor)
Backward = TypeVar("Backward", LSTMState, Tensor)


@overload
def stacked_bidirectional_unroll(
    forward_cells: Iterable[Cell[Forward]],
    backward_cells: Iterable[Cell[Backward]],
    x: Tensor,
    lengths: Lengths | None = None,
    states: tuple[Sequence[State], Sequence[State]] | None = None,
    *,
    resets: Resets | None = None,
    reset_states: tuple[Sequence[State], Sequence[State]] | None = None,
    batch_first: bool = True,
    kind: str = "dynamic",
) -> tuple[Tensor, tuple[tuple[Forward, ...], tuple[Backward, ...]]]: ...
@overload
def stacked_bidirectional_unroll(
    forward_cells: Iterable[Cell],
    backward_cells: Iterable[Cell],
    x: Tensor,
    lengths: Lengths | None = None,
    states: tuple[Sequence[State], Sequence[State]] | None = None,
    *,
    resets: Resets | None = None,
    reset_states: tuple[Sequence[State], Sequence[State]] | None = None,
    batch_first: bool = True,
    kind: str = "dynamic",
) -> tuple[Tensor, tuple[tuple[Any, ...], tuple[Any, ...]]]: ...
def stacked_bidirectional_unroll(
    forward_cells: Iterable[Cell],
    backward_cells: Iterable[Cell],
    x: Tensor,
    lengths: Lengths | None = None,
    states: tuple[Sequence[State], Sequence[State]] | None = None,
    *,
    resets: Resets | None = None,
    reset_states: tuple[Sequence[State], Sequence[State]] | None = None,
    batch_first: bool = True,
    kind: str = "dynamic",
) -> tuple[Tensor, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    r"""Apply L bidirectional layers, the lowest first.

        y_0 = x;   y_l = bidirectional_unroll(forward_cell_l, backward_cell_l, y_{l-1})   l = 1 ... L

    This is not a pair of stacks: each layer sees both directions of the one below it, so from the second
    layer on every output has seen the whole sequence.

    Args:
        forward_cells, backward_cells: L cells each; layer l takes what both cells of layer l - 1 give.
        x: [N, T, I], or [T, N, I] with batch_first=False.
        lengths: [N] whole numbers from 0 to T in any order; None if all sequences have T steps.
        states: the initial states (L of the forward cells, L of the backward cells), as returned.
        resets: [N, T] bool, whatever the layout of x, true where an episode begins.
        reset_states: the states that resets go back to, as `states`; None for the initial ones.
        batch_first: whether the batch is the first axis of x.
        kind: "dynamic" or "static", the unrolling of each layer and direction.

    Returns:
        The last layer's outputs [N, T, F + B] and the final states: L of the forward cells, L of the
        backward cells.

    Raises:
        TypeError: something is not a cell.
        ValueError: no cells, another number of them for each direction, or arguments that do not fit.

    >>> import torch
    >>> from unrolled.cells import GRUCell
    >>> forward, backward = [GRUCell(4, 3), GRUCell(5, 3)], [GRUCell(4, 2), GRUCell(5, 2)]
    >>> outputs, (forwards, backwards) = stacked_bidirectional_unroll(forward, backward, torch.ones(1, 6, 4))
    >>> tuple(outputs.shape), len(forwards), tuple(backwards[1].shape)
    ((1, 6, 5), 2, (1, 2))
    """
    forward_cells, backward_cells = list(forward_cells), list(backward_cells)
    layers = len(forward_cells)
    if layers == 0 or len(backward_cells) != layers:
        raise ValueError(
            f"{layers} forward cells and {len(backward_cells)} backward cells, "
            "expected as many of both, and at least one"
        )
    check_reset_state(resets, reset_states, "reset_states")
    initial, anew = _of_layers("states", states, layers), _of_layers("reset_states", reset_states, layers)
    forwards, backwards = [], []
    for forward_cell, backward_cell, state, reset in zip(
        forward_cells, backward_cells, initial, anew, strict=True
    ):
        x, (forward, backward) = bidirectional_unroll(
            forward_cell,
            backward_cell,
            x,
            lengths,
            state,
            resets=resets,
            reset_states=reset,
            batch_first=batch_first,
            kind=kind,
        )
        forwards.append(forward)
        backwards.append(backward)
    return x, (tuple(forwards), tuple(backwards))


def _of_layers(name: str, states: tuple[Sequence[State], Sequence[State]] | None, layers: int) -> list[Any]:
    """The pair of states of each layer; None for each if there are none."""
    if states is None:
        return [None] * layers
    if len(states[0]) != layers or len(states[1]) != layers:
        raise ValueError(
            f"{name} has {len(states[0])} forward and {len(states[1])} backward states, "
            f"expected {layers} of each: one for each layer"
        )
    return list(zip(*states, strict=True))
