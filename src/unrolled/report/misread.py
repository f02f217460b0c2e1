"""The examples that the network gets wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from unrolled.data import Examples
from unrolled.report.lettering import lettered
from unrolled.training.metrics import flat_labels

COLUMNS, MOST = 8, 40


def draw_misread(examples: Examples, probabilities: Tensor, classes: Sequence[str]) -> Figure:
    """A sheet of misread examples, the most confident mistakes first.

    Args:
        examples: M of them, drawn as images with row t for step t.
        probabilities: [M, classes], what the network said.
        classes: their names.
    """
    labels = flat_labels(examples)
    confidence, taken_for = probabilities.max(dim=1)
    wrong = (taken_for != labels).nonzero().flatten()
    shown: list[int] = wrong[confidence[wrong].argsort(descending=True)][:MOST].tolist()
    rows = max(1, math.ceil(len(shown) / COLUMNS))
    figure = Figure(figsize=(1.25 * COLUMNS, 1.45 * rows + 0.6), layout="constrained")
    order = ", the surest first" if len(shown) == len(wrong) else f"; the {len(shown)} surest"
    figure.suptitle(f"{len(wrong):,} of {len(labels):,} misread{order if shown else ''}")
    all_axes = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for axes in all_axes:
        axes.axis("off")
    names = lettered(classes, most=10)
    between = "\n" if max(map(len, names)) > 5 else " "
    for axes, index in zip(all_axes, shown, strict=False):
        sequence = examples.raw(index)
        axes.imshow(sequence.numpy(), cmap="gray", aspect="auto" if len(sequence) > 80 else "equal")
        name, answer = names[int(labels[index])], names[int(taken_for[index])]
        axes.set_title(f"{name}{between}read as {answer}\n{confidence[index]:.0%} sure", fontsize=8)
    return figure
