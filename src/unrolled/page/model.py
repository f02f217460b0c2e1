"""A run as the page holds it: its network, all weights behind one another, and what it may answer."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.cells import GRUCell, LSTMCell, RNNCell
from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.networks import SequenceClassifier
from unrolled.training import Run
from unrolled.training.data_file import DataRecord
from unrolled.training.judge import UNLIKE, Judge, in_words
from unrolled.training.likeness import Likeness

MOST_NUMBERS = 1 << 23  # 32 MB of float32: a browser opens larger files slowly, if at all


class Weights:
    """Float32 numbers behind one another, and where each tensor lies among them."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._count = 0

    def place(self, tensor: Tensor) -> list[int]:
        """Add a tensor, row by row: [from, until)."""
        values = tensor.detach().cpu().float().numpy().ravel()
        start, self._count = self._count, self._count + values.size
        self._parts.append(values)
        return [start, self._count]

    def encoded(self) -> str:
        """All of them, base64 of little-endian bytes."""
        return encoded(np.concatenate(self._parts).astype("<f4"))


def encoded(values: np.ndarray) -> str:
    """The bytes of an array as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def model_of(run: Run, name: str, network: SequenceClassifier) -> dict[str, Any]:
    """A run as plain values.

    Args:
        run: it.
        name: what the page calls it.
        network: the run's.

    Raises:
        UnrolledError: there are too many weights for a page, the network reads no rows, or the run's other
            files are damaged.
    """
    count = sum(parameter.numel() for parameter in network.parameters())
    if count > MOST_NUMBERS:
        raise UnrolledError(
            f"{run.folder} cannot be shown: its network has {count:,} weights, expected at most "
            f"{MOST_NUMBERS:,} in a page"
        )
    if network.config.scan != "rows":
        raise UnrolledError(
            f"{run.folder} cannot be shown: its network reads pictures {network.config.order}, and a page "
            "reads them row by row: choose a run that does"
        )
    config, numbers, judge = run.config, DataRecord.load(run.folder).numbers, Judge.of(run)
    return {
        "name": name,
        "data": config.data,
        "task": config.task,
        "classes": [printable(label) for label in config.classes],
        "numbers": None
        if numbers is None
        else dataclasses.asdict(numbers) | {"names": [printable(number) for number in numbers.names]},
        "temperature": judge.temperature,
        "sure": judge.sure,
        "unlike": in_words(UNLIKE, config.classes),
        "likeness": _likeness(judge.likeness),
        **as_values(network),
    }


def as_values(network: SequenceClassifier) -> dict[str, Any]:
    """A network as plain values: what it is made of, and all its weights as one text."""
    config, weights = network.config, Weights()
    ways = (
        {"backward" if config.direction == "backward" else "forward": network.cell.cells}
        if config.one_way
        else {"forward": network.forward_cells, "backward": network.backward_cells}
    )
    layers = []
    for place, (kind, width, *options) in enumerate(config.layers):
        cells = {way: _bare(cells[place]) for way, cells in ways.items()}
        own = {
            way: {key: weights.place(tensor) for key, tensor in cell.named_parameters()}
            for way, cell in cells.items()
        }
        layers.append(
            {"kind": kind, "width": width, "options": options[0] if options else {}, "weights": own}
        )
    made = {
        "config": {
            "direction": config.direction,
            "read": config.read,
            "centre": config.centre,
            "input_size": config.input_size,
        },
        "layers": layers,
        "input_layers": _dense(network, "input_layers", config.input_layers, weights),
        "output_layers": _dense(network, "output_layers", config.output_layers, weights),
        "classifier": {
            "weight": weights.place(network.classifier.weight),
            "bias": weights.place(network.classifier.bias),
        },
    }
    return {"network": made, "weights": weights.encoded()}


def _likeness(likeness: Likeness | None) -> dict[str, Any] | None:
    """What is like the training's examples, half of each triangle left out; None if nothing is refused."""
    if likeness is None or math.isinf(likeness.threshold):
        return None
    numbers, ways = Weights(), {}
    for name, way in likeness.ways.items():
        mean, deviation = likeness.scales[name]
        below = torch.ones(way.whitening.shape[1:]).tril().bool()
        ways[name] = {
            "means": numbers.place(way.means),
            "whitening": numbers.place(way.whitening[:, below]),
            "mean": mean,
            "deviation": deviation,
        }
    return {"threshold": likeness.threshold, "ways": ways, "numbers": numbers.encoded()}


def _bare(cell: Any) -> nn.Module:
    """The cell that is inside wrappers: what they do is in the configuration."""
    while not isinstance(cell, LSTMCell | GRUCell | RNNCell):
        cell = cell.cell
    return cell


def _dense(
    network: SequenceClassifier, name: str, layers: Iterable[tuple[int, str]], weights: Weights
) -> list[dict[str, Any]]:
    modules = list(getattr(network, name, ()))
    return [
        {
            "weight": weights.place(linear.weight),
            "bias": weights.place(linear.bias),
            "activation": activation,
        }
        for linear, (_, activation) in zip(modules[::2], layers, strict=True)
    ]
