"""TensorFlow 1's recurrent toolbox and its checkpoints, under its own names, without TensorFlow."""

from unrolled.tf1.cell import LSTMStateTuple, RNNCell
from unrolled.tf1.cells import BasicRNNCell, GRUCell
from unrolled.tf1.checkpoint import read_checkpoint, write_checkpoint
from unrolled.tf1.data_sets import DataSet, Datasets, read_data_sets
from unrolled.tf1.found_model import FoundModel
from unrolled.tf1.graphs import Graph
from unrolled.tf1.import_checkpoint import Imported, import_checkpoint
from unrolled.tf1.initializers import (
    constant,
    glorot_uniform,
    random_normal,
    random_uniform,
    set_random_seed,
    truncated_normal,
    zeros,
)
from unrolled.tf1.load import load_variables
from unrolled.tf1.loops import (
    bidirectional_dynamic_rnn,
    dynamic_rnn,
    stack_bidirectional_dynamic_rnn,
    stack_bidirectional_rnn,
    static_bidirectional_rnn,
    static_rnn,
)
from unrolled.tf1.lstm import BasicLSTMCell, LayerNormBasicLSTMCell, LSTMCell
from unrolled.tf1.model import find_model
from unrolled.tf1.multi_rnn_cell import MultiRNNCell
from unrolled.tf1.optimizers import Adam, RMSProp
from unrolled.tf1.raw_rnn import TensorArray, raw_rnn
from unrolled.tf1.wrappers import DropoutWrapper, HighwayWrapper, ResidualWrapper

__all__ = [
    "Adam",
    "BasicLSTMCell",
    "BasicRNNCell",
    "DataSet",
    "Datasets",
    "DropoutWrapper",
    "FoundModel",
    "GRUCell",
    "Graph",
    "HighwayWrapper",
    "Imported",
    "LSTMCell",
    "LSTMStateTuple",
    "LayerNormBasicLSTMCell",
    "MultiRNNCell",
    "RMSProp",
    "RNNCell",
    "ResidualWrapper",
    "TensorArray",
    "bidirectional_dynamic_rnn",
    "constant",
    "dynamic_rnn",
    "find_model",
    "glorot_uniform",
    "import_checkpoint",
    "load_variables",
    "random_normal",
    "random_uniform",
    "raw_rnn",
    "read_checkpoint",
    "read_data_sets",
    "set_random_seed",
    "stack_bidirectional_dynamic_rnn",
    "stack_bidirectional_rnn",
    "static_bidirectional_rnn",
    "static_rnn",
    "truncated_normal",
    "write_checkpoint",
    "zeros",
]
