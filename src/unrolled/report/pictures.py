"""The pictures that a training leaves in its run folder: which they are follows from its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from unrolled.atomic import atomic_path
from unrolled.data import Dataset
from unrolled.networks import SequenceClassifier
from unrolled.report.confusion import draw_confusion
from unrolled.report.curves import draw_curves
from unrolled.report.forecasts import Forecasts, draw_forecasts, draw_horizon
from unrolled.report.lettering import plain_letters
from unrolled.report.misread import draw_misread
from unrolled.report.reading import most_telling, read_stepwise
from unrolled.report.reading_picture import draw_reading
from unrolled.report.reliability import draw_reliability
from unrolled.report.residuals import draw_predicted, draw_residuals
from unrolled.report.svg import svg_text
from unrolled.report.tags import draw_tags, telling_rows
from unrolled.training import Evaluation, confusion_matrix
from unrolled.training.metrics import flat_labels
from unrolled.training.tasks import task_of

CURVES = "curves"
OF_TASKS = {
    "classify": ("confusion", "reliability", "misread", "reading"),
    "tag": ("confusion", "tags", "reading"),
    "regress": ("predicted", "residuals", "reading"),
    "forecast": ("forecasts", "horizon"),
}


def pictures_of(task: str) -> tuple[str, ...]:
    """The names of the pictures that a finished training of a task has left, each as NAME.png.

    >>> pictures_of("regress")
    ('curves', 'predicted', 'residuals', 'reading')
    """
    return (CURVES, *OF_TASKS[task])


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as what the file is called: PNG, or SVG, whose letters are outlines."""
    with atomic_path(path) as part:
        if path.suffix == ".svg":
            part.write_text(svg_text(figure, dpi=110), encoding="utf-8")
        else:
            figure.savefig(part, format=path.suffix.removeprefix("."), dpi=110)


@plain_letters()
def save_pictures(
    folder: Path,
    metrics: Sequence[dict[str, Any]],
    network: SequenceClassifier,
    data: Dataset,
    evaluation: Evaluation,
    form: str = "png",
) -> list[Path]:
    """Draw the pictures of a run, see `pictures_of`, into a folder.

    Args:
        folder: where to.
        metrics: the run's lines.
        network: the trained network.
        data: with the test examples, of which `evaluation` is what the network said.
        form: "png", or "svg" for pictures that are sharp at every size.
    """
    figures = {CURVES: lambda: draw_curves(metrics), **figures_of(network, data, evaluation)}
    paths = []
    for name in pictures_of(data.task):
        paths.append(folder / f"{name}.{form}")
        save_figure(figures[name](), paths[-1])
    return paths


def figures_of(
    network: SequenceClassifier, data: Dataset, evaluation: Evaluation
) -> dict[str, Callable[[], Figure]]:
    """How each picture of a task is drawn, by name, from what a network said of the test examples."""
    test, classes, predictions = data.test, data.classes, evaluation.predictions
    if data.task == "forecast":
        forecasts = Forecasts.of(data, predictions)
        return {
            "forecasts": lambda: draw_forecasts(data, forecasts),
            "horizon": lambda: draw_horizon(forecasts),
        }
    if data.numbers is not None:
        labels, names = test.labels, data.numbers.names
        assert isinstance(labels, Tensor)
        return {
            "predicted": lambda: draw_predicted(labels, predictions, names),
            "residuals": lambda: draw_residuals(labels, predictions, names),
            "reading": lambda: draw_typical_reading(network, data, evaluation),
        }
    matrix = confusion_matrix(flat_labels(test), predictions, len(classes))
    if data.task == "tag":
        return {
            "confusion": lambda: draw_confusion(matrix, classes, "steps"),
            "tags": lambda: draw_tags(test, telling_rows(test, predictions), classes, predictions),
            "reading": lambda: draw_typical_reading(network, data, evaluation),
        }
    return {
        "confusion": lambda: draw_confusion(matrix, classes),
        "reliability": lambda: draw_reliability(evaluation.probabilities, flat_labels(test)),
        "misread": lambda: draw_misread(test, evaluation.probabilities, classes),
        "reading": lambda: draw_most_telling_reading(network, data, evaluation),
    }


def draw_most_telling_reading(network: SequenceClassifier, data: Dataset, evaluation: Evaluation) -> Figure:
    """The reading of the example, among the first of the correct ones, over which the network wavers most."""
    index = most_telling([network], data.test, [evaluation])
    reading = read_stepwise(network, data.test.sequence(index))
    return draw_reading(reading, data.classes, label=int(flat_labels(data.test)[index]), examples=data.test)


def draw_typical_reading(network: SequenceClassifier, data: Dataset, evaluation: Evaluation) -> Figure:
    """The reading of a test example with numbers, or with classes of its steps, of the median error."""
    test = data.test
    if data.numbers is None:
        rows = telling_rows(test, evaluation.predictions)
        row = rows[len(rows) // 2]
    else:
        assert isinstance(test.labels, Tensor)
        errors = (evaluation.predictions - test.labels).abs()[:, 0]
        row = int(errors.argsort(stable=True)[len(errors) // 2])
    names = data.classes if data.numbers is None else data.numbers.names
    reading = read_stepwise(network, test.sequence(row), task_of(data))
    return draw_reading(reading, names, test.labels[row], examples=test)
