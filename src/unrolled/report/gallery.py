"""Some sequences side by side, each with a title: as pictures, heat maps or lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unrolled.data import Examples
from unrolled.report.appearance import Appearance, colour_limits


class Gallery(NamedTuple):
    """A sheet of sequences.

    Attributes:
        figure: the sheet.
        shown: the axes of each sequence, in their order.
    """

    figure: Figure
    shown: list[Axes]


def draw_gallery(
    examples: Examples,
    rows: Sequence[int],
    titles: Sequence[str],
    *,
    most_columns: int = 8,
    across: float = 1.25,
) -> Gallery:
    """Draw the sequences in these rows, all on one scale of time: past the end of one nothing is drawn.

    Args:
        examples: what the sequences are of.
        rows: none or more of them.
        titles: of each, of any number of lines.
        most_columns: of small pictures; heat maps and lines, and pictures as wide, are half as many.
        across: inches of a small picture with what is written above it.
    """
    look = Appearance.of(examples)
    values = [look.values(examples.raw(row)) for row in rows]
    lines = 1 + max((title.count("\n") for title in titles), default=0)
    if look.kind == "picture":
        shapes = [each.shape if look.downward else each.shape[::-1] for each in values]
        tallest = max((height / width for height, width in shapes), default=1.0)
        wide = tallest < 0.5
    else:
        tallest, across, wide = 1.0, max(across, 1.45), True
    columns = max(1, min(most_columns // 2 if wide else most_columns, len(rows)))
    count = max(1, math.ceil(len(rows) / columns))
    width = max(5.0, across * columns * (2 if wide else 1))
    high = width / columns * min(max(tallest, 0.3), 3.0) if look.kind == "picture" else 1.5
    figure = Figure(
        figsize=(width, min(60.0, (high + 0.16 * lines + 0.1) * count + 0.6)), layout="constrained"
    )
    all_axes = list(figure.subplots(count, columns, squeeze=False).flatten())
    for axes in all_axes[len(rows) :] if rows else all_axes:
        axes.axis("off")
    limits = colour_limits(values) if look.kind == "map" and values else None
    longest = max((len(each) for each in values), default=1)
    image = None
    for place, (axes, one, title) in enumerate(zip(all_axes, values, titles, strict=False)):
        image = look.draw(axes, one, limits)
        if look.kind == "picture":
            axes.axis("off")
            axes.set_title(title, fontsize=8, y=1.0)  # to look where takes as long as to draw
            continue
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_xlim(0.5, longest + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        if place + columns >= len(values):  # nothing below it
            axes.set_xlabel("step", fontsize=7)
        if place % columns == 0:
            look.label(axes, one.shape[1], size=6 if look.kind == "map" else 7)
        elif look.kind == "map":
            axes.set_yticks([])
    if image is not None:
        figure.colorbar(image, ax=all_axes, label=look.measure, shrink=min(1.0, 3 / count), pad=0.01)
    if values:
        look.legend(figure, values[0].shape[1])
    return Gallery(figure, all_axes[: len(rows)])
