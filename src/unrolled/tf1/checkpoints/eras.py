"""The names that TensorFlow gave a cell's variables, in three eras.

0.x         RNN/MultiRNNCell/Cell0/BasicLSTMCell/Linear/Matrix, .../Bias, LSTMCell/W_0, .../B
1.0, 1.1    rnn/multi_rnn_cell/cell_0/basic_lstm_cell/weights, .../biases
from 1.2    rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel, .../bias
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np
from numpy import ndarray

# Whole path components or runs of them, as of old and as of today.
RENAMED: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"BiRNN_(FW|BW)", r"bidirectional_rnn/\1"),
    (r"BiRNN", "bidirectional_rnn"),
    (r"FW", "fw"),
    (r"BW", "bw"),
    (r"RNN", "rnn"),
    (r"MultiRNNCell", "multi_rnn_cell"),
    (r"Cell(\d+)", r"cell_\1"),
    (r"BasicLSTMCell", "basic_lstm_cell"),
    (r"LSTMCell", "lstm_cell"),
    (r"LayerNormBasicLSTMCell", "layer_norm_basic_lstm_cell"),
    (r"GRUCell", "gru_cell"),
    (r"BasicRNNCell", "basic_rnn_cell"),
    (r"Gates", "gates"),
    (r"Candidate", "candidate"),
    (r"[Ll]inear/(?:Matrix|weights|kernel)(?:_0)?", "kernel"),
    (r"[Ll]inear/(?:Bias|biases|bias)", "bias"),
    (r"W_0", "kernel"),
    (r"W_P_0|projection/weights", "projection/kernel"),
    (r"W_([IFO])_diag", lambda match: f"w_{match[1].lower()}_diag"),
    (r"w_ru", "gates/kernel"),
    (r"b_ru", "gates/bias"),
    (r"w_c", "candidate/kernel"),
    (r"b_c", "candidate/bias"),
    (r"weights", "kernel"),
    (r"biases|(?<=cell/)B", "bias"),
]
SHARD = re.compile(r"(.*(?:/W|/W_P|[Ll]inear/Matrix))_(\d+)")


LOCAL = re.compile(
    r"(?:(.*?)/)?(kernel|bias|w_[ifo]_diag|carry_[wb]|(?:gates|candidate)/(?:kernel|bias)|projection/kernel"
    r"|candidate/(?:input|hidden)_projection/(?:kernel|bias)"
    r"|(?:input|transform|forget|output|state)/(?:gamma|beta))"
)


def split_local(name: str) -> tuple[str, str] | None:
    """The scope of a cell's variable and its name inside the cell; None for other names.

    >>> split_local("rnn/gru_cell/gates/kernel")
    ('rnn/gru_cell', 'gates/kernel')
    """
    match = LOCAL.fullmatch(name)
    return (match[1] or "", match[2]) if match else None


def modern(name: str) -> str:
    """The name as TensorFlow 1.2 and later have it; others stay what they are.

    >>> modern("RNN/MultiRNNCell/Cell1/LSTMCell/W_0")
    'rnn/multi_rnn_cell/cell_1/lstm_cell/kernel'
    """
    for old, new in RENAMED:
        name = re.sub(rf"(?:^|(?<=/))(?:{old})(?=/|$)", new, name)
    return name


def join_shards(variables: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """Put matrices together that the LSTM of 0.x cut along its first axis: W_0, W_1, ..."""
    shards: dict[str, dict[int, str]] = defaultdict(dict)
    for name in variables:
        if match := SHARD.fullmatch(name):
            shards[match[1]][int(match[2])] = name
    joined = dict(variables)
    for name, parts in shards.items():
        if len(parts) > 1:
            joined[f"{name}_0"] = np.concatenate([joined.pop(parts[number]) for number in sorted(parts)])
    return joined
