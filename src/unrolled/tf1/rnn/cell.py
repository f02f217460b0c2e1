"""The protocol of TensorFlow 1's cells: built on first use, with its states and names of variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from unrolled.cells import Cell
from unrolled.cells.state import check_state, map_state
from unrolled.tf1.holder import VariableHolder, as_dtype


class LSTMStateTuple(NamedTuple):
    """The state of an LSTM in TensorFlow 1's order: c [N, H] the cell state, h [N, O] the output."""

    c: Any
    h: Any

    @property
    def dtype(self) -> torch.dtype:
        """The type of both parts."""
        if self.c.dtype != self.h.dtype:
            raise TypeError(f"c is {self.c.dtype} and h is {self.h.dtype}, expected one type for both")
        return self.c.dtype  # type: ignore[no-any-return]


class RNNCell(VariableHolder):
    """What every cell of this module is, and what a cell of your own derives from.

        output, new_state = cell(inputs, state)

    Symbols: inputs [N, I]; output [N, O]; state as nested as `state_size`, each tensor [N, size].

    As in TensorFlow 1 a cell learns I from the first inputs, and has no parameters until then: `build`
    makes them by hand. `tf1.Adam` and `tf1.RMSProp` take a cell that has none yet.

    A cell of your own sets `state_size` and `output_size` and defines `call`, or `__call__` as TensorFlow's
    first cells did; if it has parameters, it makes them in `_build`.

    Args:
        name: the scope of its variables' names; None for the class's name in snake case.
        dtype: of the variables; None for that of the first inputs.
        reuse: only None or False. A cell is shared by using the same object.
        trainable: whether its variables are to be trained.

    >>> from unrolled.tf1 import dynamic_rnn
    >>> class Counter(RNNCell):
    ...     state_size, output_size = 1, 4
    ...     def call(self, inputs, state):
    ...         return inputs, state + 1
    >>> outputs, state = dynamic_rnn(Counter(), torch.zeros(2, 3, 4), dtype="float32")
    >>> state.tolist()
    [[3.0], [3.0]]
    """

    scope = "rnn_cell"
    state_size: Any
    output_size: Any
    input_size: int  # once it is built
    # What stands in `__init__`, for a cell of your own that does not call it.
    name: str = scope
    dtype: torch.dtype | None = None
    trainable = True
    # How many axes the inputs of one step have.
    input_axes = 2
    # Whether its states hold more than tensors [N, ...]: the number of the step, or a TensorArray.
    carries_more = False

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        if cls.call is RNNCell.call and cls.__call__ is RNNCell.__call__:
            raise TypeError(
                f"{cls.__name__} defines neither call nor __call__, expected the maths of one step"
            )
        cell = super().__new__(cls)
        nn.Module.__init__(cell)
        return cell

    def __init__(
        self, name: str | None = None, dtype: Any = None, reuse: bool | None = None, trainable: bool = True
    ) -> None:
        super().__init__()
        if reuse:
            raise ValueError(
                f"{type(self).__name__}: reuse is {reuse!r}, but variables are not found by names here: "
                "use the same cell object in both places"
            )
        self.name = name or self.scope
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.trainable = trainable
        self.built = False

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """The maths of one step."""
        return self(inputs, state)  # type: ignore[no-any-return]

    def forward(self, inputs: Any, state: Any, scope: object = None) -> tuple[Any, Any]:
        """Take one step: the output and the new state. `scope` is taken for TensorFlow's sake."""
        if isinstance(inputs, Tensor):
            if inputs.dim() != self.input_axes:
                raise ValueError(
                    f"{type(self).__name__}: inputs has shape {list(inputs.shape)}, expected [N, I] "
                    "(one step of a batch; dynamic_rnn takes whole sequences)"
                )
            self.build_for(inputs)
            self.check_state(state, inputs.shape[0])
        return self.call(inputs, state)

    def build(self, input_size: int, dtype: Any = None, device: Any = None) -> None:
        """Make the variables for inputs [N, input_size]; nothing happens if they are there already."""
        if not self.built:
            self.input_size = input_size
            self._build(input_size, dtype=self.dtype or as_dtype(dtype or torch.float32), device=device)
            self.built = True
            if not self.trainable:
                self.requires_grad_(False)

    def build_for(self, inputs: Any, dtype: Any = None) -> None:
        """Make the variables for inputs [..., I], or a tuple that begins with such.

        `dtype` is that of the variables, None for that of the inputs. If they are there, nothing happens.
        """
        first = first_part(inputs)
        self.build(first.shape[-1], dtype or first.dtype, first.device)

    def _build(self, input_size: int, *, dtype: torch.dtype, device: Any) -> None:
        """Make the variables; without any, as here, there is nothing to do."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The parameters.

        Raises:
            ValueError: there are none yet, and an optimizer would train nothing.
        """
        if not self.built and next(super().parameters(), None) is None and self.has_variables():
            raise ValueError(
                f"{type(self).__name__} has no parameters before it is built: give tf1.Adam or tf1.RMSProp "
                "the cell itself, as in tf1.Adam([cell, weights]), or call build(input_size) first"
            )
        return super().parameters(recurse)

    def has_variables(self) -> bool:
        """Whether the cell has variables, or will have them once it is built."""
        return bool(self.shapes(1))

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> Any:
        """Zeros, nested as `state_size`."""
        like = {"dtype": as_dtype(dtype), "device": device}
        return map_state(lambda size: torch.zeros(batch_size, size, **like), self.state_size)

    def get_initial_state(
        self, inputs: Tensor | None = None, batch_size: int | None = None, dtype: Any = None
    ) -> Any:
        """The zero state for inputs [N, ...], or for a batch size and a dtype."""
        if inputs is not None:
            return self.zero_state(inputs.shape[0], inputs.dtype, inputs.device)
        if batch_size is None or dtype is None:
            raise ValueError(
                f"get_initial_state: batch_size is {batch_size!r} and dtype is {dtype!r}, "
                "expected both of them, or inputs"
            )
        return self.zero_state(batch_size, dtype)

    def check_state(self, state: Any, batch_size: int) -> None:
        """Raise a ValueError if a state is not nested and shaped as this cell's."""
        check_state(type(self).__name__, self.state_size, state, batch_size)

    # What the loops need: an ordinary cell of the library that computes the same, and its state.

    def inner(self) -> Cell:
        """The built cell as one of the library's, which the unrollings take."""
        return _Step(self)

    def to_inner(self, state: Any) -> Any:
        """A state of this cell as one of `inner()`."""
        return state

    def from_inner(self, state: Any) -> Any:
        """A state of `inner()` as one of this cell."""
        return state

    def begin_sequence(self) -> None:
        """Forget what was drawn for one run over a sequence."""
        _begin_sequence_below(self)


def _begin_sequence_below(module: nn.Module) -> None:
    for part in module.children():
        if isinstance(part, RNNCell | Cell):
            part.begin_sequence()
        else:
            _begin_sequence_below(part)


def first_part(nested: Any) -> Tensor:
    """The first tensor of a nested tuple."""
    while isinstance(nested, tuple):
        nested = nested[0]
    return nested  # type: ignore[no-any-return]


class _Step(Cell):
    """A cell that has its maths in `call`, as one of the library's."""

    def __init__(self, cell: RNNCell) -> None:
        super().__init__(cell.input_size, cell.output_size, cell.state_size)
        self.cell = cell

    def begin_sequence(self) -> None:
        self.cell.begin_sequence()

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.cell(x, state)  # type: ignore[no-any-return]

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.cell.call(x, state)


def check_rnn_cell(name: str, cell: object) -> None:
    """Raise a TypeError for something that is not a cell of this module."""
    if not isinstance(cell, RNNCell):
        kind = type(cell)
        raise TypeError(
            f"{name} is a {kind.__module__}.{kind.__qualname__}, expected a cell of unrolled.tf1 such as "
            "tf1.BasicLSTMCell(num_units)"
        )
