"""TensorFlow 1's cells: its arguments, defaults, variables and states around cells of the library."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, LSTMState, StackedCell
from unrolled.cells import GRUCell as InnerGRU
from unrolled.cells import LSTMCell as InnerLSTM
from unrolled.cells import RNNCell as InnerRNN
from unrolled.tf1.activation import ActivatedCell, Activation, name_and_function
from unrolled.tf1.cell import LSTMStateTuple, RNNCell, check_rnn_cell
from unrolled.tf1.initializers import Initializer, constant, glorot_uniform, zeros
from unrolled.tf1.variables import freeze_second_bias, read_variables, write_variables


class _SingleCell(RNNCell, abc.ABC):
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
        freeze_second_bias(cell)
        with torch.no_grad():
            write_variables(
                cell,
                {
                    variable: self._initializer_of(variable)(old.shape, old.dtype).to(old.device)
                    for variable, old in read_variables(cell).items()
                },
            )
        self.cell = cell if known else ActivatedCell(cell, function)

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
        return {f"{self.name}/{name}": value for name, value in read_variables(self._weights).items()}

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        write_variables(
            self._weights, {name.removeprefix(f"{self.name}/"): value for name, value in values.items()}
        )


class BasicRNNCell(_SingleCell):
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
        self.num_units = self.state_size = self.output_size = num_units
        self._activation = activation

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerRNN(input_size, self.num_units, nonlinearity=activation, **where)


class GRUCell(_SingleCell):
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
        self.num_units = self.state_size = self.output_size = num_units
        self._activation = activation
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerGRU(input_size, self.num_units, reset="before", **where)

    def _initializer_of(self, variable: str) -> Initializer:
        if variable.endswith("kernel"):
            return self._kernel_initializer or glorot_uniform()
        return self._bias_initializer or (constant(1.0) if variable == "gates/bias" else zeros)


class _LSTM(_SingleCell):
    """What the LSTM cells share: a state of c and h, as a tuple or as one tensor [N, num_units + O]."""

    num_units: int
    _known_activations: ClassVar = {
        "tanh": "tanh",
        "relu": "relu",
        "sigmoid": "sigmoid",
        "softsign": "softsign",
        "linear": "identity",
    }

    def _set_sizes(self, num_units: int, output_size: int, state_is_tuple: bool) -> None:
        self.num_units, self.output_size = num_units, output_size
        self.state_size = (
            LSTMStateTuple(num_units, output_size) if state_is_tuple else num_units + output_size
        )

    def to_inner(self, state: Any) -> LSTMState:
        c, h = state if isinstance(state, tuple) else state.split([self.num_units, self.output_size], dim=1)
        return LSTMState(h=h, c=c)

    def from_inner(self, state: LSTMState) -> Any:
        if isinstance(self.state_size, tuple):
            return LSTMStateTuple(c=state.c, h=state.h)
        return torch.cat([state.c, state.h], dim=1)


class BasicLSTMCell(_LSTM):
    """The long short-term memory cell without options.

        i, j, f, o = [x, h] kernel + bias
        new_c  = c * σ(f + forget_bias) + σ(i) * act(j)
        new_h  = act(new_c) * σ(o),   which is the output

    Symbols: x [N, I]; c, h [N, num_units]; kernel [I + num_units, 4 num_units].

    Args:
        num_units: the number of units.
        forget_bias: added at run time, and not stored.
        state_is_tuple: whether the state is an `LSTMStateTuple`, or c and h side by side in one tensor.
        activation: a function, or its name; None for tanh.
        reuse, name, dtype, trainable: as `RNNCell` has them.

    >>> cell = BasicLSTMCell(3)
    >>> output, (c, h) = cell(torch.zeros(2, 4), cell.zero_state(2, torch.float32))
    >>> list(cell.variables), bool((output == h).all())
    (['basic_lstm_cell/kernel', 'basic_lstm_cell/bias'], True)
    """

    scope = "basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Activation = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, reuse, trainable)
        self._set_sizes(num_units, num_units, state_is_tuple)
        self._forget_bias = forget_bias
        self._activation = activation

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerLSTM(
            input_size, self.num_units, forget_bias=self._forget_bias, activation=activation, **where
        )


class LSTMCell(_LSTM):
    """The long short-term memory cell with peepholes, clips and a projection.

    As `BasicLSTMCell`, and with use_peepholes i and f see w_i_diag * c and w_f_diag * c, o sees
    w_o_diag * new_c; cell_clip bounds new_c before o and the output see it; num_proj multiplies the output
    by projection/kernel [num_units, num_proj], and proj_clip bounds the product.

    Args:
        num_units: the number of units.
        use_peepholes: whether the gates see the cell state.
        cell_clip: a positive bound; None for none.
        initializer: draws kernel, peepholes and projection; None for `glorot_uniform`.
        num_proj: the width of the output; None for num_units, without a projection.
        proj_clip: a positive bound; None for none.
        num_unit_shards, num_proj_shards: taken for TensorFlow's sake.
        forget_bias, state_is_tuple, activation: as `BasicLSTMCell` has them.
        reuse, name, dtype, trainable: as `RNNCell` has them.

    >>> cell = LSTMCell(3, num_proj=2)
    >>> cell.state_size, cell.output_size
    (LSTMStateTuple(c=3, h=2), 2)
    """

    scope = "lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer | None = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Activation = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, reuse, trainable)
        self._set_sizes(num_units, num_proj or num_units, state_is_tuple)
        self._initializer = initializer
        self._activation = activation
        self._options: dict[str, Any] = {
            "forget_bias": forget_bias,
            "peephole": use_peepholes,
            "cell_clip": cell_clip,
            "proj_size": num_proj or 0,
            "proj_clip": proj_clip if num_proj else None,  # without a projection TensorFlow ignores it
        }

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerLSTM(input_size, self.num_units, activation=activation, **self._options, **where)

    def _initializer_of(self, variable: str) -> Initializer:
        return zeros if variable == "bias" else self._initializer or glorot_uniform()


class LayerNormBasicLSTMCell(_LSTM):
    """The LSTM with layer normalisation and recurrent dropout, as `tf.contrib.rnn` computed it.

    i, j, f and o are normalised each on its own and have no bias; the new c is normalised too, and the
    normalised c is the next state. Dropout is on act(j), with a new mask at each step; `eval()` turns it off.

    Args:
        num_units: the number of units.
        forget_bias: added at run time, and not stored.
        input_size: taken for TensorFlow's sake.
        activation: a function, or its name; None for tanh.
        layer_norm: False for a plain LSTM, whose bias is then drawn as its kernel, from `glorot_uniform`.
        norm_gain, norm_shift: what scales and shifts start from.
        dropout_keep_prob: the probability that a unit of act(j) is kept.
        dropout_prob_seed: taken for TensorFlow's sake: `torch.manual_seed` seeds all dropout.
        reuse: as `RNNCell` has it.

    >>> cell = LayerNormBasicLSTMCell(3)
    >>> cell.build(4)
    >>> list(cell.variables)[:3]
    ['layer_norm_basic_lstm_cell/kernel', 'layer_norm_basic_lstm_cell/input/gamma', \
'layer_norm_basic_lstm_cell/input/beta']
    """

    scope = "layer_norm_basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: int | None = None,
        activation: Activation = None,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: float = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(reuse=reuse)
        self._set_sizes(num_units, num_units, state_is_tuple=True)
        self._activation = activation
        self._norm_gain, self._norm_shift = norm_gain, norm_shift
        self._options: dict[str, Any] = {
            "forget_bias": forget_bias,
            "layer_norm": "gates" if layer_norm else None,
            "recurrent_dropout": 1 - dropout_keep_prob,
        }

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        return InnerLSTM(input_size, self.num_units, activation=activation, **self._options, **where)

    def _initializer_of(self, variable: str) -> Initializer:
        if variable.endswith("gamma"):
            return constant(self._norm_gain)
        return constant(self._norm_shift) if variable.endswith("beta") else glorot_uniform()


class MultiRNNCell(RNNCell):
    """Several cells on top of one another, as one cell.

    The state is a tuple with the state of each cell, the output that of the last. A cell that stands twice in
    the list shares its weights between those layers, and has its variables once.

    Args:
        cells: a list of cells, the lowest first.
        state_is_tuple: False for states side by side in one tensor, if every cell's state is one tensor.

    >>> stack = MultiRNNCell([LSTMCell(3), GRUCell(6)])
    >>> stack.state_size, stack.output_size
    ((LSTMStateTuple(c=3, h=3), 6), 6)
    """

    scope = "multi_rnn_cell"

    def __init__(self, cells: Sequence[RNNCell], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not isinstance(cells, list | tuple):
            raise TypeError(f"MultiRNNCell: cells is {cells!r}, expected a list of cells")
        if not cells:
            raise ValueError("MultiRNNCell: cells is empty, expected at least one cell")
        for number, cell in enumerate(cells):
            check_rnn_cell(f"cells[{number}]", cell)
        sizes = tuple(cell.state_size for cell in cells)
        if not state_is_tuple and any(isinstance(size, tuple) for size in sizes):
            raise ValueError(
                f"MultiRNNCell: state_is_tuple is False, but some cells have tuples as states: {sizes}. "
                "Give those cells state_is_tuple=False too"
            )
        self.cells: Any = nn.ModuleList(cells)
        self.state_is_tuple = state_is_tuple
        self.state_size = sizes if state_is_tuple else sum(sizes)
        self.output_size = cells[-1].output_size

    def _build(self, input_size: int, **where: Any) -> None:
        for cell in self.cells:
            cell.build(input_size, **where)
            input_size = cell.output_size

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        new_states = []
        for cell, cell_state in zip(self.cells, self._states(state), strict=True):
            inputs, new_state = cell(inputs, cell_state)
            new_states.append(new_state)
        return inputs, self._state(new_states)

    def inner(self) -> Cell:
        return StackedCell([cell.inner() for cell in self.cells])

    def to_inner(self, state: Any) -> tuple[Any, ...]:
        return tuple(cell.to_inner(part) for cell, part in zip(self.cells, self._states(state), strict=True))

    def from_inner(self, state: tuple[Any, ...]) -> Any:
        return self._state([cell.from_inner(part) for cell, part in zip(self.cells, state, strict=True)])

    def _states(self, state: Any) -> Sequence[Any]:
        if self.state_is_tuple:
            return state  # type: ignore[no-any-return]
        return state.split([cell.state_size for cell in self.cells], dim=1)  # type: ignore[no-any-return]

    def _state(self, states: list[Any]) -> Any:
        return tuple(states) if self.state_is_tuple else torch.cat(states, dim=1)

    @property
    def variables(self) -> dict[str, Tensor]:
        return {
            f"{prefix}{name}": value
            for prefix, cell in self._prefixed()
            for name, value in cell.variables.items()
        }

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for prefix, cell in self._prefixed():
            cell._assign(
                {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}
            )

    def _prefixed(self) -> list[tuple[str, RNNCell]]:
        """Each cell once, with the prefix of its variables' names."""
        first = {id(cell): number for number, cell in reversed(list(enumerate(self.cells)))}
        return [
            (f"{self.name}/cell_{number}/", cell)
            for number, cell in enumerate(self.cells)
            if first[id(cell)] == number
        ]
