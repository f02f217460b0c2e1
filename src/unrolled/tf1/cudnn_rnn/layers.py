"""The layers that TensorFlow 1 ran with cuDNN, here on any device."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.cells import Cell, GRUCell, LSTMCell, LSTMState, RNNCell
from unrolled.errors import check_count, unknown_name
from unrolled.tf1.cudnn_rnn.canonical import parameters, variables
from unrolled.tf1.holder import VariableHolder, as_dtype
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform, zeros
from unrolled.unroll import bidirectional_unroll, dynamic_unroll

CUDNN_RNN_UNIDIRECTION, CUDNN_RNN_BIDIRECTION = DIRECTIONS = ("unidirectional", "bidirectional")
CUDNN_INPUT_LINEAR_MODE, CUDNN_INPUT_SKIP_MODE, CUDNN_INPUT_AUTO_MODE = INPUT_MODES = (
    "linear_input",
    "skip_input",
    "auto_select",
)


class CudnnRNN(VariableHolder):
    """What the four layers share: see `CudnnLSTM`."""

    gates: ClassVar[int]
    cell_scope: ClassVar[str]
    scope: ClassVar[str]
    cells: Any  # layer by layer, the forward one first; once it is built

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = CUDNN_INPUT_LINEAR_MODE,
        direction: str = CUDNN_RNN_UNIDIRECTION,
        dropout: float = 0.0,
        seed: int | None = None,
        dtype: Any = torch.float32,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        self.num_layers = check_count(f"{kind}: num_layers", num_layers)
        self.num_units = check_count(f"{kind}: num_units", num_units)
        if direction not in DIRECTIONS:
            raise unknown_name("direction", direction, DIRECTIONS)
        if input_mode not in INPUT_MODES:
            raise unknown_name("input_mode", input_mode, INPUT_MODES)
        if not 0 <= dropout < 1:
            raise ValueError(f"{kind}: dropout is {dropout!r}, expected a number from 0 to below 1")
        self.input_mode, self.direction, self.dropout = input_mode, direction, float(dropout)
        self.num_dirs = 1 + DIRECTIONS.index(direction)
        self.dtype = as_dtype(dtype)
        self.name = name or self.scope
        self._seed = seed
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    @abc.abstractmethod
    def _cell(self, input_size: int, **where: Any) -> Cell:
        """The library's cell with cuDNN's maths."""

    def build(self, input_size: int, dtype: Any = None, device: Any = None) -> None:
        """Make the variables for inputs [T, N, input_size]; nothing happens if they are there already."""
        if self.built:
            return
        self._check_input_size(input_size)
        cells = self._cells(input_size, dtype=self.dtype if dtype is None else as_dtype(dtype), device=device)
        of_kernel = self._kernel_initializer or glorot_uniform(self._seed)
        of_bias = self._bias_initializer or zeros
        with torch.no_grad():
            for cell in cells:
                for name, parameter in cell.named_parameters():
                    draw = of_bias if name.startswith("bias") else of_kernel
                    for gate in parameter.chunk(self.gates):
                        gate.copy_(draw(gate.shape, gate.dtype))
        self.input_size, self.cells, self.built = input_size, nn.ModuleList(cells), True

    def _check_input_size(self, input_size: int) -> None:
        skips = self.input_mode == CUDNN_INPUT_SKIP_MODE or (
            self.input_mode == CUDNN_INPUT_AUTO_MODE and input_size == self.num_units
        )
        if skips:
            raise ValueError(
                f"{type(self).__name__}: with input_mode {self.input_mode!r} and {input_size} inputs the "
                'first layer has no weights of x, which is not there; use "linear_input"'
            )

    def _cells(self, input_size: int, **where: Any) -> list[Cell]:
        widths = [input_size] + [self.num_dirs * self.num_units] * (self.num_layers - 1)
        return [self._cell(width, **where) for width in widths for _ in range(self.num_dirs)]

    def forward(
        self,
        inputs: Any,
        initial_state: tuple[Tensor, ...] | None = None,
        sequence_lengths: Any = None,
        time_major: bool = True,
        training: bool = True,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Read the sequences.

        Args:
            inputs: [T, N, I], or [N, T, I] without time_major.
            initial_state: (h, c), or (h,) of a layer without c, each [L * directions, N, num_units]; None
                for zeros.
            sequence_lengths: [N] lengths from 0 to T; None if all have T steps.
            time_major: whether time is the first axis of inputs and outputs.
            training: whether to drop.

        Returns:
            The outputs [T, N, directions * num_units], and the final states as initial_state has them.
        """
        x = torch.as_tensor(inputs)
        if x.dim() != 3:
            layout = "[T, N, I]" if time_major else "[N, T, I]"
            raise ValueError(f"{type(self).__name__}: inputs has shape {list(x.shape)}, expected {layout}")
        self.build(x.shape[2], x.dtype, x.device)
        states = self._states(initial_state, x.shape[1 if time_major else 0])
        lengths = None if sequence_lengths is None else torch.as_tensor(sequence_lengths).long()
        finals: list[Any] = []
        for layer in range(self.num_layers):
            if layer and training and self.training:
                x = F.dropout(x, self.dropout)
            first = layer * self.num_dirs
            if self.num_dirs == 1:
                x, final = dynamic_unroll(
                    self.cells[first], x, lengths, states[first], batch_first=not time_major
                )
                finals.append(final)
            else:
                x, pair = bidirectional_unroll(
                    self.cells[first],
                    self.cells[first + 1],
                    x,
                    lengths,
                    (states[first], states[first + 1]),
                    batch_first=not time_major,
                )
                finals += pair
        if isinstance(finals[0], LSTMState):
            return x, (torch.stack([final.h for final in finals]), torch.stack([final.c for final in finals]))
        return x, (torch.stack(finals),)

    def _states(self, initial: Any, batch_size: int) -> list[Any]:
        """The state that each cell starts from, None for zeros."""
        count = self.num_layers * self.num_dirs
        if initial is None:
            return [None] * count
        parts = 2 if isinstance(self.cells[0], LSTMCell) else 1
        expected = [[count, batch_size, self.num_units]] * parts
        if not isinstance(initial, tuple):
            raise TypeError(
                f"{type(self).__name__}: initial_state is a {type(initial).__name__}, expected a tuple"
            )
        came = [list(part.shape) for part in initial]
        if came != expected:
            raise ValueError(f"{type(self).__name__}: initial_state has shapes {came}, expected {expected}")
        if parts == 2:
            return [LSTMState(h=h, c=c) for h, c in zip(*initial, strict=True)]
        return list(initial[0].unbind(0))

    def state_shape(self, batch_size: int) -> tuple[list[int], ...]:
        """The shapes of initial_state."""
        shape = [self.num_layers * self.num_dirs, batch_size, self.num_units]
        return (shape, shape) if self.gates == 4 else (shape,)

    def _scopes(self) -> list[str]:
        """Where the variables of each cell are."""
        if self.num_dirs == 1:
            places = [f"rnn/multi_rnn_cell/cell_{layer}" for layer in range(self.num_layers)]
        else:
            places = [
                f"stack_bidirectional_rnn/cell_{layer}/bidirectional_rnn/{direction}"
                for layer in range(self.num_layers)
                for direction in ("fw", "bw")
            ]
        return [f"{self.name}/{place}/{self.cell_scope}" for place in places]

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        cells = self._cells(input_size, device="meta")
        return {
            f"{scope}/{name}": tuple(value.shape)
            for scope, cell in zip(self._scopes(), cells, strict=True)
            for name, value in variables(cell).items()
        }

    @property
    def variables(self) -> dict[str, Tensor]:
        if not self.built:
            return {}
        return {
            f"{scope}/{name}": value
            for scope, cell in zip(self._scopes(), self.cells, strict=True)
            for name, value in variables(cell).items()
        }

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for scope, cell in zip(self._scopes(), self.cells, strict=True):
            own = dict(cell.named_parameters())
            canonical = {name: values[f"{scope}/{name}"] for name in variables(cell)}
            for name, value in parameters(cell, canonical).items():
                own[name].copy_(value)


