"""The pictures that a training leaves in its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from unrolled.atomic import atomic_path
from unrolled.data import Examples
from unrolled.networks import SequenceClassifier
from unrolled.report.confusion import draw_confusion
from unrolled.report.curves import draw_curves
from unrolled.report.lettering import plain_letters
from unrolled.report.misread import draw_misread
from unrolled.report.reading import draw_reading, most_telling, read_stepwise
from unrolled.training import Evaluation, confusion_matrix
from unrolled.training.metrics import flat_labels

PICTURES = ("curves", "confusion", "misread", "reading")


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as PNG."""
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)


@plain_letters()
def save_pictures(
    folder: Path,
    metrics: Sequence[dict[str, Any]],
    network: SequenceClassifier,
    examples: Examples,
    evaluation: Evaluation,
    classes: Sequence[str],
) -> list[Path]:
    """Draw curves.png, confusion.png, misread.png and reading.png into a folder.

    Args:
        folder: where to.
        metrics: the run's lines.
        network: the trained network.
        examples: the test examples, and `evaluation` what the network said of them.
        classes: the names of the classes.
    """
    matrix = confusion_matrix(flat_labels(examples), evaluation.predictions, len(classes))
    figures = (
        draw_curves(metrics),
        draw_confusion(matrix, classes),
        draw_misread(examples, evaluation.probabilities, classes),
        draw_most_telling_reading(network, examples, evaluation, classes),
    )
    paths = []
    for name, figure in zip(PICTURES, figures, strict=True):
        paths.append(folder / f"{name}.png")
        save_figure(figure, paths[-1])
    return paths


def draw_most_telling_reading(
    network: SequenceClassifier, examples: Examples, evaluation: Evaluation, classes: Sequence[str]
) -> Figure:
    """The reading of the example, among the first that are read rightly, over which it wavers most."""
    index = most_telling([network], examples, [evaluation])
    reading = read_stepwise(network, examples.sequence(index))
    return draw_reading(reading, classes, label=int(flat_labels(examples)[index]))
