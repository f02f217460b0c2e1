"""The two unrollings behind one name, for code that takes the kind as an argument."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.cells.cell import Cell
from unrolled.cells.state import S, State
from unrolled.errors import unknown_name
from unrolled.unroll.dynamic import dynamic_unroll
from unrolled.unroll.lengths import Lengths, check_lengths, reverse_sequence
from unrolled.unroll.resets import Resets, check_resets, reverse_resets
from unrolled.unroll.static import static_unroll

KINDS = ("static", "dynamic")


def unroll(
    cell: Cell[S],
    x: Tensor,
    lengths: Lengths | None = None,
    state: State | None = None,
    *,
    resets: Resets | None = None,
    reset_state: State | None = None,
    batch_first: bool = True,
    reverse: bool = False,
    kind: str = "dynamic",
) -> tuple[Tensor, S]:
    """Apply a cell to a batch of sequences with the unrolling named by `kind`, "static" or "dynamic".

    Arguments, results and errors are those of `dynamic_unroll`; an unknown kind is a ValueError.
    """
    if kind == "dynamic":
        return dynamic_unroll(
            cell,
            x,
            lengths,
            state,
            resets=resets,
            reset_state=reset_state,
            batch_first=batch_first,
            reverse=reverse,
        )
    if kind == "static":
        time_axis = 1 if batch_first else 0
        if reverse and resets is not None:
            batch_size, time = x.shape[1 - time_axis], x.shape[time_axis]
            known = None if lengths is None else check_lengths(lengths, batch_size, time, x.device)
            resets = reverse_resets(check_resets(resets, batch_size, time, x.device), known)
        x = reverse_sequence(x, lengths, batch_first=batch_first) if reverse else x
        steps, after = static_unroll(
            cell, x.unbind(time_axis), lengths, state, resets=resets, reset_state=reset_state
        )
        outputs = torch.stack(steps, time_axis)
        return reverse_sequence(outputs, lengths, batch_first=batch_first) if reverse else outputs, after
    raise unknown_name("kind of unrolling", kind, KINDS)
