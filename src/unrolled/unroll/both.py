"""The two directions of a quantized layer, at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from unrolled.cells.quantized import QuantizedCell
from unrolled.unroll.dynamic import check_sequences, dynamic_unroll
from unrolled.unroll.layerwise import Walk, through_both
from unrolled.unroll.lengths import Lengths
from unrolled.unroll.resets import Resets, read_backward


def both_unroll(
    cells: Iterable[QuantizedCell],
    x: Tensor,
    lengths: Lengths | None,
    states: Sequence[Any],
    *,
    resets: Resets | None = None,
    reset_states: Sequence[Any] = (None, None),
    batch_first: bool = True,
) -> list[tuple[Tensor, Any]]:
    """What `dynamic_unroll` gives for the first of two cells and, in reverse, for the second one.

    Where several threads are allowed, and the layer is worth it, each cell has one of its own.
    """
    known, anew = check_sequences(x, lengths, resets, reset_states[0], batch_first)
    if not x.shape[1 if batch_first else 0]:
        return [
            dynamic_unroll(cell, x, known, state, batch_first=batch_first)
            for cell, state in zip(cells, states, strict=True)
        ]
    back = reset_states
    if anew is not None:
        back = [state if own is None else own for own, state in zip(reset_states, states, strict=True)]
    walks = (
        Walk(known, batch_first, resets=anew),
        Walk(known, batch_first, reverse=True, resets=None if anew is None else read_backward(anew, known)),
    )
    return [(found.outputs, found.state) for found in through_both(walks, cells, x, states, back)]
