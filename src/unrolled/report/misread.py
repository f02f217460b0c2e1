"""The examples that the network gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from unrolled.data import Examples
from unrolled.report.appearance import Appearance
from unrolled.report.gallery import draw_gallery
from unrolled.report.lettering import lettered
from unrolled.training.metrics import flat_labels

MOST, MOST_WIDE = 40, 20
SHORT = 6  # letters of a name that has room beside "predicted" above a small picture
NARROW, WIDE = 18, 26  # letters of a name in one line above a larger one, and above lines or a heat map


def draw_misread(examples: Examples, probabilities: Tensor, classes: Sequence[str]) -> Figure:
    """A sheet of misclassified examples, the mistakes of the highest confidence first.

    Args:
        examples: M of them.
        probabilities: [M, classes], what the network said.
        classes: their names.
    """
    labels = flat_labels(examples)
    confidence, predicted = probabilities.max(dim=1)
    wrong = (predicted != labels).nonzero().flatten()
    small = Appearance.of(examples).kind == "picture"
    short = max(map(len, classes)) <= SHORT
    most = MOST if small and short else MOST_WIDE
    shown: list[int] = wrong[confidence[wrong].argsort(descending=True)][:most].tolist()
    wide = NARROW if small else WIDE
    names = lettered(classes, most=2 * wide - 2, wide=wide)
    titles = [
        f"true {names[int(labels[index])]}\npredicted {names[int(predicted[index])]}\n"
        f"confidence {confidence[index]:.0%}"
        for index in shown
    ]
    columns, across = (8, 1.25) if short or not small else (5, 2.1)
    figure, _ = draw_gallery(examples, shown, titles, most_columns=columns, across=across)
    order = ", highest confidence first" if len(shown) == len(wrong) else f"; the {len(shown)} most confident"
    figure.suptitle(f"{len(wrong):,} of {len(labels):,} misclassified{order if shown else ''}")
    return figure
