"""A sheet to draw on: boxes, circles, arrows and words, in colours that everybody can tell apart."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

INK = "#222222"
GREY = "#8a8a8a"
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREEN = "#009e73"
PURPLE = "#aa4499"
PALE = {
    INK: "#f2f2f2",
    GREY: "#f2f2f2",
    BLUE: "#dcecf6",
    ORANGE: "#fae5d8",
    GREEN: "#d9f0e8",
    PURPLE: "#f3e0ee",
}

Point = tuple[float, float]


class Sheet:
    """A figure of so many units, without axes; a unit is half an inch.

    Args:
        width: units to the right.
        height: units up.
    """

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width / 2, height / 2))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        self.axes.set_axis_off()

    def box(
        self, at: Point, words: str, size: Point = (1.6, 0.9), colour: str = INK, dashed: bool = False
    ) -> None:
        """A box around a point, with words in it."""
        corner = (at[0] - size[0] / 2, at[1] - size[1] / 2)
        self.axes.add_patch(
            FancyBboxPatch(
                corner, *size, boxstyle="round,pad=0,rounding_size=0.12", facecolor=PALE[colour],
                edgecolor=colour, linewidth=1.3, linestyle="--" if dashed else "-",
            )
        )  # fmt: skip
        self.words(at, words)

    def circle(self, at: Point, words: str, radius: float = 0.32) -> None:
        """A small circle with a sign in it."""
        self.axes.add_patch(Circle(at, radius, facecolor="white", edgecolor=INK, linewidth=1.2, zorder=3))
        self.words(at, words)

    def words(
        self, at: Point, words: str, size: float = 11, colour: str = INK, align: str = "center"
    ) -> None:
        """Words at a point."""
        self.axes.text(*at, words, ha=align, va="center", fontsize=size, color=colour, zorder=4)

    def line(self, *points: Point, colour: str = INK, width: float = 1.3) -> None:
        """A line through points, without a head."""
        x, y = zip(*points, strict=True)
        self.axes.plot(x, y, color=colour, linewidth=width, solid_capstyle="round", zorder=1)

    def arrow(
        self, *points: Point, colour: str = INK, width: float = 1.3, dashed: bool = False, bend: float = 0
    ) -> None:
        """An arrow along points; with `bend` its last part is an arc."""
        if len(points) > 2:
            self.line(*points[:-1], colour=colour, width=width)
        self.axes.add_patch(
            FancyArrowPatch(
                points[-2], points[-1], arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=width,
                linestyle="--" if dashed else "-", shrinkA=0, shrinkB=0, zorder=2,
                connectionstyle=f"arc3,rad={bend}",
            )
        )  # fmt: skip
