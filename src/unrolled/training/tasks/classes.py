"""Answers that are classes: their loss, and what share of them is right."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import UnrolledError
from unrolled.training.recipe import LOSSES
from unrolled.training.tasks.task import Evaluation, Task


class ClassTask(Task):
    """Rows of logits, and a class for each."""

    metric = "accuracy"
    label = "accuracy"
    decides = "accuracy"
    larger_is_better = True
    losses = LOSSES
    most = 1.0

    def score(self, said: Tensor, asked: Tensor) -> float:
        """How many are right."""
        return int((said.argmax(dim=1) == asked).sum())

    def measured(self, score: float, rows: int) -> dict[str, float]:
        return {"accuracy": score / rows}

    def mean(self, said: Sequence[Tensor]) -> Tensor:
        """The logarithms of the mean probabilities: logits that no small probability is lost in."""
        each = (rows.log_softmax(dim=1) for rows in said)
        return functools.reduce(torch.logaddexp, each) - math.log(len(said))

    def evaluation(self, said: Tensor, asked: Tensor, baseline: Tensor | None) -> Evaluation:
        least, most = asked.aminmax()
        if least < 0 or most >= said.shape[1]:
            raise UnrolledError(
                f"the labels go from {int(least)} to {int(most)}, expected 0 to {said.shape[1] - 1}: of so "
                "many classes the network knows"
            )
        predictions = said.argmax(dim=1)
        return Evaluation(
            loss=float(F.cross_entropy(said, asked)),
            metrics={
                "accuracy": float((predictions == asked).double().mean()),
                "macro_f1": macro_f1(asked, predictions),
            },
            probabilities=said.softmax(dim=1),
            predictions=predictions,
        )

    def details(self, metrics: dict[str, float]) -> list[str]:
        lines = [f"macro F1 {self.shown(metrics['macro_f1'])}"]
        if "calibration_error" in metrics:
            lines.append(f"expected calibration error {self.shown(metrics['calibration_error'])}")
            lines.append(f"calibration error by chance {self.shown(metrics['chance_calibration_error'])}")
        return lines

    @staticmethod
    def shown(value: float) -> str:
        return f"{value:.4f}"


def macro_f1(labels: Tensor, predictions: Tensor) -> float:
    r"""The mean of the classes' F1, each class as weighty as every other, however rare.

        F1 = 2 right / (examples of the class + answers with it)

    A class that neither occurs nor is ever named counts nothing.

    >>> round(macro_f1(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1])), 4)
    0.7333
    """
    if len(labels) == 0:
        return float("nan")
    classes = 1 + int(max(labels.max(), predictions.max()))
    of_class, named, right = (
        torch.bincount(values, minlength=classes).double()
        for values in (labels, predictions, labels[labels == predictions])
    )
    occurring = of_class + named > 0
    return float((2 * right / (of_class + named))[occurring].mean())
