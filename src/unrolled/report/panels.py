"""Panels that share an axis of steps: side by side where steps go down, else one below the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

MOST_CRISP = 200  # values along a side of a heat map that all have pixels of their own


class Panel(NamedTuple):
    """A part of a picture.

    Attributes:
        across: how many inches it takes at right angles to time.
        draw: what draws it into its axes; a heat map is returned, to be explained by a colour bar.
        scale: the name of the heat map's colours.
    """

    across: float
    draw: Callable[[Axes], AxesImage | None]
    scale: str = ""


class Sheet(NamedTuple):
    """A figure with lines of panels, and room for colour bars below them.

    Attributes:
        figure: the whole.
        panels, below: its parts.
        lines: the axes of each line.
        images: a heat map of each scale.
    """

    figure: Figure
    panels: SubFigure
    below: SubFigure
    lines: list[list[Axes]]
    images: dict[str, AxesImage]


def draw_panels(
    lines: Sequence[Sequence[Panel]], along: float, margin: float, down: bool, stretch: bool
) -> Sheet:
    """Draw panels, each line of them along one axis of steps.

    Args:
        lines: rows of panels if steps go down, else columns.
        along: inches of the step axes.
        margin: inches that the first line has for names beside its panels, where steps go to the right.
        down: whether steps go down.
        stretch: whether shorter lines grow as long as the longest, rather than leave room empty.
    """
    longest = max(sum(panel.across + 0.45 for panel in line) for line in lines)
    across, total = longest + 0.7, (along + 0.85) * len(lines) + margin
    width, height = (max(across, 6.0), total) if down else (max(total, 6.0), across)
    figure = Figure(figsize=(width, height + 1.2), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(height, 1.0))
    sheet, below = parts
    if down:
        grid = GridSpec(len(lines), 1, figure=sheet)
    else:
        grid = GridSpec(
            1, len(lines), figure=sheet, width_ratios=[along + margin, *[along + 0.4] * (len(lines) - 1)]
        )
    placed: list[list[Axes]] = []
    images: dict[str, AxesImage] = {}
    for place, line in enumerate(lines):
        spot = grid[place]
        ratios = [panel.across for panel in line]
        empty = longest - sum(panel.across + 0.45 for panel in line)
        ratios += [empty] if not stretch and empty > 0.5 else []
        cells: Any = (
            spot.subgridspec(1, len(ratios), width_ratios=ratios)
            if down
            else spot.subgridspec(len(ratios), 1, height_ratios=ratios)
        )
        row: list[Axes] = []
        for panel, cell in zip(line, cells, strict=False):
            share = {"sharey" if down else "sharex": row[0]} if row else {}
            row.append(sheet.add_subplot(cell, **share))
            if (image := panel.draw(row[-1])) is not None:
                images.setdefault(panel.scale, image)
            row[-1].tick_params(labelsize=8)
        placed.append(row)
        _label_steps(row, down)
    return Sheet(figure, sheet, below, placed, images)


def draw_steps(
    axes: Axes, values: Tensor, down: bool, colours: str, limits: tuple[float, float]
) -> AxesImage:
    """Values [T, K] as a heat map, step t at t and each of the K at its number, both counted from 1."""
    drawn: NDArray[np.float32] = values.numpy()
    time, count = drawn.shape
    steps, places = (0.5, time + 0.5), (0.5, count + 0.5)
    style: dict[str, Any] = {"cmap": colours, "vmin": limits[0], "vmax": limits[1], "aspect": "auto"}
    style["interpolation"] = "nearest" if max(time, count) <= MOST_CRISP else "auto"
    if down:
        return axes.imshow(drawn, extent=(*places, *steps[::-1]), **style)
    return axes.imshow(drawn.T, extent=(*steps, *places[::-1]), **style)


def fit_picture(sheet: Sheet, shape: tuple[int, int], down: bool) -> None:
    """Give the first panel, a picture [T, I], room for square pixels and steps as long as elsewhere."""
    figure, line = sheet.figure, sheet.lines[0]
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)  # with all that is written
    time, width = shape
    boxes = [axes.get_position(original=True) for axes in line]
    box = sheet.panels.bbox
    inches = box.width / figure.dpi, box.height / figure.dpi
    sizes = [box.width * inches[0] if down else box.height * inches[1] for box in boxes]
    along = boxes[0].height * inches[1] if down else boxes[0].width * inches[0]
    change = max(0.3, 1.02 * along * width / time) - sizes[0]  # rather a hair too wide than not as high
    spec = line[0].get_subplotspec()
    assert spec is not None
    grid: Any = spec.get_gridspec()
    old = grid.get_width_ratios() if down else grid.get_height_ratios()
    ratios = [sizes[0] + change, *sizes[1:]]
    if len(old) > len(line):  # what is left empty makes up for it
        ratios.append(max(0.05, old[-1] * sizes[0] / old[0] - change))
        change = 0.0
    if down:
        grid.set_width_ratios(ratios)
        figure.set_figwidth(figure.get_figwidth() + change)
    else:
        grid.set_height_ratios(ratios)
        figure.set_figheight(figure.get_figheight() + change * figure.get_figheight() / inches[1])


def _label_steps(line: Sequence[Axes], down: bool) -> None:
    """Write the steps once for all panels of a line."""
    named = line[0] if down else line[-1]
    for axes in line:
        if down:
            axes.tick_params(labelleft=axes is named)
        else:
            axes.tick_params(labelbottom=axes is named)
    if down:
        named.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        named.set_ylabel("step t", fontsize=9)
    else:
        named.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        named.set_xlabel("step t", fontsize=9)
