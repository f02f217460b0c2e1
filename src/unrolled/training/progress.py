"""What a training says of itself: after a step, after an epoch, and how far it has come."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from torch import Tensor

from unrolled.data import as_float
from unrolled.errors import UnrolledError


class Step(NamedTuple):
    """One step of a training, when the weights have been updated.

    Attributes:
        number: counted from 1.
        loss: of the batch, before the update.
        rows: of the batch's training examples, [B].
    """

    number: int
    loss: float
    rows: Tensor


class EpochMetrics(NamedTuple):
    """One line of a training's record.

    Attributes:
        epoch: counted from 1.
        step: steps taken since the start.
        loss, accuracy: means over the epoch's examples, each measured before the step that it caused.
        validation_loss, validation_accuracy: after the epoch; None without validation examples.
        learning_rate: of the epoch's last step.
        seconds: spent in training since the start, validation included.
        best: whether these are the best weights so far.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    best: bool


class TrainingDivergedError(UnrolledError):
    """The loss is no longer a finite number."""


SAMPLE = 256  # sequences
LARGE = 100.0  # values of whitened data stay far below


def advice_on_divergence(sequences: Tensor) -> str:
    """What to do about a training that diverged, from some of the sequences [N, T, I] that it reads.

    >>> import torch
    >>> advice_on_divergence(torch.tensor([[[0.5], [-3e6]]]))
    'scale the data, whose values reach 3e+06, to about -1 to 1, or try a lower learning rate'
    """
    largest = float(as_float(sequences).abs().max())
    if not largest > LARGE:
        return "try a lower learning rate"
    return f"scale the data, whose values reach {largest:.3g}, to about -1 to 1, or try a lower learning rate"


@dataclasses.dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps taken.
        epoch: epochs finished, validation included.
        seen, loss_sum, right: of the present epoch so far: the examples, the sum of their losses, and how
            many were classified rightly.
        best_score, best_epoch: of the epoch whose weights are kept, 0 before there is one.
        seconds: spent so far.
    """

    step: int = 0
    epoch: int = 0
    seen: int = 0
    loss_sum: float = 0.0
    right: int = 0
    best_score: list[float] = dataclasses.field(default_factory=lambda: [-1.0, 0.0])
    best_epoch: int = 0
    seconds: float = 0.0
