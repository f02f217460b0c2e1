"""Cells: the maths of one step."""

from unrolled.cells.cell import Cell
from unrolled.cells.dropout import DropoutCell
from unrolled.cells.gru import GRUCell
from unrolled.cells.highway import HighwayCell
from unrolled.cells.lstm import LSTMCell
from unrolled.cells.quantized import QuantizedCell
from unrolled.cells.residual import ResidualCell
from unrolled.cells.rnn import RNNCell
from unrolled.cells.stacked import StackedCell
from unrolled.cells.state import LSTMState

__all__ = [
    "Cell",
    "DropoutCell",
    "GRUCell",
    "HighwayCell",
    "LSTMCell",
    "LSTMState",
    "QuantizedCell",
    "RNNCell",
    "ResidualCell",
    "StackedCell",
]
