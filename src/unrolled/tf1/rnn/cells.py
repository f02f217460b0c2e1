"""TensorFlow 1's cells that have kernels of their own, each around a cell of the library."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.cells import GRUCell as InnerGRU
from unrolled.cells import RNNCell as InnerRNN
from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import Initializer, constant, glorot_uniform, zeros
from unrolled.tf1.rnn.activation import ActivatedCell, Activation, name_and_function
from unrolled.tf1.rnn.cell import RNNCell
from unrolled.tf1.rnn.gate_layout import parameters, variables


class SingleCell(RNNCell, abc.ABC):
    """A cell with kernels of its own: one cell of the library does its maths."""

    cell: Any  # once it is built
    _activation: Activation = None
    # The activations that the library's cell has, and its names for them.
    _known_activations: ClassVar[Mapping[str, str]] = {"tanh": "tanh"}

    @abc.abstractmethod
    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        """The cell of the library, its weights not yet as they should be."""

    def _initializer_of(self, variable: str) -> Initializer:
        """What draws a variable at first."""
        return zeros if variable.endswith("bias") else glorot_uniform()

    def _build(self, input_size: int, **where: Any) -> None:
        name, function = name_and_function(self._activation)
        known = self._known_activations.get(name or "")
        cell: Any = self._make(input_size, known or "tanh", **where)
        if cell.bias_hh is not None:  # TensorFlow's cells train one bias
            cell.bias_hh.requires_grad_(False).zero_()
        with torch.no_grad():
            _write(
                cell,
                {
                    variable: self._initializer_of(variable)(old.shape, old.dtype).to(old.device)
                    for variable, old in _read(cell).items()
                },
            )
        self.cell = cell if known else ActivatedCell(cell, function)

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        cell = self._make(input_size, "tanh", device="meta")
        return {f"{self.name}/{name}": tuple(value.shape) for name, value in _read(cell).items()}

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new_state = self.cell(inputs, self.to_inner(state))
        return output, self.from_inner(new_state)

    def inner(self) -> Cell:
        return self.cell  # type: ignore[no-any-return]

    @property
    def _weights(self) -> Cell:
        return self.cell.cell if isinstance(self.cell, ActivatedCell) else self.cell  # type: ignore[no-any-return]

    @property
    def variables(self) -> dict[str, Tensor]:
        if not self.built:
            return {}
        return {f"{self.name}/{name}": value for name, value in _read(self._weights).items()}

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        _write(self._weights, {name.removeprefix(f"{self.name}/"): value for name, value in values.items()})


class BasicRNNCell(SingleCell):
    """The plain recurrent cell.

        output = new_state = act([x, h] kernel + bias)

    Symbols: x [N, I], h [N, num_units]; kernel [I + num_units, num_units].

    Args:
        num_units: the number of units.
        activation: a function, or its name; None for tanh.
        reuse, name, dtype, trainable: as `RNNCell` has them.

    >>> output, state = BasicRNNCell(3)(torch.zeros(2, 4), torch.zeros(2, 3))
    >>> tuple(output.shape)
    (2, 3)
    """

    scope = "basic_rnn_cell"
    _known_activations: ClassVar = {"tanh": "tanh", "relu": "relu"}

    def __init__(
        self,
        num_units: int,
        activation: Activation = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, reuse, trainable)
        self.num_units = check_count(f"{type(self).__name__}: num_units", num_units)
        self.state_size = self.output_size = self.num_units
        self._activation = activation

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerRNN(input_size, self.num_units, nonlinearity=activation, **where)


class GRUCell(SingleCell):
    """The gated recurrent unit of Cho et al., which resets before the matrix product.

        r, u = σ([x, h] gates/kernel + gates/bias)
        c    = act([x, r * h] candidate/kernel + candidate/bias)
        output = new_state = u * h + (1 - u) * c

    Symbols: x [N, I], h [N, num_units]; gates/kernel [I + num_units, 2 num_units].

    Args:
        num_units: the number of units.
        activation: a function, or its name; None for tanh.
        kernel_initializer: draws both kernels; None for `glorot_uniform`.
        bias_initializer: draws both biases; None for 1 in the gates and 0 in the candidate.
        reuse, name, dtype, trainable: as `RNNCell` has them.

    >>> cell = GRUCell(3)
    >>> cell.build(4)
    >>> {name: tuple(value.shape) for name, value in cell.variables.items() if "kernel" in name}
    {'gru_cell/gates/kernel': (7, 6), 'gru_cell/candidate/kernel': (7, 3)}
    """

    scope = "gru_cell"

    def __init__(
        self,
        num_units: int,
        activation: Activation = None,
        reuse: bool | None = None,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, reuse, trainable)
        self.num_units = check_count(f"{type(self).__name__}: num_units", num_units)
        self.state_size = self.output_size = self.num_units
        self._activation = activation
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerGRU(input_size, self.num_units, reset="before", **where)

    def _initializer_of(self, variable: str) -> Initializer:
        if variable.endswith("kernel"):
            return self._kernel_initializer or glorot_uniform()
        return self._bias_initializer or (constant(1.0) if variable == "gates/bias" else zeros)


def _read(cell: Any) -> dict[str, Tensor]:
    """TensorFlow's variables of a cell, with its gradients, in the order in which TensorFlow makes them."""
    return variables(cell, dict(cell.named_parameters()))


def _write(cell: Any, values: Mapping[str, Tensor]) -> None:
    own = dict(cell.named_parameters())
    for name, value in parameters(cell, values).items():
        own[name].copy_(value)
