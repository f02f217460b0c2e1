"""The protocol of a cell: the maths of one step, with the state as an argument and a result."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch import Tensor, nn

from unrolled.cells.state import S_co, State, StateSize, check_state, map_state
from unrolled.errors import check_count


class Cell(nn.Module, abc.ABC, Generic[S_co]):
    """One step of a recurrent network.

        output, state' = cell(x, state)

    Symbols: x [N, I] the input of one step; output [N, O]; state as nested as `state_size`,
    each of its tensors [N, size].

    A cell of your own sets the three sizes and defines `step`; every unrolling, stack, wrapper and
    network then takes it:

    >>> class Counter(Cell):
    ...     '''Counts the steps: output = x + 1, state' = state + 1.'''
    ...     def __init__(self):
    ...         super().__init__(input_size=1, output_size=1, state_size=1)
    ...     def step(self, x, state):
    ...         return x + 1, state + 1
    >>> output, state = Counter()(torch.zeros(2, 1))
    >>> state.tolist()
    [[1.0], [1.0]]
    """

    def __init__(self, input_size: int, output_size: int, state_size: StateSize) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = output_size
        self.state_size = state_size

    @abc.abstractmethod
    def step(self, x: Tensor, state: Any) -> tuple[Tensor, S_co]:
        """The maths of the step, on a checked `x` [N, I] and `state`."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, state: State | None = None) -> tuple[Tensor, S_co]: ...

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, S_co]:
        """Take one step.

        Args:
            x: [N, I].
            state: what the last step returned; None for the initial state.

        Returns:
            The output [N, O] and the next state.

        Raises:
            ValueError: x or a part of the state has another shape than this cell's sizes ask for.
        """
        if x.dim() != 2 or x.shape[1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: x has shape {list(x.shape)}, expected [N, {self.input_size}] "
                "(one step of a batch; the unrollings take whole sequences)"
            )
        if state is not None:
            self._check_state(state, x.shape[0])
        return self.step(x, self.initial_state(x.shape[0]) if state is None else state)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> S_co:
        """Zeros, nested as `state_size`: dtype and device are by default those of the cell's parameters."""
        like = next(self.parameters(), torch.empty(0))
        zeros: S_co = map_state(
            lambda size: torch.zeros(
                batch_size, size, dtype=dtype or like.dtype, device=device or like.device
            ),
            self.state_size,
        )
        return zeros

    def begin_sequence(self) -> None:
        """Forget, here and in every part, what was drawn for one sequence (a variational dropout mask)."""
        for part in self.children():
            begin_sequence(part)

    def _check_state(self, state: State, batch_size: int, argument: str = "state") -> None:
        check_state(type(self).__name__, self.state_size, state, batch_size, argument)


def begin_sequence(module: nn.Module) -> None:
    """Tell every cell in `module` that a new sequence begins."""
    if isinstance(module, Cell):
        module.begin_sequence()
    else:
        for part in module.children():
            begin_sequence(part)


def check_cell(cell: object) -> None:
    """Raise a TypeError for something that is not a cell, such as one of torch.nn's."""
    if not isinstance(cell, nn.Module) or not hasattr(cell, "initial_state"):
        kind = type(cell)
        raise TypeError(
            f"cell is a {kind.__module__}.{kind.__qualname__}, expected an unrolled cell such as "
            "unrolled.LSTMCell(input_size, hidden_size); a list of cells goes into unrolled.StackedCell"
        )


def uniform(*shape: int, bound: float, dtype: Any = None, device: Any = None) -> nn.Parameter:
    """A parameter drawn from U(-bound, bound)."""
    return nn.Parameter(torch.empty(*shape, dtype=dtype, device=device).uniform_(-bound, bound))


def check_sizes(name: str, **sizes: int) -> list[int]:
    """`sizes` as ints, in order; a ValueError names the first that is not a positive whole number."""
    return [check_count(f"{name}: {size_name}", size) for size_name, size in sizes.items()]


def check_probability(name: str, **probabilities: float) -> list[float]:
    """`probabilities` as floats, in order; a ValueError names the first outside [0, 1]."""
    for probability_name, probability in probabilities.items():
        if isinstance(probability, bool | str) or not 0 <= probability <= 1:
            raise ValueError(
                f"{name}: {probability_name} is {probability!r}, expected a probability from 0 (off) to 1"
            )
    return [float(probability) for probability in probabilities.values()]