class CudnnLSTM(CudnnRNN):
    """Layers of LSTMs as `tf.contrib.cudnn_rnn` had them, on any device.

    A cell has for each gate a matrix of x, one of h, and two biases, all trained; there is no forget bias.
    Its variables have the names and layouts that checkpoints have: those of `CudnnCompatibleLSTMCell` in
    `MultiRNNCell` or in `stack_bidirectional_dynamic_rnn`.

    Args:
        num_layers, num_units: how many layers, and how many units each and in each direction.
        input_mode: "linear_input"; the other modes of TensorFlow's are refused where they are another.
        direction: "unidirectional" or "bidirectional": both directions of a layer are seen by the next.
        dropout: the probability that an output of a layer, but not of the last, is dropped.
        seed: of the initial weights; `torch.manual_seed` seeds dropout.
        dtype: of the variables, if the layer is built by hand; else that of the inputs.
        kernel_initializer: draws each matrix of each gate; None for `glorot_uniform`.
        bias_initializer: draws each bias of each gate; None for zeros.
        name: the scope of the variables' names; None for the class's name in snake case.

    >>> layer = CudnnLSTM(num_layers=2, num_units=3)
    >>> outputs, (h, c) = layer(torch.ones(5, 2, 4), sequence_lengths=[5, 1])
    >>> outputs.shape, h.shape, bool((outputs[0, 1] == h[1, 1]).all())
    (torch.Size([5, 2, 3]), torch.Size([2, 2, 3]), True)
    >>> list(layer.variables)[0]
    'cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell/kernel'
    """

    gates, scope, cell_scope = 4, "cudnn_lstm", "cudnn_compatible_lstm_cell"

    def _cell(self, input_size: int, **where: Any) -> Cell:
        return LSTMCell(input_size, self.num_units, **where)


