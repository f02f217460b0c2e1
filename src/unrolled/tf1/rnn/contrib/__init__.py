"""The cells of `tf.contrib.rnn`, which stand in `unrolled.tf1` beside those of `tf.nn`."""

from unrolled.tf1.rnn.contrib.attention_cell import AttentionCellWrapper
from unrolled.tf1.rnn.contrib.block import GRUBlockCell, GRUBlockCellV2, LSTMBlockCell
from unrolled.tf1.rnn.contrib.conv import Conv1DLSTMCell, Conv2DLSTMCell, Conv3DLSTMCell, ConvLSTMCell
from unrolled.tf1.rnn.contrib.coupled import CoupledInputForgetGateLSTMCell
from unrolled.tf1.rnn.contrib.device import DeviceWrapper
from unrolled.tf1.rnn.contrib.fused import (
    FusedRNNCell,
    FusedRNNCellAdaptor,
    LSTMBlockFusedCell,
    TimeReversedFusedRNN,
)
from unrolled.tf1.rnn.contrib.independent import IndRNNCell, IndyGRUCell, IndyLSTMCell
from unrolled.tf1.rnn.contrib.layer_norm_lstm import LayerNormLSTMCell
from unrolled.tf1.rnn.contrib.nas import NASCell
from unrolled.tf1.rnn.contrib.phased import PhasedLSTMCell
from unrolled.tf1.rnn.contrib.projections import (
    EmbeddingWrapper,
    InputProjectionWrapper,
    OutputProjectionWrapper,
)
from unrolled.tf1.rnn.contrib.sru import SRUCell
from unrolled.tf1.rnn.contrib.state_saving import static_state_saving_rnn
from unrolled.tf1.rnn.contrib.ugrnn import UGRNNCell

__all__ = [
    "AttentionCellWrapper",
    "Conv1DLSTMCell",
    "Conv2DLSTMCell",
    "Conv3DLSTMCell",
    "ConvLSTMCell",
    "CoupledInputForgetGateLSTMCell",
    "DeviceWrapper",
    "EmbeddingWrapper",
    "FusedRNNCell",
    "FusedRNNCellAdaptor",
    "GRUBlockCell",
    "GRUBlockCellV2",
    "IndRNNCell",
    "IndyGRUCell",
    "IndyLSTMCell",
    "InputProjectionWrapper",
    "LSTMBlockCell",
    "LSTMBlockFusedCell",
    "LayerNormLSTMCell",
    "NASCell",
    "OutputProjectionWrapper",
    "PhasedLSTMCell",
    "SRUCell",
    "TimeReversedFusedRNN",
    "UGRNNCell",
    "static_state_saving_rnn",
]
