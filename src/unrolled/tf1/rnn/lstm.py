"""TensorFlow 1's LSTM cells."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from unrolled.cells import Cell, LSTMState
from unrolled.cells import LSTMCell as InnerLSTM
from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import Initializer, constant, glorot_uniform, zeros
from unrolled.tf1.rnn.activation import Activation
from unrolled.tf1.rnn.cell import LSTMStateTuple
from unrolled.tf1.rnn.cells import SingleCell


class AnyLSTM(SingleCell):
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
        name = type(self).__name__
        num_units = check_count(f"{name}: num_units", num_units)
        output_size = check_count(f"{name}: num_proj", output_size)
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


class BasicLSTMCell(AnyLSTM):
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


class LSTMCell(AnyLSTM):
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


class LayerNormBasicLSTMCell(AnyLSTM):
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
