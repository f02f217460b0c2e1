"""A user's code as a strict type checker sees it: what `reveal_type` shows, and where something is wrong."""

from typing import reveal_type

import numpy as np
import torch
from torch.nn.utils.rnn import pack_sequence

import unrolled

x, rows = torch.zeros(2, 5, 4), np.zeros((2, 4), dtype=np.float32)
lstm, gru, rnn = unrolled.LSTMCell(4, 4), unrolled.GRUCell(4, 4), unrolled.RNNCell(4, 4)

outputs, lstm_state = unrolled.dynamic_unroll(lstm, x, lengths=[5, 2])
reveal_type(outputs)  # Tensor
reveal_type(lstm_state)  # LSTMState
reveal_type(unrolled.dynamic_unroll(gru, x, reverse=True))  # tuple[Tensor, Tensor]
reveal_type(unrolled.dynamic_unroll(rnn, x, return_states=True))  # tuple[Tensor, Tensor, Tensor]
outputs, lstm_state, gates = unrolled.dynamic_unroll(lstm, x, state=lstm_state, return_gates=True)
reveal_type(unrolled.static_unroll(lstm, x.unbind(1)))  # tuple[list[Tensor], LSTMState]
reveal_type(unrolled.bidirectional_unroll(lstm, gru, x))  # tuple[Tensor, tuple[LSTMState, Tensor]]
forwards, backwards = unrolled.stacked_bidirectional_unroll([lstm], [gru], x)[1]
reveal_type(forwards)  # tuple[LSTMState, ...]
unrolled.stacked_bidirectional_unroll([lstm, gru], [gru, gru], x)

reveal_type(lstm(x[:, 0]))  # tuple[Tensor, LSTMState]
reveal_type(gru.initial_state(2))  # Tensor
reveal_type(unrolled.DropoutCell(lstm, output=0.5)(x[:, 0]))  # tuple[Tensor, LSTMState]
reveal_type(unrolled.ResidualCell(gru).initial_state(2))  # Tensor
both = unrolled.StackedCell((lstm, gru))
reveal_type(unrolled.dynamic_unroll(both, x))  # tuple[Tensor, tuple[LSTMState, Tensor]]
alike = unrolled.StackedCell([gru, unrolled.HighwayCell(gru)])
reveal_type(alike.initial_state(2))  # tuple[Tensor, ...]
mixed = unrolled.StackedCell([lstm, gru])
reveal_type(mixed.initial_state(2))  # tuple[Any, ...]

reveal_type(unrolled.LSTM(4, 3)(x, lengths=[5, 2]))  # tuple[Tensor, tuple[Tensor, Tensor]]
reveal_type(unrolled.GRU(4, 3)(x))  # tuple[Tensor, Tensor]
reveal_type(unrolled.RNN(4, 3)(pack_sequence([x[0]])))  # tuple[PackedSequence, Tensor]
reveal_type(unrolled.layers.GRUCell(4, 3)(x[0]))  # Tensor
reveal_type(unrolled.Stream(lstm).step(x[:, 0]))  # Tensor
stepped: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = unrolled.Stream(lstm).step(rows)

network = unrolled.networks.build("seed-000", classes=26, read="last")
reveal_type(network)  # SequenceClassifier
reveal_type(network(x))  # Tensor


class Counter(unrolled.Cell[torch.Tensor]):
    def __init__(self) -> None:
        super().__init__(input_size=1, output_size=1, state_size=1)

    def step(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + 1, state + 1


class Vague(unrolled.Cell):
    def step(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, state


reveal_type(unrolled.dynamic_unroll(Counter(), x))  # tuple[Tensor, Tensor]
reveal_type(unrolled.dynamic_unroll(Vague(1, 1, 1), x))  # tuple[Tensor, Any]

unrolled.networks.build("seed-000", clases=26)  # error: Unexpected keyword argument "clases"
unrolled.networks.build("seed-000", classes="26")  # error: Argument "classes"
unrolled.dynamic_unroll(lstm, x, lenghts=[5, 2])  # error: Unexpected keyword argument "lenghts"
unrolled.LSTM(4, 3)(x, length=[5, 2])  # error: Unexpected keyword argument "length"
unrolled.dynamic_unrol(lstm, x)  # error: Module has no attribute "dynamic_unrol"
unrolled.networks.bild("seed-000")  # error: Module has no attribute "bild"
print(gru.initial_state(2).c)  # error: "Tensor" has no attribute "c"
