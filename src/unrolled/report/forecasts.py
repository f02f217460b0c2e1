"""Forecasts beside what came, and beside the seasonal naive forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from unrolled.data import Dataset, Numbers, as_float, batches
from unrolled.report.colours import BASELINE, PREDICTED
from unrolled.report.lettering import lettered
from unrolled.training.metrics import EVALUATION_BATCH
from unrolled.training.tasks import Forecast, task_of

MOST_WINDOWS, MOST_NUMBERS = 4, 6


class Forecasts(NamedTuple):
    """What was forecast for M windows, all in the numbers' own units.

    Attributes:
        true, predicted, naive: [M, horizon, K].
        numbers: what there is to know of the K numbers.
    """

    true: Tensor
    predicted: Tensor
    naive: Tensor
    numbers: Numbers

    @classmethod
    def of(cls, data: Dataset, predictions: Tensor) -> Forecasts:
        """Those of the test windows, from what the network said, [M, horizon K]."""
        numbers, task = data.numbers, task_of(data)
        assert numbers is not None
        assert isinstance(task, Forecast)
        assert isinstance(data.test.labels, Tensor)
        said = [task.baseline(batch) for batch in batches(data.test, EVALUATION_BATCH)]
        naive = task.in_units(torch.cat(said))
        shape = (len(data.test), numbers.horizon, len(numbers.names))
        true, predicted, naive = (
            rows.double().view(shape) for rows in (data.test.labels, predictions, naive)
        )
        return cls(true, predicted, naive, numbers)


def draw_forecasts(data: Dataset, forecasts: Forecasts) -> Figure:
    """Some test windows, spread over the test part: what was read, what came, and what was forecast.

    Args:
        data: whose test windows they are.
        forecasts: of these windows.
    """
    numbers, count = forecasts.numbers, len(data.test)
    shown = min(MOST_WINDOWS, count)
    windows = [round(place) for place in torch.linspace(0, count - 1, shown).tolist()]
    names = lettered(numbers.names, most=40, wide=20)[: MOST_NUMBERS // 2]
    columns = min(2, shown)
    rows = math.ceil(shown / columns)
    figure = Figure(figsize=(6.0 * columns, 2.6 * rows * len(names) + 0.6), layout="constrained")
    grid = figure.subplots(rows * len(names), columns, squeeze=False)
    for place, window in enumerate(windows):
        history = as_float(data.test.raw(window))[:, list(numbers.features)]
        before = range(1 - len(history), 1)
        ahead = range(1, numbers.horizon + 1)
        for number, name in enumerate(names):
            axes = grid[place // columns * len(names) + number, place % columns]
            marker = "." if numbers.horizon <= 24 else None
            axes.plot(before, history[:, number], color="0.45", lw=1.1, label="history")
            for values, style in (
                (forecasts.true, {"color": rcParams["text.color"], "label": "true"}),
                (forecasts.naive, {"color": BASELINE, "ls": "--", "label": "seasonal naive forecast"}),
                (forecasts.predicted, {"color": PREDICTED, "label": "predicted"}),
            ):
                axes.plot(ahead, values[window, :, number], marker=marker, lw=1.4, **style)
            axes.axvline(0.5, color="0.8", lw=1, zorder=0)
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            axes.set_ylabel(name)
            mae, naive = (
                float((values[window, :, number] - forecasts.true[window, :, number]).abs().mean())
                for values in (forecasts.predicted, forecasts.naive)
            )
            axes.set_title(f"test window {window}: MAE {mae:.3g}, seasonal naive {naive:.3g}", fontsize=9)
            axes.set_xlabel("steps ahead (0: the last step that is read)")
    for axes in grid[-len(names) :, -1] if shown % columns else ():
        axes.axis("off")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_horizon(forecasts: Forecasts) -> Figure:
    """The mean absolute error at each step of the horizon, beside that of the seasonal naive forecast.

    Args:
        forecasts: of all test windows.
    """
    numbers = forecasts.numbers
    names = lettered(numbers.names, most=40)[:MOST_NUMBERS]
    columns = min(2, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(5.6 * columns, 3.2 * rows + 0.4), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flatten())
    ahead: Sequence[int] = range(1, numbers.horizon + 1)
    marker = "o" if numbers.horizon <= 40 else None
    for number, (axes, name) in enumerate(zip(panels, names, strict=False)):
        means = []
        for values, style in (
            (forecasts.naive, {"color": BASELINE, "ls": "--", "label": "seasonal naive forecast"}),
            (forecasts.predicted, {"color": PREDICTED, "label": "predicted"}),
        ):
            errors = (values - forecasts.true)[:, :, number].abs().mean(dim=0)
            axes.plot(ahead, errors, marker=marker, markersize=3.5, **style)
            means.append(float(errors.mean()))
        axes.set(xlabel="steps ahead", ylabel="mean absolute error (MAE)")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        axes.set_title(f"{name}\nMAE {means[1]:.4g}, seasonal naive {means[0]:.4g}", fontsize=10)
    for axes in panels[len(names) :]:
        axes.axis("off")
    more = (
        f"; the first {len(names)} of {len(numbers.names)} series" if len(names) < len(numbers.names) else ""
    )
    figure.suptitle(f"{len(forecasts.true):,} test windows{more}")
    return figure
