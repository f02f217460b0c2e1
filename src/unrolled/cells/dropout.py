"""Dropout around any cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells.cell import Cell, check_cell, check_probability
from unrolled.cells.state import LSTMState, S, State


class DropoutCell(Cell[S]):
    r"""Dropout on what goes into a cell, on its state and on what comes out, while training.

        y, s = cell(D_input(x), s);   s' = D_state(s);   the output is D_output(y)

    Symbols: D_p(v) = v * m / (1 - p), m ~ Bernoulli(1 - p) for each element.

    The output's dropout never touches the state: what the next step sees is whole. The state's dropout
    leaves the cell state c of an LSTM alone and drops h, since c is the memory that dropout would erase
    for good. With `variational`, each sequence keeps one mask for all its steps, resets or not; an unrolling
    draws it anew at its first step, and whoever steps by hand calls `begin_sequence`.

    Args:
        cell: the cell to wrap.
        input: the probability that an element of x is dropped.
        output: the same for the output.
        state: the same for the next state.
        variational: one mask for all steps in place of one for each step.

    Raises:
        TypeError: cell is not a cell.
        ValueError: a probability outside [0, 1].

    >>> from unrolled.cells import RNNCell
    >>> cell = DropoutCell(RNNCell(4, 3), output=0.5).eval()
    >>> output, state = cell(torch.zeros(2, 4))
    >>> bool((output == state).all())
    True

    References: Zaremba et al. 2014, arXiv:1409.2329, section 3.2; variational: Gal and Ghahramani 2016,
    arXiv:1512.05287, section 4.
    """

    def __init__(
        self,
        cell: Cell[S],
        input: float = 0.0,
        output: float = 0.0,
        state: float = 0.0,
        variational: bool = False,
    ) -> None:
        check_cell(cell)
        input, output, state = check_probability("DropoutCell", input=input, output=output, state=state)
        super().__init__(cell.input_size, cell.output_size, cell.state_size)
        self.cell = cell
        self.input = input
        self.output = output
        self.state = state
        self.variational = variational
        self._masks: dict[str, Tensor] = {}

    def begin_sequence(self) -> None:
        self._masks.clear()
        super().begin_sequence()

    def initial_state(self, batch_size: int, **like: Any) -> S:
        return self.cell.initial_state(batch_size, **like)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, S]:
        output, next_state = self.cell(self._drop("input", x, self.input), state)
        return self._drop("output", output, self.output), self._drop_state("state", next_state)

    def drop_input(self, steps: Tensor, time_axis: int) -> Tensor:
        """The inputs of all steps of a sequence, after their dropout."""
        return self._drop_steps(steps, time_axis, self.input)

    def drop_output(self, steps: Tensor, time_axis: int) -> Tensor:
        """The same for the outputs."""
        return self._drop_steps(steps, time_axis, self.output)

    def _drop_steps(self, steps: Tensor, time_axis: int, probability: float) -> Tensor:
        if probability == 0 or not self.training:
            return steps
        if not self.variational:
            return F.dropout(steps, probability)
        one_step = steps.narrow(time_axis, 0, 1)
        return steps * F.dropout(torch.ones_like(one_step), probability)

    def _drop(self, place: str, value: Tensor, probability: float) -> Tensor:
        if probability == 0 or not self.training:
            return value
        if not self.variational:
            return F.dropout(value, probability)
        mask = self._masks.get(place)
        if mask is None or mask.shape != value.shape:
            mask = self._masks[place] = F.dropout(torch.ones_like(value), probability)
        return value * mask

    def _drop_state(self, place: str, state: Any) -> Any:
        if isinstance(state, LSTMState):
            return state._replace(h=self._drop(place, state.h, self.state))
        if isinstance(state, tuple):
            return tuple(self._drop_state(f"{place}.{layer}", part) for layer, part in enumerate(state))
        return self._drop(place, state, self.state)

    def extra_repr(self) -> str:
        return f"input={self.input}, output={self.output}, state={self.state}, variational={self.variational}"
