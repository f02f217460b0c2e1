"""What a network is trained to say: how far it is off, how well it does, and in which words."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor

from unrolled.data import Batch, Examples
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig


class Evaluation(NamedTuple):
    """What a network said of M examples.

    Each of the metrics can be asked for by its name, too: `evaluation.accuracy`.

    Attributes:
        loss: the mean over all that was asked: the cross-entropy in nats, or of numbers the task's
            usual loss.
        metrics: by name, see the task.
        probabilities: [M, classes], in the order of the examples; of tags [S, classes], of all steps one
            behind the other; [M, 0] where numbers are predicted.
        predictions: [M], the predicted class of each, of tags [S]; or the numbers [M, K].
    """

    loss: float
    metrics: dict[str, float]
    probabilities: Tensor
    predictions: Tensor

    def __getattr__(self, name: str) -> float:
        if name in self.metrics:  # the fields themselves are found before this is asked
            return self.metrics[name]
        raise AttributeError(f"the evaluation has no {name}: its metrics are {', '.join(self.metrics)}")


class Task(abc.ABC):
    """One kind of answer: all that a training knows of it.

    The outputs for a batch are taken apart into rows, each of which has a loss of its own: one for each
    sequence, or one for each step that is no padding. `said` makes them of what the network gave, `asked` of
    the labels.

    Args:
        outputs: how many numbers the network gives for a row; 0 if that is not known.

    Attributes:
        metric: the name of the metric that lines show.
        label: what that is called there.
        decides: the name of the metric by which weights are the best.
        larger_is_better: which way it decides.
        losses: what it can be trained to make small, the usual one first: see `loss.summed_loss`.
        most: the largest `score` of a row; None without a bound.
    """

    metric: ClassVar[str]
    label: ClassVar[str]
    decides: ClassVar[str]
    larger_is_better: ClassVar[bool]
    losses: ClassVar[tuple[str, ...]]
    most: ClassVar[float | None] = None

    def __init__(self, outputs: int = 0) -> None:
        self.outputs = outputs

    def check(self, network: NetworkConfig) -> None:
        """Raise an UnrolledError if a network cannot give such answers."""
        if (network.read == "steps") != self.reads_steps:
            came = f"network {network.name} reads {network.read!r}"
            raise UnrolledError(
                f"{came}, expected 'steps': an answer for each step"
                if self.reads_steps
                else f"{came}, expected one answer for a sequence, such as 'final'"
            )

    @property
    def reads_steps(self) -> bool:
        """Whether there is an answer for each step."""
        return False

    def loss_of(self, recipe: str) -> str:
        """The loss that a recipe's is here: the usual one where it names none of this task's."""
        return recipe if recipe in self.losses else self.losses[0]

    def count(self, examples: Examples, rows: Tensor) -> int:
        """How many rows, with a loss each, these examples, int64 [B], make."""
        return len(rows)

    def said(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The rows [R, outputs] of what a network gave for a batch."""
        return outputs

    @abc.abstractmethod
    def asked(self, batch: Batch) -> Tensor:
        """The labels [R] or [R, outputs] of the rows, as the loss takes them."""

    @abc.abstractmethod
    def score(self, said: Tensor, asked: Tensor) -> float:
        """What of some rows adds up to the metric while a network learns."""

    @abc.abstractmethod
    def measured(self, score: float, rows: int) -> dict[str, float]:
        """The metric, by its name, from the scores of so many rows together."""

    def baseline(self, batch: Batch) -> Tensor | None:
        """The rows [R, outputs] that one would say without having learned anything, if it matters."""
        return None

    @abc.abstractmethod
    def mean(self, said: Sequence[Tensor]) -> Tensor:
        """The rows [R, outputs] that several networks say together, from those of each."""

    @abc.abstractmethod
    def evaluation(self, said: Tensor, asked: Tensor, baseline: Tensor | None) -> Evaluation:
        """What all rows together come to."""

    @staticmethod
    @abc.abstractmethod
    def shown(value: float) -> str:
        """A value of the metric, as it stands in a line after its label: "0.9690"."""

    def verdict(self, metrics: dict[str, float]) -> str:
        """The metric with its label: what the last line of a training says."""
        return f"{self.label} {self.shown(metrics[self.metric])}"

    def details(self, metrics: dict[str, float]) -> list[str]:
        """What else there is to say of an evaluation, a line each."""
        return []
