"""What a training says of itself: after a step, after an epoch, and how far it has come."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from torch import Tensor


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

    What was measured can be asked for by its name in the record, too: `metrics.validation_accuracy`.

    Attributes:
        epoch: counted from 1.
        step: steps taken since the start.
        loss: the mean over the epoch's examples, each measured before the step that it caused.
        measured: the metrics of the task, by name, of the same answers.
        validation_loss: after the epoch; None without validation examples.
        validation: the metrics of the task after the epoch; each None without validation examples.
        learning_rate: of the epoch's last step.
        seconds: spent in training since the start, validation included.
        best: whether these are the best weights so far.
    """

    epoch: int
    step: int
    loss: float
    measured: dict[str, float]
    validation_loss: float | None
    validation: Mapping[str, float | None]
    learning_rate: float
    seconds: float
    best: bool

    def line(self) -> dict[str, float | None]:
        """All of it flat, by the names that the record uses."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.loss,
            **self.measured,
            "validation_loss": self.validation_loss,
            **{f"validation_{name}": value for name, value in self.validation.items()},
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
            "best": self.best,
        }

    def __getattr__(self, name: str) -> float | None:
        line = self.line()  # the fields themselves are found before this is asked
        if name in line:
            return line[name]
        raise AttributeError(f"the metrics have no {name}: they are {', '.join(line)}")


class TrainingDivergedError(UnrolledError):
    """The loss is no longer a finite number."""


class TrainingStoppedError(Exception):
    """A training was asked to stop, and did so. What it takes to go on is kept."""


@dataclasses.dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps taken.
        epoch: epochs finished, validation included.
        seen, rows, loss_sum, score: of the present epoch so far: the examples, how many answers they make,
            the sum of the losses of these, and what adds up to the metric of the task.
        best_score, best_epoch: of the epoch whose weights are kept, 0 before there is one.
        seconds: spent so far.
    """

    step: int = 0
    epoch: int = 0
    seen: int = 0
    rows: int = 0
    loss_sum: float = 0.0
    score: float = 0
    best_score: list[float] = dataclasses.field(default_factory=lambda: [-1.0, 0.0])
    best_epoch: int = 0
    seconds: float = 0.0
