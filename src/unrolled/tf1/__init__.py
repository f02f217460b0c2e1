"""TensorFlow 1's recurrent toolbox and its checkpoints, under its own names, without TensorFlow."""

from unrolled.tf1 import cudnn_rnn, legacy_seq2seq, seq2seq
from unrolled.tf1.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from unrolled.tf1.graphs import Graph
from unrolled.tf1.graphs.networks.found_model import FoundModel
from unrolled.tf1.graphs.networks.import_checkpoint import Imported, import_checkpoint
from unrolled.tf1.graphs.networks.import_graph import ImportedGraph, import_graph
from unrolled.tf1.graphs.networks.load import load_variables
from unrolled.tf1.graphs.networks.model import find_model
from unrolled.tf1.replay.data_sets import DataSet, Datasets, read_data_sets
from unrolled.tf1.replay.initializers import (
    constant,
    glorot_uniform,
    random_normal,
    random_uniform,
    set_random_seed,
    truncated_normal,
    zeros,
)
from unrolled.tf1.replay.optimizers import Adam, RMSProp
from unrolled.tf1.rnn.cell import LSTMStateTuple, RNNCell
from unrolled.tf1.rnn.cells import BasicRNNCell, GRUCell
from unrolled.tf1.rnn.contrib import (
    AttentionCellWrapper,
    Conv1DLSTMCell,
    Conv2DLSTMCell,
    Conv3DLSTMCell,
    ConvLSTMCell,
    CoupledInputForgetGateLSTMCell,
    DeviceWrapper,
    EmbeddingWrapper,
    FusedRNNCell,
    FusedRNNCellAdaptor,
    GRUBlockCell,
    GRUBlockCellV2,
    IndRNNCell,
    IndyGRUCell,
    IndyLSTMCell,
    InputProjectionWrapper,
    LayerNormLSTMCell,
    LSTMBlockCell,
    LSTMBlockFusedCell,
    NASCell,
    OutputProjectionWrapper,
    PhasedLSTMCell,
    SRUCell,
    TimeReversedFusedRNN,
    UGRNNCell,
    static_state_saving_rnn,
)
from unrolled.tf1.rnn.dense import Dense
from unrolled.tf1.rnn.loops import (
    bidirectional_dynamic_rnn,
    dynamic_rnn,
    stack_bidirectional_dynamic_rnn,
    stack_bidirectional_rnn,
    static_bidirectional_rnn,
    static_rnn,
)
from unrolled.tf1.rnn.lstm import BasicLSTMCell, LayerNormBasicLSTMCell, LSTMCell
from unrolled.tf1.rnn.multi_rnn_cell import MultiRNNCell
from unrolled.tf1.rnn.raw_rnn import TensorArray, raw_rnn
from unrolled.tf1.rnn.tensor_shape import TensorShape
from unrolled.tf1.rnn.variable_scope import VariableScope
from unrolled.tf1.rnn.wrappers import DropoutWrapper, HighwayWrapper, ResidualWrapper

__all__ = [
    "Adam",
    "AttentionCellWrapper",
    "BasicLSTMCell",
    "BasicRNNCell",
    "Conv1DLSTMCell",
    "Conv2DLSTMCell",
    "Conv3DLSTMCell",
    "ConvLSTMCell",
    "CoupledInputForgetGateLSTMCell",
    "DataSet",
    "Datasets",
    "Dense",
    "DeviceWrapper",
    "DropoutWrapper",
    "EmbeddingWrapper",
    "FoundModel",
    "FusedRNNCell",
    "FusedRNNCellAdaptor",
    "GRUBlockCell",
    "GRUBlockCellV2",
    "GRUCell",
    "Graph",
    "HighwayWrapper",
    "Imported",
    "ImportedGraph",
    "IndRNNCell",
    "IndyGRUCell",
    "IndyLSTMCell",
    "InputProjectionWrapper",
    "LSTMBlockCell",
    "LSTMBlockFusedCell",
    "LSTMCell",
    "LSTMStateTuple",
    "LayerNormBasicLSTMCell",
    "LayerNormLSTMCell",
    "MultiRNNCell",
    "NASCell",
    "OutputProjectionWrapper",
    "PhasedLSTMCell",
    "RMSProp",
    "RNNCell",
    "ResidualWrapper",
    "SRUCell",
    "TensorArray",
    "TensorShape",
    "TimeReversedFusedRNN",
    "UGRNNCell",
    "VariableScope",
    "bidirectional_dynamic_rnn",
    "constant",
    "cudnn_rnn",
    "dynamic_rnn",
    "find_model",
    "glorot_uniform",
    "import_checkpoint",
    "import_graph",
    "legacy_seq2seq",
    "load_variables",
    "random_normal",
    "random_uniform",
    "raw_rnn",
    "read_checkpoint",
    "read_data_sets",
    "seq2seq",
    "set_random_seed",
    "stack_bidirectional_dynamic_rnn",
    "stack_bidirectional_rnn",
    "static_bidirectional_rnn",
    "static_rnn",
    "static_state_saving_rnn",
    "truncated_normal",
    "write_checkpoint",
    "zeros",
]
