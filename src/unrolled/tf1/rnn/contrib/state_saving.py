"""The loop whose states are kept elsewhere between its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from unrolled.cells.state import map_state
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell
from unrolled.tf1.rnn.loops import Lengths, static_rnn


class StateSaver(Protocol):
    """Where states are kept by name, as `tf.contrib.training`'s queue of sequences did."""

    def state(self, name: str) -> Tensor:
        """The state [N, size] of that name."""

    def save_state(self, name: str, value: Tensor) -> object:
        """Keep a state."""


def static_state_saving_rnn(
    cell: RNNCell,
    inputs: Sequence[Tensor],
    state_saver: StateSaver,
    state_name: Any,
    sequence_length: Lengths = None,
    scope: object = None,
) -> tuple[list[Any], Any]:
    """`static_rnn` from a state that is kept elsewhere, as `tf.nn.static_state_saving_rnn`.

    Args:
        cell, inputs, sequence_length, scope: as `static_rnn` has them.
        state_saver: has `state(name)` and `save_state(name, value)`.
        state_name: a name for each part of the state, nested as `cell.state_size`, or at least as many in a
            flat tuple.

    Returns:
        A list of T outputs [N, O], and the final state, which was saved.

    Raises:
        ValueError: state_name is a tuple and the state is not, or has more or fewer parts.

    >>> import torch
    >>> from unrolled.tf1 import GRUCell
    >>> class Saver(dict):
    ...     state, save_state = dict.__getitem__, dict.__setitem__
    >>> saver = Saver(h=torch.zeros(2, 3))
    >>> outputs, state = static_state_saving_rnn(GRUCell(3), [torch.ones(2, 4)] * 5, saver, "h")
    >>> saver["h"] is state
    True
    """
    check_rnn_cell("cell", cell)
    names: list[str] = []
    map_state(names.append, state_name)
    sizes: list[Any] = []
    map_state(sizes.append, cell.state_size)
    if isinstance(state_name, tuple) != isinstance(cell.state_size, tuple) or len(names) != len(sizes):
        raise ValueError(
            f"state_name is {state_name!r}, expected a name for each part of the state: {cell.state_size}"
        )
    kept = iter([state_saver.state(name) for name in names])
    initial = map_state(lambda _: next(kept), cell.state_size)
    outputs, state = static_rnn(cell, inputs, initial, sequence_length=sequence_length)
    parts: list[Tensor] = []
    map_state(parts.append, state)
    for name, part in zip(names, parts, strict=True):
        state_saver.save_state(name, part)
    return outputs, state