class CudnnGRU(CudnnRNN):
    """Layers of GRUs that reset after the product, as `tf.contrib.cudnn_rnn` had them: see `CudnnLSTM`.

    >>> outputs, (h,) = CudnnGRU(num_layers=1, num_units=3, direction="bidirectional")(torch.ones(5, 2, 4))
    >>> outputs.shape, h.shape
    (torch.Size([5, 2, 6]), torch.Size([2, 2, 3]))
    """

    gates, scope, cell_scope = 3, "cudnn_gru", "cudnn_compatible_gru_cell"

    def _cell(self, input_size: int, **where: Any) -> Cell:
        return GRUCell(input_size, self.num_units, **where)


class CudnnRNNTanh(CudnnRNN):
    """Layers of plain recurrent cells with tanh, as `tf.contrib.cudnn_rnn` had them: see `CudnnLSTM`.

    >>> outputs, (h,) = CudnnRNNTanh(num_layers=1, num_units=3)(torch.ones(5, 2, 4))
    >>> bool((outputs[-1] == h[0]).all())
    True
    """

    gates, scope, cell_scope = 1, "cudnn_rnn_tanh", "basic_rnn_cell"

    def _cell(self, input_size: int, **where: Any) -> Cell:
        return RNNCell(input_size, self.num_units, **where)


class CudnnRNNRelu(CudnnRNN):
    """Layers of plain recurrent cells with relu, as `tf.contrib.cudnn_rnn` had them: see `CudnnLSTM`.

    >>> outputs, (h,) = CudnnRNNRelu(num_layers=1, num_units=3)(torch.ones(5, 2, 4))
    >>> bool((outputs >= 0).all())
    True
    """

    gates, scope, cell_scope = 1, "cudnn_rnn_relu", "basic_rnn_cell"

    def _cell(self, input_size: int, **where: Any) -> Cell:
        return RNNCell(input_size, self.num_units, nonlinearity="relu", **where)
