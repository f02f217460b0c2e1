"""Answers that are numbers: learned standardised, and measured in their own units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.data import Batch, Numbers
from unrolled.training.loss import summed_loss
from unrolled.training.recipe import LOSSES_OF_NUMBERS
from unrolled.training.tasks.task import Evaluation, Task


class NumberTask(Task):
    r"""Rows of K numbers, standardised, for each sequence.

        asked = (y - mean) / deviation

    Metrics are in the numbers' own units, over all rows and all K of them: "rmse", the root of the mean
    squared error, and "mae", the mean absolute error.
    """

    metric = "rmse"
    label = "RMSE"
    decides = "rmse"
    larger_is_better = False
    losses = LOSSES_OF_NUMBERS

    def __init__(self, numbers: Numbers) -> None:
        super().__init__(numbers.outputs)
        self.numbers = numbers
        times = max(1, numbers.horizon)  # the K numbers of the first step, of the second ...
        self._mean, self._deviation = (
            torch.tensor(values, dtype=torch.float64).repeat(times)
            for values in (numbers.mean, numbers.deviation)
        )

    def asked(self, batch: Batch) -> Tensor:
        mean, deviation = (
            values.to(batch.labels.device, batch.labels.dtype) for values in (self._mean, self._deviation)
        )
        return (batch.labels - mean) / deviation

    def in_units(self, rows: Tensor) -> Tensor:
        """Standardised rows as they are in the numbers' own units, float64."""
        return rows.double() * self._deviation.to(rows.device) + self._mean.to(rows.device)

    def score(self, said: Tensor, asked: Tensor) -> float:
        """The squared errors, in the numbers' units, each row's mean."""
        errors = (said.detach() - asked).double() * self._deviation.to(said.device)
        return float(errors.square().mean(dim=1).sum())

    def measured(self, score: float, rows: int) -> dict[str, float]:
        return {"rmse": math.sqrt(score / rows)}

    def mean(self, said: Sequence[Tensor]) -> Tensor:
        """The mean of each number, which is that in its own units, too."""
        return torch.stack([*said]).mean(dim=0)

    def evaluation(self, said: Tensor, asked: Tensor, baseline: Tensor | None) -> Evaluation:
        rows = max(1, len(said))
        return Evaluation(
            loss=float(summed_loss(self.losses[0], said, asked)) / rows,
            metrics=self.errors(said, asked),
            probabilities=said.new_empty(len(said), 0),
            predictions=self.in_units(said).float(),
        )

    def errors(self, said: Tensor, asked: Tensor) -> dict[str, float]:
        """The metrics of some rows."""
        errors = (said.double() - asked.double()) * self._deviation
        return {"rmse": float(errors.square().mean().sqrt()), "mae": float(errors.abs().mean())}

    @staticmethod
    def shown(value: float) -> str:
        return f"{value:.4g}"
