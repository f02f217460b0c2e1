"""Sequences with a class for each step: the true ones and the predicted ones, below what was read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from unrolled.data import Examples, Sequences
from unrolled.report.appearance import Appearance
from unrolled.report.colours import AREAS, MANY
from unrolled.report.lettering import lettered

MOST_IN_LEGEND = 24
MOST_LETTERS = 110  # that stand side by side along the time


def draw_tags(
    examples: Examples, rows: Sequence[int], classes: Sequence[str], predictions: Tensor | None = None
) -> Figure:
    """Some sequences, each with the classes of its steps below it.

    Args:
        examples: with a class for each step.
        rows: which of them.
        classes: their names.
        predictions: of the steps of all examples, one behind the other, [S]; None for the true ones alone.
    """
    assert isinstance(examples.labels, Sequences)
    said = None if predictions is None else predictions.split(examples.labels.lengths.tolist())
    look, names = Appearance.of(examples), lettered(classes, most=36)
    colours = class_colours(len(classes))
    ratios = (5, 1) if said is None else (5, 1, 1)
    figure = Figure(figsize=(11, 0.41 * sum(ratios) * len(rows) + 0.8), layout="constrained")
    grid = figure.subplots(len(ratios) * len(rows), 1, squeeze=False, height_ratios=ratios * len(rows))
    seen: set[int] = set()
    for row, (top, *strips) in zip(rows, grid.reshape(len(rows), -1), strict=True):
        values, true = look.values(examples.raw(row)), examples.labels[row]
        look.draw(top, values, aspect="auto")
        look.label(top, values.shape[1], size=7)
        title = f"sequence {row}, {len(values):,} steps"
        tags = {"true": true}
        if said is not None:
            tags["predicted"] = said[row]
            title += f": accuracy {float((said[row] == true).double().mean()):.1%}"
        top.set_title(title, fontsize=10)
        top.set_xlim(0.5, len(values) + 0.5)
        for axes, (name, classes_of_steps) in zip(strips, tags.items(), strict=True):
            draw_strip(axes, classes_of_steps, colours, names)
            axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
            axes.set_xlim(0.5, len(values) + 0.5)
            seen |= set(classes_of_steps.tolist())
        for axes in (top, *strips):
            axes.tick_params(labelsize=8, labelbottom=axes is strips[-1])
            axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        strips[-1].set_xlabel("step", fontsize=8)
    look.legend(figure, examples.width)
    in_legend = lettered(classes, most=36, wide=20)
    handles = [Patch(color=colours(tag), label=in_legend[tag]) for tag in sorted(seen)[:MOST_IN_LEGEND]]
    if len(seen) > MOST_IN_LEGEND:
        handles.append(Patch(color="none", label=f"and {len(seen) - MOST_IN_LEGEND} more"))
    figure.legend(handles=handles, loc="outside right upper", frameon=False, title="class", fontsize=8)
    return figure


def telling_rows(examples: Examples, predictions: Tensor) -> list[int]:
    """The sequences of the lowest, the median and the highest accuracy, each once."""
    assert isinstance(examples.labels, Sequences)
    said = predictions.split(examples.labels.lengths.tolist())
    accuracies = [float((examples.labels[row] == one).double().mean()) for row, one in enumerate(said)]
    order = sorted(range(len(examples)), key=accuracies.__getitem__)
    return list(dict.fromkeys(order[place] for place in (0, len(order) // 2, -1)))


def class_colours(count: int) -> ListedColormap:
    """A colour for each class, neighbours never alike; of up to nine all are easily told from each other."""
    if count <= len(AREAS):
        return ListedColormap(AREAS[:count])
    golden = (5**0.5 - 1) / 2  # its multiples lie far from each other
    return ListedColormap(matplotlib.colormaps[MANY](np.arange(count) * golden % 1))


def draw_strip(axes: Axes, tags: Tensor, colours: ListedColormap, names: Sequence[str]) -> None:
    """The classes [T] of the steps of one sequence, as colours along the time, with names where they fit."""
    strip = colours(tags.numpy())[None, :, :3]  # RGB: no two classes are mixed where pixels are few
    axes.imshow(strip, aspect="auto", interpolation="nearest", extent=(0.5, len(tags) + 0.5, 0, 1))
    axes.set_yticks([])
    begins = [0, *(tags[1:] != tags[:-1]).nonzero().flatten().add(1).tolist(), len(tags)]
    for begin, end in itertools.pairwise(begins):
        name = names[int(tags[begin])]
        if len(name) <= (end - begin) / len(tags) * MOST_LETTERS:
            dark = strip[0, begin] @ (0.299, 0.587, 0.114) < 0.5
            axes.text((begin + end + 1) / 2, 0.5, name, ha="center", va="center", fontsize=8,
                      color="white" if dark else "black", clip_on=True)  # fmt: skip
