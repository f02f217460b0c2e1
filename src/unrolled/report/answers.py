"""What a network answers after each step of a sequence, as panels of the picture of its reading."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import nan
from typing import Any

import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from unrolled.report.colours import CURRENT, PREDICTED, SHARES
from unrolled.report.lettering import fits, lettered
from unrolled.report.panels import Panel, draw_steps
from unrolled.report.reading import Reading

MOST_CLASSES = 20  # that are drawn
MOST_NUMBERS = 3
PROBABILITY = "class probability"

Truth = int | Tensor | None  # a class, or classes [T] of the steps, or numbers [K]


class Answers:
    """The answers of a reading beside the truth.

    Args:
        reading: what was answered.
        names: of the classes, or of the numbers.
        truth: if it is known.
        down: whether steps go down.
    """

    def __init__(self, reading: Reading, names: Sequence[str], truth: Truth, down: bool) -> None:
        if isinstance(truth, Tensor) and reading.numbers is None:
            truth = truth[: len(reading.probabilities)]  # of the beginning, if that is all that is read
        self.truth = truth
        self.reading, self.down = reading, down
        self.all_names = names
        self.names = lettered(names, most=14 if down else 22)

    def panels(self) -> list[Panel]:
        """One for all classes, or one for each of the first numbers."""
        if self.reading.numbers is not None:
            count = min(MOST_NUMBERS, len(self.names))
            return [Panel(1.6, partial(self._draw_number, place)) for place in range(count)]
        shown = self.classes_shown()
        return [Panel(_inches_of_classes(len(shown)), partial(self._draw_classes, shown), PROBABILITY)]

    def classes_shown(self) -> list[int]:
        """Up to 20 classes: all that are predicted at some time if they are not more, and the true ones."""
        probabilities = self.reading.probabilities
        weight = probabilities.amax(dim=0)
        weight[probabilities.argmax(dim=1)] += 1
        if self.truth is not None:
            weight[self.truth] += 2
        weight[int(probabilities[-1].argmax())] += 2
        order = weight.argsort(descending=True, stable=True)
        found: list[int] = order[:MOST_CLASSES].sort().values.tolist()
        return found

    def verdict(self) -> str:
        """What is answered in the end, and how that compares with the truth."""
        reading, truth = self.reading, self.truth
        if reading.numbers is not None:
            names = lettered(self.all_names, most=40)[:MOST_NUMBERS]
            true = [None] * len(names) if truth is None else torch.as_tensor(truth).tolist()
            said = zip(names, reading.numbers[-1].tolist(), true, strict=False)
            return "; ".join(
                f"{name}: predicted {number:.4g}" + ("" if fact is None else f", true {fact:.4g}")
                for name, number, fact in said
            )
        if isinstance(truth, Tensor):
            correct = reading.probabilities.argmax(dim=1) == truth
            return f"{int(correct.sum())} of {len(correct)} steps predicted correctly"
        names, last = lettered(self.all_names), reading.probabilities[-1]
        answer = int(last.argmax())
        known = "" if truth is None else ", correct" if truth == answer else f", true {names[truth]}"
        return f"predicted {names[answer]}, confidence {float(last[answer]):.1%}{known}"

    def _draw_classes(self, shown: list[int], axes: Axes) -> AxesImage:
        """The probability of each class after each step, and which is predicted there."""
        probabilities = self.reading.probabilities[:, shown]
        image = draw_steps(axes, probabilities, self.down, SHARES, (0.0, 1.0))
        size = 4.5 if len(probabilities) <= 40 else 3 if len(probabilities) <= 100 else 1.5
        if isinstance(self.truth, Tensor):
            true = [shown.index(place) + 1 if place in shown else nan for place in self.truth.tolist()]
            style = "default" if self.down else "steps-mid"
            self._plot(axes, true, "-", drawstyle=style, color=rcParams["text.color"], lw=1.2)
        predicted = (probabilities.argmax(dim=1) + 1).tolist()
        self._plot(axes, predicted, "o", markersize=size, color=CURRENT, markeredgecolor="white",
                   markeredgewidth=0.4 if len(probabilities) <= 40 else 0)  # fmt: skip
        drawn, ticks = [self.names[place] for place in shown], range(1, len(shown) + 1)
        if self.down:
            room = _inches_of_classes(len(shown)) / len(shown)
            axes.set_xticks(ticks, drawn, rotation=0 if fits(drawn, room, 8) else 90, fontsize=8)
        else:
            axes.set_yticks(ticks, drawn, fontsize=8)
        if isinstance(self.truth, int):
            labels = axes.get_xticklabels() if self.down else axes.get_yticklabels()
            labels[shown.index(self.truth)].set_fontweight("bold")
        mark = "" if self.truth is None else ", bold: true" if isinstance(self.truth, int) else ", line: true"
        key = f"dot: predicted{mark}"
        (axes.set_xlabel if self.down else axes.set_ylabel)(
            f"class ({key})" if self.down else f"class\n({key})", fontsize=8
        )
        some = len(shown) < len(self.names)
        more = f"\n({len(shown)} of {len(self.names)} classes)" if some else ""
        axes.set_title(f"class probabilities{more}", fontsize=10)
        return image

    def _draw_number(self, place: int, axes: Axes) -> None:
        """One number after each step, and the true one."""
        assert self.reading.numbers is not None
        numbers = self.reading.numbers[:, place]
        marker = "." if len(numbers) <= 40 else ""
        self._plot(axes, numbers.tolist(), f"{marker}-", color=PREDICTED, lw=1.4, label="predicted")
        if isinstance(self.truth, Tensor):
            line = axes.axvline if self.down else axes.axhline
            line(float(self.truth[place]), color=rcParams["text.color"], ls="--", lw=1, label="true")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
        name = self.names[place]
        axes.set_title(f"{name}, predicted after each step", fontsize=10)
        (axes.set_xlabel if self.down else axes.set_ylabel)(name, fontsize=8)
        (axes.xaxis if self.down else axes.yaxis).set_major_locator(MaxNLocator(4))

    def _plot(self, axes: Axes, places: Sequence[float], style: str, **options: Any) -> None:
        steps = range(1, len(places) + 1)
        axes.plot(*((places, steps) if self.down else (steps, places)), style, **options)


def _inches_of_classes(count: int) -> float:
    """How wide the panel of so many classes is."""
    return max(1.3, 0.2 * count)
