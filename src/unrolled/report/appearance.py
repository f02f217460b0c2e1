"""How sequences look: as pictures, as a heat map of many features, or as lines of a few."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data import Examples, Standardization, as_float
from unrolled.report.colours import VALUES, of_line
from unrolled.report.lettering import lettered

MOST_LINES = 6
MOST_NAMED = 16  # features of a heat map that all have their names beside it
FEW_STEPS = 30  # of a line whose points are marked


@dataclasses.dataclass(frozen=True)
class Appearance:
    """How the sequences of some examples are drawn: all steps of each, and no padding.

    Time goes down in a picture that is read row by row, and to the right in everything else.

    Attributes:
        kind: "picture", of uint8; "lines", of up to six features; or "map", of more of them.
        features: the name of each, as it is drawn; none if they have no names.
        downward: whether time goes down.
        upward: whether the first feature is at the bottom, as the lowest band of a recording is.
        standardization: what is done to values before they are drawn, so that features are seen beside each
            other; None where they are as they were found.
    """

    kind: str
    features: tuple[str, ...] = ()
    downward: bool = False
    upward: bool = False
    standardization: Standardization | None = None

    @classmethod
    def of(cls, examples: Examples) -> Appearance:
        """That of the sequences of these examples."""
        preparation = examples.preparation
        settings = {} if preparation is None else preparation.settings
        names = () if preparation is None else tuple(lettered(preparation.features, most=16))
        if examples.pictures is not None:
            return cls("picture", names, downward=examples.pictures == "rows")
        scaling = None if preparation is None or examples.width == 1 else preparation.standardization
        kind = "lines" if examples.width <= MOST_LINES else "map"
        return cls(kind, names, upward="bands" in settings, standardization=scaling)

    @classmethod
    def of_read(cls, examples: Examples) -> Appearance:
        """That of what a network reads of them, which is prepared."""
        preparation = examples.preparation
        scaling = None if preparation is None else preparation.standardization
        return dataclasses.replace(cls.of(examples), standardization=scaling)

    def scanned(self, scan: str) -> Appearance:
        """That of what a network's scan makes of these sequences."""
        if scan == "rows":
            return self
        if scan == "columns":
            return dataclasses.replace(self, downward=False)
        return Appearance("lines", ("pixel",))

    def values(self, sequence: Tensor) -> NDArray[np.float32]:
        """What is drawn of a sequence [T, I] as it is kept: NaN where a value is missing."""
        x = as_float(sequence)
        if self.standardization is not None:
            x = self.standardization.apply(x)
        drawn: NDArray[np.float32] = x.numpy()
        return drawn

    def draw(
        self,
        axes: Axes,
        values: NDArray[np.float32],
        limits: tuple[float, float] | None = None,
        aspect: Literal["equal", "auto"] = "equal",
    ) -> AxesImage | None:
        """Draw values [T, I] into axes, step t at t.

        Args:
            axes: empty ones.
            values: see `values`.
            limits: of the colours of a heat map; None for what the values need.
            aspect: of a picture.

        Returns:
            The heat map; None of a picture and of lines.
        """
        time, width = values.shape
        steps, features = (0.5, time + 0.5), (width - 0.5, -0.5)
        if self.kind == "lines":
            marker = "." if time <= FEW_STEPS else None
            for feature in range(width):
                axes.plot(
                    range(1, time + 1), values[:, feature], marker=marker, color=of_line(feature), lw=1.2
                )
            axes.grid(alpha=0.3)
            axes.margins(x=0.02)
            return None
        if self.kind == "picture":
            turned = values if self.downward else values.T
            extent = (*features[::-1], *steps[::-1]) if self.downward else (*steps, *features)
            axes.imshow(turned, cmap="gray", vmin=0, vmax=1, aspect=aspect, extent=extent)
            return None
        low, high = colour_limits([values]) if limits is None else limits
        return axes.imshow(
            values.T[:: -1 if self.upward else 1],
            cmap=VALUES,
            vmin=low,
            vmax=high,
            aspect="auto",
            interpolation="nearest" if time <= 1000 else "auto",
            extent=(*steps, *features) if not self.upward else (*steps, *features[::-1]),
        )

    def label(self, axes: Axes, width: int, size: float = 8) -> None:
        """Write the names of the features beside a heat map, or what the values of lines are."""
        if self.downward:
            axes.set_xlabel("pixel", fontsize=size)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            return
        if self.kind == "lines":
            name = self.features[0] if width == 1 and self.features else ""
            scaled = "" if self.standardization is None else "standardised"
            axes.set_ylabel(f"{scaled} {name}".strip(), fontsize=size)
        elif self.kind == "picture" or not self.features:
            axes.set_ylabel("pixel" if self.kind == "picture" else "feature", fontsize=size)
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        else:
            every = -(-width // MOST_NAMED) if width > MOST_NAMED else 1
            places = range(0, width, every)
            axes.set_yticks(places, [self.features[place] for place in places], fontsize=size)

    def legend(self, figure: Figure | SubFigure, width: int) -> None:
        """Name the lines, below everything, if there are several that have names."""
        if self.kind == "lines" and width > 1 and self.features:
            handles = [Line2D([], [], color=of_line(feature)) for feature in range(width)]
            figure.legend(handles, self.features, loc="outside lower center", ncols=width, frameon=False)

    def legend_below(self, axes: Axes, width: int, inches: float) -> None:
        """Name the lines likewise, below their own axes, which are so wide."""
        if self.kind == "lines" and width > 1 and self.features:
            handles = [Line2D([], [], color=of_line(feature)) for feature in range(width)]
            columns = max(1, int((inches + 0.4) / (0.3 + 0.06 * max(map(len, self.features)))))
            axes.legend(
                handles,
                self.features,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.03),
                fontsize=8,
                ncols=min(width, columns),
                frameon=False,
                handlelength=1.4,
                columnspacing=1.0,
            )

    @property
    def measure(self) -> str:
        """What the colours of a heat map stand for."""
        return "value" if self.standardization is None else "standardised value"


def colour_limits(values: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """From which value to which the colours of heat maps go: all but the outermost hundredth of them.

    >>> colour_limits([np.zeros((2, 3), dtype=np.float32)])
    (-0.5, 0.5)
    """
    known = np.concatenate([each[np.isfinite(each)] for each in values])
    low, high = (float(value) for value in np.quantile(known, (0.005, 0.995))) if len(known) else (0.0, 0.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
