"""Engines of small networks, and what a session says when it is alone."""

import numpy as np
import torch

from unrolled import Stream
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.serve.engine import Engine

KEY = b"a secret of sixteen bytes or more"


CONFIGS = [
    NetworkConfig("lstm", (("lstm", 21),), read="last", input_size=5, classes=3),
    NetworkConfig("gru", (("gru", 9, {"reset": "after"}),), read="steps", input_size=5, classes=2),
    NetworkConfig("mix", (("rnn", 7), ("lstm", 128, {"peephole": True})), input_size=5, classes=10),
    NetworkConfig(
        "dense",
        (("lstm", 8, {"proj_size": 6}), ("gru", 11)),
        input_size=5,
        classes=4,
        input_layers=((100, "relu"),),
        output_layers=((13, "tanh"),),
    ),
]


def network_of(config):
    torch.manual_seed(7)
    return SequenceClassifier(config)


NETWORKS = [network_of(config) for config in CONFIGS]


def engine_of(network=NETWORKS[0], **changes):
    return Engine(network, **{"key": KEY, "identity": network.config.name, **changes})


def steps(count, seed=0, width=5):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def alone(network, x):
    """What a stream of one sequence says after each step: probabilities."""
    stream = Stream(network)
    return np.stack([stream.step(row) for row in x])


def probabilities(outputs):
    rows = torch.from_numpy(np.concatenate(outputs)).split(1)  # torch's softmax of many rows rounds otherwise
    return torch.cat([row.softmax(dim=1) for row in rows]).numpy()
