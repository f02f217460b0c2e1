"""Drop-ins for torch.nn's recurrent layers and cells, and whole models with them or with smaller weights."""

from unrolled.layers.accelerate import accelerate, explain, restore
from unrolled.layers.cell_drop_in import GRUCell, LSTMCell, RNNCell
from unrolled.layers.finding import Finding
from unrolled.layers.gru import GRU
from unrolled.layers.lstm import LSTM
from unrolled.layers.quantize import quantize
from unrolled.layers.quantized import QuantizedLayers, QuantizedStep
from unrolled.layers.rnn import RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Finding",
    "GRUCell",
    "LSTMCell",
    "QuantizedLayers",
    "QuantizedStep",
    "RNNCell",
    "accelerate",
    "explain",
    "quantize",
    "restore",
]
