"""Numbers that are predicted beside those that are true, and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from unrolled.report.colours import BASELINE, PREDICTED
from unrolled.report.lettering import lettered

MOST = 12  # numbers that have a panel
MOST_DRAWN = 2000  # points that are shapes of their own on a page


def draw_predicted(labels: Tensor, predictions: Tensor, names: Sequence[str]) -> Figure:
    """Each number predicted against the true one: on the line, they are the same.

    Args:
        labels: [M, K] numbers.
        predictions: [M, K], what the network said.
        names: of the K numbers.
    """
    figure, panels = _panels(len(labels), names, 3.9)
    for number, (axes, name) in enumerate(zip(panels, lettered(names, most=60, wide=30), strict=False)):
        true, said = (values[:, number].double().numpy() for values in (labels, predictions))
        low, high = min(true.min(), said.min()), max(true.max(), said.max())
        margin = 0.04 * (high - low) or 0.5
        ends = (low - margin, high + margin)
        axes.plot(ends, ends, color="0.5", lw=1, label="predicted = true")
        alpha, many = min(1.0, max(0.15, 200 / len(true))), len(true) > MOST_DRAWN
        axes.plot(true, said, ".", markersize=4, alpha=alpha, color=PREDICTED, rasterized=many)
        axes.set(xlim=ends, ylim=ends, xlabel="true", ylabel="predicted", aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", fontsize=8)
        axes.set_title(f"{name}\n{_errors(said - true)}", fontsize=10)
    return figure


def draw_residuals(labels: Tensor, predictions: Tensor, names: Sequence[str]) -> Figure:
    """How the errors of each number, predicted minus true, are distributed.

    Args:
        labels, predictions, names: as for `draw_predicted`.
    """
    figure, panels = _panels(len(labels), names, 3.2)
    for number, (axes, name) in enumerate(zip(panels, lettered(names, most=60, wide=30), strict=False)):
        errors = (predictions[:, number].double() - labels[:, number].double()).numpy()
        if errors.min() == errors.max():
            axes.hist(errors, bins=1, range=(errors[0] - 0.5, errors[0] + 0.5), color=PREDICTED)
        else:
            axes.hist(
                errors, bins=min(60, max(5, math.isqrt(len(errors)))), color=PREDICTED, edgecolor="white"
            )
        axes.axvline(0, color=rcParams["text.color"], lw=1)
        axes.axvline(errors.mean(), color=BASELINE, ls="--", lw=1.2, label=f"mean {errors.mean():.3g}")
        axes.set(xlabel="residual: predicted − true", ylabel="number of test examples")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.legend(fontsize=8)
        axes.set_title(f"{name}\n{_errors(errors)}", fontsize=10)
    return figure


def _panels(count: int, names: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """Axes for each number, as many as are shown."""
    shown = min(MOST, len(names))
    columns = min(3, shown)
    rows = math.ceil(shown / columns)
    figure = Figure(figsize=(max(5.0, 4.0 * columns), height * rows + 0.4), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flatten())
    for axes in panels[shown:]:
        axes.axis("off")
    more = f"; the first {shown} of {len(names)} numbers" if shown < len(names) else ""
    figure.suptitle(f"{count:,} test examples{more}")
    return figure, panels[:shown]


def _errors(errors: np.ndarray) -> str:
    rmse, mae = float(np.sqrt(np.mean(errors**2))), float(np.abs(errors).mean())
    return f"RMSE {rmse:.4g}, MAE {mae:.4g}"
