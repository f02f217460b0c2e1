"""TensorFlow 1's loop whose every step a function decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unrolled.cells.state import map_state
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell, first_part


class TensorArray:
    """A list of tensors of one shape, with the methods that a `loop_fn` uses.

    >>> inputs = TensorArray("float32", size=4).unstack(torch.ones(4, 2, 3))
    >>> inputs.size(), inputs.read(0).shape, inputs.stack().shape
    (4, torch.Size([2, 3]), torch.Size([4, 2, 3]))
    """

    def __init__(self, dtype: Any = None, size: int = 0, dynamic_size: bool = True) -> None:
        self._tensors: list[Tensor | None] = [None] * size

    def write(self, index: int, value: Tensor) -> TensorArray:
        """Put a tensor at an index, which may lie behind the end."""
        self._tensors += [None] * (index + 1 - len(self._tensors))
        self._tensors[index] = value
        return self

    def read(self, index: int) -> Tensor:
        """The tensor at an index."""
        value = self._tensors[index] if 0 <= index < len(self._tensors) else None
        if value is None:
            raise IndexError(f"nothing was written at {index} of a TensorArray of {len(self._tensors)}")
        return value

    def stack(self) -> Tensor:
        """All tensors as one, with a new first axis."""
        return torch.stack([self.read(index) for index in range(len(self._tensors))])

    def unstack(self, value: Tensor) -> TensorArray:
        """Take the parts of a tensor along its first axis."""
        self._tensors = list(torch.as_tensor(value).unbind(0))
        return self

    def size(self) -> int:
        """How many tensors there are."""
        return len(self._tensors)


def raw_rnn(
    cell: RNNCell,
    loop_fn: Callable[[int, Any, Any, Any], tuple[Any, Any, Any, Any, Any]],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: object = None,
) -> tuple[Any, Any, Any]:
    """Apply a cell step by step, with a function that says how each goes on, as `tf.nn.raw_rnn`.

        finished, input, state, emit, loop_state = loop_fn(time, output, state, loop_state)

    `loop_fn` is first called with (0, None, None, None): what it emits there has the structure and the
    shapes, without N, of what it will emit, or is None for the cell's outputs. After each step of the cell it
    is called with what the cell gave. A sequence that is finished emits zeros and keeps its state; when
    all are, the loop ends.

    Args:
        cell: a cell of this module.
        loop_fn: as above: time is an int, finished [N] booleans, or one for all sequences; loop_state is
            whatever it likes to carry, None for what it was.
        parallel_iterations, swap_memory, scope: taken for TensorFlow's sake.

    Returns:
        What was emitted, a `TensorArray` or a tuple of them, the final state, and the last loop_state.

    >>> from unrolled.tf1 import GRUCell
    >>> x, cell = torch.ones(4, 2, 3), GRUCell(5)
    >>> def loop_fn(time, output, state, loop_state):
    ...     state = cell.zero_state(2, "float32") if output is None else state
    ...     return time >= torch.tensor([4, 1]), x[min(time, 3)], state, output, None
    >>> emitted, state, _ = raw_rnn(cell, loop_fn)
    >>> emitted.stack().shape, bool((emitted.read(0)[1] == state[1]).all())
    (torch.Size([4, 2, 5]), True)
    """
    check_rnn_cell("cell", cell)
    if not callable(loop_fn):
        raise TypeError(f"loop_fn is {loop_fn!r}, expected a function")
    cell.begin_sequence()
    finished, inputs, state, emits, loop_state = loop_fn(0, None, None, None)
    first, kind = first_part(inputs), first_part(state).dtype
    batch_size = first.shape[0]

    def of_batch(flags: Any) -> Tensor:
        return torch.as_tensor(flags, device=first.device).expand(batch_size)

    def zeros(part: Any) -> Tensor:
        shape = tuple(part.shape) if isinstance(part, Tensor) else (part,)
        return torch.zeros(batch_size, *shape, dtype=getattr(part, "dtype", kind), device=first.device)

    zero_emit = map_state(zeros, cell.output_size if emits is None else emits)
    emitted = map_state(lambda _: TensorArray(), zero_emit)
    finished = of_batch(finished)
    time = 0
    while not finished.all():
        output, cell_state = cell(inputs, state)
        following, inputs, next_state, emit, next_loop_state = loop_fn(
            time + 1, output, cell_state, loop_state
        )
        loop_state = loop_state if next_loop_state is None else next_loop_state

        def choose(old: Any, new: Any, finished: Tensor = finished) -> Any:
            if not isinstance(new, Tensor) or new.dim() == 0:
                return new
            return torch.where(finished.view(-1, *[1] * (new.dim() - 1)), old, new)

        map_state(
            lambda array, part, time=time: array.write(time, part),
            emitted,
            map_state(choose, zero_emit, emit),
        )
        state = map_state(choose, state, next_state)
        finished = finished | of_batch(following)
        time += 1
    return emitted, state, loop_state
