"""What is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from unrolled.report.lettering import lettered


def draw_confusion(matrix: Tensor, classes: Sequence[str]) -> Figure:
    """The confusion matrix: rows are what an example is, columns what it was taken for.

    Colour shows the mistakes alone, as a share of the row, so that a few stay visible beside many right
    answers.

    Args:
        matrix: counts [classes, classes].
        classes: their names.
    """
    counts = matrix.double()
    mistakes = (counts / counts.sum(dim=1, keepdim=True).clamp(min=1)).fill_diagonal_(0)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    darkest = max(float(mistakes.max()), 0.01)
    image = axes.imshow(mistakes.numpy(), cmap="Reds", vmin=0, vmax=darkest)
    for row in range(len(classes)):
        for column in range(len(classes)):
            count = int(matrix[row, column])
            if count:
                dark = mistakes[row, column] > 0.6 * darkest
                colour = "0.45" if row == column else "white" if dark else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=9, color=colour)
    names = lettered(classes)
    long_names = max(map(len, names)) > 2
    axes.set_xticks(range(len(names)), names, rotation=90 if long_names else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    right, total = int(matrix.diagonal().sum()), int(matrix.sum())
    axes.set_title(f"{right:,} of {total:,} right")
    figure.colorbar(image, ax=axes, label="share of the row, mistakes only", format="{x:.1%}")
    return figure
