"""The next steps of a series."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.data import Batch, Numbers, Standardization
from unrolled.training.tasks.numbers import NumberTask
from unrolled.training.tasks.task import Evaluation


class Forecast(NumberTask):
    r"""The values of a series after a window of it, as a correction to the seasonal naive forecast.

        ŷ_h = x_{L - m + ((h - 1) mod m) + 1} + o_h        h = 1 ... H

    Symbols: x_1 ... x_L the series in the window; m the season; o the network's output; all standardised.
    A network that gives zeros says what was there a season ago, so it need only learn what is new.

    Besides "rmse" and "mae" there is "mase", the mean absolute error in units of what the naive forecast
    errs by for one season within the training part, and "naive_mase", that of the seasonal naive forecast
    of these very values: below it is what is gained.

    Args:
        numbers: with horizon, features, season and scale.
        scaling: what was done to x; None for nothing.

    Reference: Hyndman and Koehler 2006, Another look at measures of forecast accuracy, section 3.
    """

    decides = "mase"
    # The first loss is what MASE measures.
    losses = ("absolute-error", "squared-error", "huber")

    def __init__(self, numbers: Numbers, scaling: Standardization | None = None) -> None:
        super().__init__(numbers)
        features = torch.tensor(numbers.features)
        mean, deviation = torch.zeros(len(features)).double(), torch.ones(len(features)).double()
        if scaling is not None:
            mean, deviation = (
                torch.tensor(values, dtype=torch.float64)[features]
                for values in (scaling.mean, scaling.deviation)
            )
        ours = torch.tensor(numbers.mean, dtype=torch.float64)
        units = torch.tensor(numbers.deviation, dtype=torch.float64)
        # What x says of the series, standardised as labels are: exactly x where both are scaled alike.
        self._factor, self._shift = (deviation / units).float(), ((mean - ours) / units).float()
        self._features = features
        self._scale = torch.tensor(numbers.scale, dtype=torch.float64).repeat(numbers.horizon)

    def baseline(self, batch: Batch) -> Tensor:
        """The seasonal naive forecast [B, H K]."""
        x, _, lengths = batch
        season, horizon = self.numbers.season, self.numbers.horizon
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1])
        ahead = torch.arange(horizon, device=lengths.device) % season
        steps = (lengths[:, None] - season + ahead).to(x.device)
        rows = torch.arange(len(x), device=x.device)[:, None, None]
        values = x[rows, steps[:, :, None], self._features.to(x.device)]
        return (values * self._factor.to(x.device) + self._shift.to(x.device)).flatten(1)

    def said(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self.baseline(batch) + outputs

    def evaluation(self, said: Tensor, asked: Tensor, baseline: Tensor | None) -> Evaluation:
        assert baseline is not None
        found = super().evaluation(said, asked, baseline)
        naive = self.errors(baseline, asked)["mase"]
        return found._replace(metrics={**found.metrics, "naive_mase": naive})

    def errors(self, said: Tensor, asked: Tensor) -> dict[str, float]:
        errors = (said.double() - asked.double()).abs() * self._deviation
        return {**super().errors(said, asked), "mase": float((errors / self._scale).mean())}

    def details(self, metrics: dict[str, float]) -> list[str]:
        return [
            f"MAE {self.shown(metrics['mae'])}",
            f"MASE {metrics['mase']:.3f}; the seasonal naive forecast's is {metrics['naive_mase']:.3f}",
        ]
