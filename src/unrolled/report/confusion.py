"""The confusion matrix of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from unrolled.report.colours import ERRORS
from unrolled.report.lettering import fits, lettered

MOST_NAMED = 100  # names along an axis: of more classes every other one, or every third ...
FEW = 20  # classes whose cells have room for names of two lines
MOST_COUNTED = 40  # classes of which each count has its place; of more, colour alone is seen


def draw_confusion(matrix: Tensor, classes: Sequence[str], what: str = "examples") -> Figure:
    """The confusion matrix: a row for each true class, a column for each predicted one.

    Colour shows the mistakes alone, as a share of the row, so that a few stay visible beside many
    correct predictions.

    Args:
        matrix: counts [classes, classes].
        classes: their names.
        what: what is counted.
    """
    counts = matrix.double()
    mistakes = (counts / counts.sum(dim=1, keepdim=True).clamp(min=1)).fill_diagonal_(0)
    few = len(classes) <= FEW
    names = lettered(classes, most=40 if few else 24, wide=22 if few else None)
    longest = max(len(line) for name in names for line in name.split("\n"))
    side = min(16.0, max(4.4, (0.46 if few else 0.34) * len(names)))  # of the matrix; beside it are names
    letters = 0.06 * longest
    room = 72 * side / len(names)  # points of a cell
    every = -(-len(names) // MOST_NAMED)
    lines = max(name.count("\n") + 1 for name in names)
    size = min(10.0, 0.8 * room * every, room * every / (1.25 * lines))
    upright = not fits(names, side / len(names) * every, size)
    figure = Figure(figsize=(side + letters + 2.0, side + (letters if upright else 0) + 1.2))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    darkest = max(float(mistakes.max()), 0.01)
    image = axes.imshow(mistakes.numpy(), cmap=ERRORS, vmin=0, vmax=darkest)
    if len(names) <= MOST_COUNTED:
        most = max(1, int(matrix.max()))
        letter = min(9.0, room / (0.62 * max(2, len(str(most)))))
        for row in range(len(classes)):
            for column in range(len(classes)):
                if count := int(matrix[row, column]):
                    dark = mistakes[row, column] > 0.6 * darkest
                    colour = "0.3" if row == column else "white" if dark else "black"
                    axes.text(
                        column, row, str(count), ha="center", va="center", fontsize=letter, color=colour
                    )
    else:
        axes.plot([-0.5, len(names) - 0.5], [-0.5, len(names) - 0.5], color="0.6", lw=0.8, label="correct")
    edges = [edge + 0.5 for edge in range(len(names) - 1)]
    axes.vlines(edges, -0.5, len(names) - 0.5, color="0.9", lw=0.5, zorder=1.5)
    axes.hlines(edges, -0.5, len(names) - 0.5, color="0.9", lw=0.5, zorder=1.5)
    named = range(0, len(names), every)
    labels = [names[number] for number in named]
    axes.set_xticks(named, labels, rotation=90 if upright else 0, fontsize=size)
    axes.set_yticks(named, labels, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    correct, total = int(matrix.diagonal().sum()), int(matrix.sum())
    axes.set_title(f"Confusion matrix of {total:,} test {what}\naccuracy {correct / max(1, total):.2%}")
    figure.colorbar(
        image,
        ax=axes,
        label="share of the true class, mistakes only",
        format=PercentFormatter(xmax=1, decimals=None),
        ticks=MaxNLocator(8, steps=(1, 2, 5, 10)),
        fraction=0.04,
        pad=0.02,
        aspect=max(20, len(names) // 2),
    )
    return figure
