"""A run's network without memory: what its weights have to fit."""

from __future__ import annotations

import torch

from unrolled.layers.quantize import quantize
from unrolled.networks import SequenceClassifier
from unrolled.training.run_config import RunConfig

DTYPES = {"int8": torch.int8, "bfloat16": torch.bfloat16}  # of weights that are not float32


def outline_of(config: RunConfig) -> SequenceClassifier:
    """The network on the device "meta", its weights of the kind that the run has."""
    network = SequenceClassifier.outline(config.cells)
    dtype = DTYPES.get(config.weights)
    return network if dtype is None else quantize(network, dtype)  # type: ignore[return-value]
