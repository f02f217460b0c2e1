"""The learning curves of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from unrolled.report.colours import BASELINE, TRAINING, VALIDATION
from unrolled.report.measures import OF_TEST, OF_VALIDATION, label, of_epoch
from unrolled.report.svg import run_style
from unrolled.training.metrics_file import is_of_test

BASELINES = {"naive_mase": "mase"}  # the metric of what needs no training, and of what it is compared with


def draw_curves(metrics: Sequence[dict[str, Any]]) -> Figure:
    """The loss and every metric against the epoch: training, validation, and the test as a point.

    The point is at the epoch whose weights were kept, since they are tested. What the seasonal naive forecast
    comes to is a line in the panel of the forecast's own.

    Args:
        metrics: a run's lines.
    """
    epochs = [line for line in metrics if "epoch" in line]
    test = next((line for line in metrics if is_of_test(line)), {})
    kept = next((line["epoch"] for line in reversed(epochs) if line.get("best")), None)
    kept = epochs[-1]["epoch"] if epochs and kept is None else kept
    found = dict.fromkeys(name for line in epochs for name in of_epoch(line))
    names = ["loss", *(name for name in found if name not in BASELINES)]
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.4 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(names) :]:
        axes.axis("off")
    marker = "o" if len(epochs) <= 40 else None
    for axes, name in zip(panels, names, strict=False):
        baseline = next((one for one, of in BASELINES.items() if of == name), "")
        for key, whose, style in (
            (name, "training (mean over the epoch)", {"color": TRAINING}),
            (f"{OF_VALIDATION}{name}", "validation", {"color": VALIDATION, "linestyle": "--"}),
            (f"{OF_VALIDATION}{baseline}", f"validation: {label(baseline)}", {"color": BASELINE, "ls": ":"}),
        ):
            points = [(line["epoch"], line[key]) for line in epochs if line.get(key) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), label=whose, marker=marker, markersize=3, **style)
        if kept is not None and test.get(f"{OF_TEST}{name}") is not None:
            axes.plot(kept, test[f"{OF_TEST}{name}"], "D", color=rcParams["text.color"], markersize=6,
                      label=f"test, with the weights of epoch {kept}")  # fmt: skip
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.set_ylabel(label(name))
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        elif name == "loss":
            _scale_by_tens(axes)
    panels[0].set_ylabel("cross-entropy (nats)" if "accuracy" in names else "loss (of standardised numbers)")
    handles = {
        text: line for axes in panels for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns + 1, frameon=False)
    return figure


def draw_runs(runs: Sequence[Sequence[dict[str, Any]]], key: str) -> Figure | None:
    """One quantity of several runs against the epoch, the index-th in `run_style(index)`, without a legend.

    Args:
        runs: the epochs of each.
        key: the quantity: a loss, which is drawn by powers of ten, an accuracy, or the learning rate.

    Returns:
        None if no run has a value of it.
    """
    figure = Figure(figsize=(5.4, 3.4), layout="constrained")
    axes = figure.subplots()
    for index, epochs in enumerate(runs):
        points = [(line["epoch"], line[key]) for line in epochs if line.get(key) is not None]
        if points:
            colour, dashes = run_style(index)
            pattern = (0, tuple(map(float, dashes.split()))) if dashes else "solid"
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=pattern, linewidth=1.4)
            axes.plot(*points[-1], "o", color=colour, markersize=3.5)  # a run of one epoch is seen, too
    if not axes.lines:
        return None
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid()
    axes.spines[["top", "right"]].set_visible(False)
    if "loss" in key:
        _scale_by_tens(axes)
    elif "accuracy" in key:
        _show_the_top(axes)
    return figure


def _scale_by_tens(axes: Axes) -> None:
    if not any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines):
        return  # of one class alone nothing is ever lost
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _show_the_top(axes: Axes) -> None:
    """Cut off what is far below where every line ends: they differ near the top."""
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    worst_end = min(float(np.asarray(line.get_ydata())[-1]) for line in axes.lines)
    bottom = min(0.95, 1 - 6 * (1 - worst_end))
    if bottom > axes.get_ylim()[0]:
        axes.set_ylim(bottom, 1 + 0.04 * (1 - bottom))
