"""The LSTM whose units are open at times of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import constant, glorot_uniform, random_uniform, zeros
from unrolled.tf1.rnn.cell import LSTMStateTuple
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables, linear


class PhasedLSTMCell(NamedCell):
    r"""The phased LSTM, as `tf.contrib.rnn` has it: its inputs are a pair (time, x).

        i, f = σ([x, h] mask_gates/kernel + mask_gates/bias)
        j    = tanh([x, h] new_input/kernel + new_input/bias)
        c~   = f c + i j
        o    = σ([x, h] output_gate/kernel + output_gate/bias)
        h~   = tanh(c~) o
        φ    = ((time - phase) mod period) / period
        k    = 2 φ / ratio_on       where φ < ratio_on / 2
               2 - 2 φ / ratio_on   where φ < ratio_on
               leak φ               elsewhere
        new_c = k c~ + (1 - k) c;   new_h = k h~ + (1 - k) h,   which is the output

    Symbols: time [N, 1], x [N, I]; c, h [N, num_units]; period, phase, ratio_on [num_units]. With
    use_peepholes the mask gates see c beside x and h, and the output gate c~.

    Times may be float64 where everything else is float32: φ is computed in their type. The leak is there when
    evaluating too.

    Args:
        num_units: the number of units.
        use_peepholes: whether the gates see the cell state.
        leak: how open a unit is at the end of its cycle.
        ratio_on: the share of the cycle for which a unit is open, which it starts from.
        trainable_ratio_on: whether ratio_on is trained.
        period_init_min, period_init_max: bounds of the first periods, whose logarithms are uniform.
        reuse: as `RNNCell` has it.

    >>> from unrolled.tf1 import dynamic_rnn
    >>> times, x = torch.arange(4.0).expand(2, 4).unsqueeze(2), torch.ones(2, 4, 5)
    >>> outputs, state = dynamic_rnn(PhasedLSTMCell(3), (times, x), [4, 1], dtype="float32")
    >>> outputs.shape, bool((outputs[1, 0] == state.h[1]).all())
    (torch.Size([2, 4, 3]), True)

    Reference: Neil et al. 2016, Phased LSTM, arXiv:1610.09513, section 2.
    """

    scope = "phased_lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        leak: float = 0.001,
        ratio_on: float = 0.1,
        trainable_ratio_on: bool = True,
        period_init_min: float = 1.0,
        period_init_max: float = 1000.0,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(reuse=reuse)
        self.num_units = check_count("PhasedLSTMCell: num_units", num_units)
        self.output_size = self.num_units
        self.state_size = LSTMStateTuple(self.num_units, self.num_units)
        self._use_peepholes, self._leak = use_peepholes, leak
        self._ratio_on, self._trainable_ratio_on = ratio_on, trainable_ratio_on
        self._periods = period_init_min, period_init_max

    def _variables(self, input_size: int) -> Variables:
        n = self.num_units
        seen = input_size + n
        with_c = seen + (n if self._use_peepholes else 0)
        draw = glorot_uniform()
        return {
            "mask_gates/kernel": ((with_c, 2 * n), draw),
            "mask_gates/bias": ((2 * n,), zeros),
            "new_input/kernel": ((seen, n), draw),
            "new_input/bias": ((n,), zeros),
            "output_gate/kernel": ((with_c, n), draw),
            "output_gate/bias": ((n,), zeros),
            "period": ((n,), self._draw_periods),
            "phase": ((n,), _draw_shares),
            "ratio_on": ((n,), constant(self._ratio_on)),
        }

    def _draw_periods(self, shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
        shortest, longest = torch.tensor(self._periods, dtype=torch.float64).log().tolist()
        return random_uniform(shape, shortest, longest, dtype).exp()

    def _build(self, input_size: int, *, dtype: torch.dtype, device: Any) -> None:
        super()._build(input_size, dtype=dtype, device=device)
        with torch.no_grad():
            self["phase"].mul_(self["period"])  # uniform from 0 to the unit's own period
        self["ratio_on"].requires_grad_(self._trainable_ratio_on)

    def build_for(self, inputs: Any, dtype: Any = None) -> None:
        super().build_for(inputs[1], dtype)

    def forward(self, inputs: Any, state: Any, scope: object = None) -> tuple[Tensor, Any]:
        if not isinstance(inputs, tuple | list) or len(inputs) != 2:
            raise ValueError(
                f"PhasedLSTMCell: inputs is a {type(inputs).__name__}, expected a pair: time [N, 1], x [N, I]"
            )
        time, x = inputs
        if x.dim() != 2 or time.shape != (x.shape[0], 1):
            raise ValueError(
                f"PhasedLSTMCell: time has shape {list(time.shape)} and x {list(x.shape)}, "
                "expected [N, 1] and [N, I]"
            )
        self.build_for((time, x))
        self.check_state(state, x.shape[0])
        return self.call((time, x), state)

    def call(self, inputs: Any, state: Any) -> tuple[Tensor, Any]:
        time, x = inputs
        c, h = state

        def gate(name: str, *seen: Tensor) -> Tensor:
            return linear(self[f"{name}/kernel"], self[f"{name}/bias"], *seen)

        before = [x, h, c] if self._use_peepholes else [x, h]
        i, f = torch.sigmoid(gate("mask_gates", *before)).chunk(2, dim=1)
        new_c = f * c + i * torch.tanh(gate("new_input", x, h))
        behind = [x, h, new_c] if self._use_peepholes else [x, h]
        new_h = torch.tanh(new_c) * torch.sigmoid(gate("output_gate", *behind))
        k = self._openness(time).to(x.dtype)
        new_c, new_h = k * new_c + (1 - k) * c, k * new_h + (1 - k) * h
        return new_h, LSTMStateTuple(new_c, new_h)

    def _openness(self, time: Tensor) -> Tensor:
        """k [N, num_units]."""
        ratio_on = self["ratio_on"]
        period = self["period"].to(time.dtype)
        since = time - self["phase"].to(time.dtype)
        # As in TensorFlow the gradient goes through the remainder to `since` alone.
        within = since + (torch.remainder(since, period) - since).detach()
        φ = (within / period).to(ratio_on.dtype)
        rising = 2 * φ / ratio_on
        k = torch.where(φ < ratio_on, 2 - rising, self._leak * φ)
        return torch.where(φ < 0.5 * ratio_on, rising, k)


def _draw_shares(shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
    """At which share of its period a unit's cycle begins."""
    return random_uniform(shape, dtype=dtype)
