"""The accuracy of a network, by its confidence."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from unrolled.training.calibration import chance_calibration_error, reliability


def draw_reliability(probabilities: Tensor, labels: Tensor) -> Figure:
    """The accuracy in 15 bins of equal width of confidence, and how many answers each bin holds.

    On the diagonal confidence is accuracy. The title has the expected calibration error, and what that would
    be if every confidence were true, see `unrolled.training.calibration.chance_calibration_error`.

    Args:
        probabilities: [M, classes].
        labels: int64 [M].
    """
    found = reliability(probabilities, labels)
    bins = len(found.counts)
    some = found.counts > 0
    left = [number / bins for number in range(bins)]
    figure = Figure(figsize=(4.4, 5.2), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color="0.5", lw=1, label="accuracy = confidence")
    axes.bar(left, found.accuracy.numpy(), 1 / bins, align="edge", color="C0", alpha=0.45, label="accuracy")
    axes.plot(
        found.confidence[some].numpy(),
        found.accuracy[some].numpy(),
        "o",
        color="C1",
        markersize=4,
        clip_on=False,
        label="mean confidence of the bin",
    )
    axes.set(ylim=(0, 1), ylabel="accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    chance = chance_calibration_error(probabilities)
    axes.set_title(
        f"expected calibration error {found.error:.2%}\n({chance:.2%} by chance alone)", fontsize=11
    )
    below.bar(left, found.counts.numpy(), 1 / bins, align="edge", color="C0", alpha=0.45)
    below.set(xlim=(0, 1), xlabel="confidence", ylabel="answers")
    below.set_yscale("symlog")
    below.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    return figure
