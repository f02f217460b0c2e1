"""The learning curves of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator, PercentFormatter


def draw_curves(metrics: Sequence[dict[str, Any]]) -> Figure:
    """Loss and accuracy against the epoch, on the training and on the validation examples.

    Args:
        metrics: a run's lines; the one of the test is left out.
    """
    epochs = [line for line in metrics if "epoch" in line]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for axes, what in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
        for key, label, style in (
            (what, "training, while it learns", "C0o-"),
            (f"validation_{what}", "validation", "C1o-"),
        ):
            points = [(line["epoch"], line[key]) for line in epochs if line.get(key) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), style, label=label, markersize=3)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    loss_axes.set_title("cross-entropy (nats)")
    loss_axes.set_yscale("log")
    loss_axes.yaxis.set_major_formatter(LogFormatter())
    # Between powers of ten only over less than a decade or so, where they alone would say too little.
    loss_axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.6)))
    accuracy_axes.set_title("accuracy")
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    return figure
