"""TensorFlow 1's loops over a sequence, each a call of the library's unrollings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from unrolled.cells.state import map_state
from unrolled.tf1.holder import as_dtype
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell, first_part
from unrolled.tf1.rnn.raw_rnn import raw_rnn
from unrolled.unroll import bidirectional_unroll, dynamic_unroll, reverse_sequence

Lengths: TypeAlias = "Tensor | Sequence[int] | None"


def dynamic_rnn(
    cell: RNNCell,
    inputs: Any,
    sequence_length: Lengths = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: object = None,
) -> tuple[Any, Any]:
    """Apply a cell to each step of a batch of sequences, as `tf.nn.dynamic_rnn`.

    Outputs past a length are zero, and the state is copied through to the end. NaN in the padding, which
    reached TensorFlow's gradients, does not reach them here.

    Args:
        cell: a cell of this module; it is built for the inputs if it is not yet.
        inputs: [N, T, I], a tensor or an array, or [T, N, I] with time_major; a tuple of such for a cell that
            takes a tuple at each step.
        sequence_length: [N] lengths from 0 to T.
        initial_state: a state as `cell.state_size` is nested; None for zeros.
        dtype: of the zeros; must be there without initial_state.
        parallel_iterations, swap_memory, scope: taken for TensorFlow's sake.
        time_major: whether time is the first axis of inputs and outputs.

    Returns:
        The outputs [N, T, O] and the final state.

    Raises:
        TypeError: cell is not a cell of this module.
        ValueError: neither initial_state nor dtype, or arguments that do not fit.

    >>> from unrolled.tf1 import BasicLSTMCell
    >>> outputs, state = dynamic_rnn(BasicLSTMCell(3), torch.ones(2, 4, 5), [4, 1], dtype="float32")
    >>> bool((state.h[1] == outputs[1, 0]).all()), bool((outputs[1, 1:] == 0).all())
    (True, True)
    """
    check_rnn_cell("cell", cell)
    if isinstance(inputs, tuple) or cell.carries_more:
        return _nested_rnn(cell, inputs, sequence_length, initial_state, dtype, time_major)
    inputs = _sequences(inputs, "[T, N, I]" if time_major else "[N, T, I]")
    state = _initial_state(cell, inputs, initial_state, dtype, inputs.shape[1 if time_major else 0])
    outputs, state = dynamic_unroll(
        cell.inner(), inputs, _lengths(sequence_length), cell.to_inner(state), batch_first=not time_major
    )
    return outputs, cell.from_inner(state)


def static_rnn(
    cell: RNNCell,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Lengths = None,
    scope: object = None,
) -> tuple[list[Any], Any]:
    """Apply a cell to a list of T steps [N, I], as `tf.nn.static_rnn`.

    Arguments and errors are those of `dynamic_rnn`, the results a list of T outputs [N, O] and the final
    state.

    >>> from unrolled.tf1 import GRUCell
    >>> outputs, state = static_rnn(GRUCell(3), torch.ones(2, 4, 5).unbind(1), dtype="float32")
    >>> len(outputs), bool((outputs[-1] == state).all())
    (4, True)
    """
    outputs, state = dynamic_rnn(
        cell, _stacked(inputs), sequence_length, initial_state, dtype, time_major=True
    )
    if isinstance(outputs, Tensor):
        return list(outputs.unbind(0)), state
    return [map_state(lambda steps, t=t: steps[t], outputs) for t in range(len(inputs))], state


def bidirectional_dynamic_rnn(
    cell_fw: RNNCell,
    cell_bw: RNNCell,
    inputs: Any,
    sequence_length: Lengths = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: object = None,
) -> tuple[tuple[Tensor, Tensor], tuple[Any, Any]]:
    """Apply one cell forwards and another backwards, as `tf.nn.bidirectional_dynamic_rnn`.

    Arguments and errors are those of `dynamic_rnn`, the results a pair of outputs ([N, T, F], [N, T, B]) and
    a pair of final states.

    >>> from unrolled.tf1 import GRUCell
    >>> (forward, backward), states = bidirectional_dynamic_rnn(
    ...     GRUCell(3), GRUCell(2), torch.ones(2, 4, 5), dtype="float32"
    ... )
    >>> forward.shape, backward.shape, bool((backward[:, 0] == states[1]).all())
    (torch.Size([2, 4, 3]), torch.Size([2, 4, 2]), True)
    """
    check_rnn_cell("cell_fw", cell_fw)
    check_rnn_cell("cell_bw", cell_bw)
    if isinstance(inputs, tuple) or any(
        cell.carries_more or not isinstance(cell.output_size, int) for cell in (cell_fw, cell_bw)
    ):
        options: dict[str, Any] = {"dtype": dtype, "time_major": time_major}

        def turned(part: Any) -> Tensor:
            lengths = _lengths(sequence_length)
            return reverse_sequence(torch.as_tensor(part), lengths, batch_first=not time_major)

        ahead, final_fw = dynamic_rnn(cell_fw, inputs, sequence_length, initial_state_fw, **options)
        back, final_bw = dynamic_rnn(
            cell_bw, map_state(turned, inputs), sequence_length, initial_state_bw, **options
        )
        return (ahead, map_state(turned, back)), (final_fw, final_bw)
    inputs = _sequences(inputs, "[T, N, I]" if time_major else "[N, T, I]")
    batch_size = inputs.shape[1 if time_major else 0]
    state_fw = _initial_state(cell_fw, inputs, initial_state_fw, dtype, batch_size)
    state_bw = _initial_state(cell_bw, inputs, initial_state_bw, dtype, batch_size)
    outputs, (state_fw, state_bw) = bidirectional_unroll(
        cell_fw.inner(),
        cell_bw.inner(),
        inputs,
        _lengths(sequence_length),
        (cell_fw.to_inner(state_fw), cell_bw.to_inner(state_bw)),
        batch_first=not time_major,
    )
    forward, backward = outputs.split([cell_fw.output_size, cell_bw.output_size], dim=2)
    return (forward, backward), (cell_fw.from_inner(state_fw), cell_bw.from_inner(state_bw))


def static_bidirectional_rnn(
    cell_fw: RNNCell,
    cell_bw: RNNCell,
    inputs: Sequence[Tensor],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Lengths = None,
    scope: object = None,
) -> tuple[list[Tensor], Any, Any]:
    """Apply one cell forwards and another backwards to a list, as `tf.nn.static_bidirectional_rnn`.

    Arguments and errors are those of `dynamic_rnn`, the results three: a list of T outputs [N, F + B], the
    final state of the forward cell, and that of the backward cell.

    >>> from unrolled.tf1 import GRUCell
    >>> steps = torch.ones(2, 4, 5).unbind(1)
    >>> outputs, forward, backward = static_bidirectional_rnn(GRUCell(3), GRUCell(2), steps, dtype="float32")
    >>> len(outputs), outputs[0].shape
    (4, torch.Size([2, 5]))
    """
    outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
        cell_fw,
        cell_bw,
        _stacked(inputs),
        sequence_length,
        initial_state_fw,
        initial_state_bw,
        dtype,
        time_major=True,
    )
    return list(torch.cat(outputs, dim=2).unbind(0)), state_fw, state_bw


def stack_bidirectional_dynamic_rnn(
    cells_fw: list[RNNCell],
    cells_bw: list[RNNCell],
    inputs: Any,
    initial_states_fw: list[Any] | None = None,
    initial_states_bw: list[Any] | None = None,
    dtype: Any = None,
    sequence_length: Lengths = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: object = None,
) -> tuple[Tensor, tuple[Any, ...], tuple[Any, ...]]:
    """Apply bidirectional layers on top of one another, as `tf.contrib.rnn` does on a tensor.

    Each layer sees both directions of the one below. Arguments and errors are those of `dynamic_rnn`, with
    a list of cells, and of states, for each direction.

    Returns:
        The outputs [N, T, F + B] of the last layer, and the final states of the forward cells and of the
        backward cells.

    >>> from unrolled.tf1 import GRUCell
    >>> outputs, forwards, backwards = stack_bidirectional_dynamic_rnn(
    ...     [GRUCell(3), GRUCell(3)], [GRUCell(2), GRUCell(2)], torch.ones(2, 4, 5), dtype="float32"
    ... )
    >>> outputs.shape, len(forwards), backwards[1].shape
    (torch.Size([2, 4, 5]), 2, torch.Size([2, 2]))
    """
    states_fw = _layer_list("fw", cells_fw, initial_states_fw)
    states_bw = _layer_list("bw", cells_bw, initial_states_bw)
    if len(cells_fw) != len(cells_bw):
        raise ValueError(f"{len(cells_fw)} cells_fw and {len(cells_bw)} cells_bw, expected as many of both")
    finals = []
    for cell_fw, cell_bw, state_fw, state_bw in zip(cells_fw, cells_bw, states_fw, states_bw, strict=True):
        outputs, final = bidirectional_dynamic_rnn(
            cell_fw,
            cell_bw,
            inputs,
            sequence_length,
            state_fw,
            state_bw,
            dtype,
            time_major=time_major,
        )
        inputs = torch.cat(outputs, dim=2)
        finals.append(final)
    return inputs, tuple(fw for fw, _ in finals), tuple(bw for _, bw in finals)


def stack_bidirectional_rnn(
    cells_fw: list[RNNCell],
    cells_bw: list[RNNCell],
    inputs: Sequence[Tensor],
    initial_states_fw: list[Any] | None = None,
    initial_states_bw: list[Any] | None = None,
    dtype: Any = None,
    sequence_length: Lengths = None,
    scope: object = None,
) -> tuple[list[Tensor], tuple[Any, ...], tuple[Any, ...]]:
    """Apply bidirectional layers on top of one another, as `tf.contrib.rnn` does on a list.

    As `stack_bidirectional_dynamic_rnn`, with a list of T steps [N, I] and of T outputs [N, F + B].

    >>> from unrolled.tf1 import GRUCell
    >>> outputs, forwards, backwards = stack_bidirectional_rnn(
    ...     [GRUCell(3), GRUCell(3)], [GRUCell(2), GRUCell(2)], torch.ones(2, 4, 5).unbind(1), dtype="float32"
    ... )
    >>> len(outputs), outputs[0].shape
    (4, torch.Size([2, 5]))
    """
    outputs, states_fw, states_bw = stack_bidirectional_dynamic_rnn(
        cells_fw,
        cells_bw,
        _stacked(inputs),
        initial_states_fw,
        initial_states_bw,
        dtype,
        sequence_length,
        time_major=True,
    )
    return list(outputs.unbind(0)), states_fw, states_bw


def _sequences(inputs: Any, layout: str) -> Tensor:
    x = torch.as_tensor(inputs)
    if x.dim() < 3:
        raise ValueError(f"inputs has shape {list(x.shape)}, expected {layout}: a batch of sequences")
    return x


def _stacked(inputs: Sequence[Any]) -> Any:
    """A list of steps as one tensor with time first, or a tuple of such."""
    if not isinstance(inputs, list | tuple):
        raise TypeError(f"inputs is a {type(inputs).__name__}, expected a list of T tensors [N, I]")
    if not inputs:
        raise ValueError("inputs is empty, expected a list of T tensors [N, I]")
    if isinstance(inputs[0], tuple):
        return map_state(lambda *steps: torch.stack(steps), *inputs)
    steps = torch.stack([torch.as_tensor(step) for step in inputs])
    return steps.unsqueeze(2) if steps.dim() == 2 and not steps.dtype.is_floating_point else steps


def _lengths(sequence_length: Lengths) -> Tensor | None:
    """Whole numbers: TensorFlow casts them, so that a sum of floats may be a length."""
    return None if sequence_length is None else torch.as_tensor(sequence_length).long()


def _initial_state(cell: RNNCell, inputs: Any, state: Any, dtype: Any, batch_size: int) -> Any:
    """Build the cell for the inputs, and return a state that was checked, or zeros."""
    if state is None and dtype is None:
        raise ValueError(
            "neither initial_state nor dtype was given: without initial_state, dtype says of which type the "
            "zeros are that the state starts from, such as torch.float32"
        )
    numbers = isinstance(inputs, Tensor) and inputs.dtype.is_floating_point
    if numbers and dtype is not None and as_dtype(dtype) != inputs.dtype:
        raise ValueError(f"inputs are {inputs.dtype}, dtype is {dtype}: expected one type for both")
    # Whole numbers, and times beside an x, do not say of which type the variables are.
    kind = inputs.dtype if numbers else first_part(state).dtype if dtype is None else as_dtype(dtype)
    cell.build_for(inputs, kind)
    if state is None:
        return cell.zero_state(batch_size, kind, first_part(inputs).device)
    cell.check_state(state, batch_size)
    return state


def _layer_list(direction: str, cells: object, states: object) -> list[Any]:
    """The initial state of each layer, None for those that start from zeros."""
    if not isinstance(cells, list) or not cells:
        raise ValueError(f"cells_{direction} is {cells!r}, expected a list of cells, one for each layer")
    if states is None:
        return [None] * len(cells)
    if not isinstance(states, list) or len(states) != len(cells):
        raise ValueError(
            f"initial_states_{direction} is not a list of {len(cells)} states, one for each layer"
        )
    return states


def _nested_rnn(
    cell: RNNCell, inputs: Any, sequence_length: Lengths, state: Any, dtype: Any, time_major: bool
) -> tuple[Any, Any]:
    """`dynamic_rnn` for a cell of tuples, or of a state that is more than tensors [N, ...]."""
    inputs = map_state(torch.as_tensor, inputs)
    if not time_major:
        inputs = map_state(lambda part: part.transpose(0, 1), inputs)
    time, batch_size = first_part(inputs).shape[:2]
    state = _initial_state(cell, inputs, state, dtype, batch_size)
    device = first_part(inputs).device
    lengths = torch.as_tensor(
        [time] * batch_size if sequence_length is None else sequence_length, device=device
    )
    running = torch.arange(time, device=device).unsqueeze(1) < lengths
    # Zeros in place of the padding: a NaN there would come back through the gradient.
    inputs = map_state(
        lambda part: torch.where(running.view(time, batch_size, *[1] * (part.dim() - 2)), part, 0), inputs
    )

    def loop_fn(t: int, output: Any, cell_state: Any, _: Any) -> tuple[Any, ...]:
        step = map_state(lambda part: part[min(t, time - 1)], inputs)
        return t >= lengths, step, state if output is None else cell_state, output, None

    emitted, state, _ = raw_rnn(cell, loop_fn)

    def whole(steps: Any, size: Any) -> Tensor:
        like = first_part(state)
        shape = steps.read(0).shape[1:] if steps.size() else (size,) if isinstance(size, int) else tuple(size)
        zeros = torch.zeros(batch_size, *shape, dtype=like.dtype, device=like.device)
        given = [steps.read(t) for t in range(steps.size())]
        return torch.stack(given + [zeros] * (time - len(given)), 0 if time_major else 1)

    return map_state(whole, emitted, cell.output_size), state
