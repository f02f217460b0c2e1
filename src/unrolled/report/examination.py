"""A run's network and test examples together: what it predicts for them, as pictures of a page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup, escape
from torch import Tensor

from unrolled.data import Dataset
from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.networks import SequenceClassifier
from unrolled.report.pictures import figures_of, save_pictures
from unrolled.report.reading import most_telling, read_stepwise
from unrolled.report.reading_picture import draw_reading
from unrolled.report.svg import as_svg, page_colours
from unrolled.training import Evaluation, Run, confusion_matrix, evaluate
from unrolled.training.calibration import calibrated
from unrolled.training.contents import Contents, contents_of, differences
from unrolled.training.judge import Judge
from unrolled.training.metrics import flat_labels
from unrolled.training.run import WEIGHTS
from unrolled.training.tasks import task_of

PNG = b"\x89PNG\r\n\x1a\n"
CAPTIONS = {
    "confusion": "Confusion matrix",
    "reliability": "Accuracy by confidence (reliability diagram)",
    "predicted": "Predicted against true numbers",
    "residuals": "How the errors are distributed",
    "horizon": "Mean absolute error at each step of the horizon",
    "reading": "One example, read step by step: answers, state and gates",
    "tags": "True and predicted classes of the steps",
    "forecasts": "Some forecasts",
}
# Of each task, the pictures of its results but for a confusion matrix, which is a table; and of examples.
RESULTS = {
    "classify": ("reliability",),
    "tag": (),
    "regress": ("predicted", "residuals"),
    "forecast": ("horizon",),
}
OF_EXAMPLES = {"classify": "reading", "tag": "tags", "regress": "reading", "forecast": "forecasts"}


class Picture(NamedTuple):
    """A picture of the page."""

    caption: str
    drawn: Markup


class Examination(NamedTuple):
    """What a run's network predicts for test examples when a report is made."""

    network: SequenceClassifier
    data: Dataset
    evaluation: Evaluation

    @property
    def matrix(self) -> Tensor | None:
        """Counts [classes, classes], a row for each true class; None where numbers are predicted."""
        if self.data.numbers is not None:
            return None
        return confusion_matrix(
            flat_labels(self.data.test), self.evaluation.predictions, len(self.data.classes)
        )

    def draw(self, names: Sequence[str], prefix: str) -> list[Picture]:
        """Pictures of the page, by their names in `pictures.pictures_of`."""
        figures, pictures = figures_of(self.network, self.data, self.evaluation), []
        for name in names:
            with page_colours():
                drawn = as_svg(figures[name](), f"{prefix}-{name}", CAPTIONS[name])
            pictures.append(Picture(CAPTIONS[name], drawn))
        return pictures


def examine(run: Run, data: Dataset | None, contents: Contents | None = None) -> Examination | str:
    """Let a run's network read the test examples, or say why it cannot.

    Args:
        run: its weights may be missing, but not damaged.
        data: None if they are not at hand.
        contents: what the data hold, to see that they are the run's; None if that does not matter.

    Raises:
        UnrolledError: the weights are damaged.
    """
    if not (run.folder / WEIGHTS).exists():
        return "There are no weights: no epoch was finished."
    network = run.load_classifier()
    if data is None:
        return f"The data set {run.config.data} is not at hand."
    config, outputs = run.config.network, task_of(data).outputs
    if run.config.task != data.task:
        return f"The network was trained to {run.config.task}: {data.name} is to {data.task}."
    if (data.test.width, outputs) != (config.input_size, config.classes):
        what = "classes" if data.numbers is None else "numbers"
        return (
            f"The network reads steps of {config.input_size} into {config.classes} {what}: "
            f"the examples of {data.name} do not fit."
        )
    if run.contents is not None and contents is not None:
        now: Contents = {name: contents[name] for name in ("classes", "numbers", "test") if name in contents}
        if changed := differences(run.contents, now):
            return f"The data {data.name} are not those that it was trained on: {'; '.join(changed)}."
    found = evaluate(network, data.test, task_of(data))
    if data.task == "classify":
        found = calibrated(found, flat_labels(data.test), Judge.of(run).temperature)
    return Examination(network, data, found)


def save_vectors(run: Run, data: Dataset | None) -> list[Path]:
    """Draw a run's pictures anew as vector graphics, each as NAME.svg beside its NAME.png.

    Args:
        run: a run with weights.
        data: its data; None if they are not at hand.

    Raises:
        UnrolledError: there are no weights, or not the run's data, or a file cannot be written.
    """
    contents = contents_of(data) if data is not None and run.contents is not None else None
    examined = examine(run, data, contents)
    if isinstance(examined, str):
        raise UnrolledError(f"no SVG files for {run.folder}: {examined}")
    try:
        return save_pictures(run.folder, run.metrics(), *examined, form="svg")
    except OSError as error:
        raise UnrolledError(f"cannot write SVG files into {run.folder}: {error.strerror or error}") from error


def draw_readings(examinations: Sequence[Examination], names: Sequence[str]) -> list[Markup]:
    """How each network reads one and the same example of their data, the most telling one."""
    data = examinations[0].data
    index = most_telling(
        [examined.network for examined in examinations],
        data.test,
        [examined.evaluation for examined in examinations],
    )
    sequence, label = data.test.sequence(index), int(flat_labels(data.test)[index])
    pictures = []
    for examined, name in zip(examinations, names, strict=True):
        reading = read_stepwise(examined.network, sequence)
        answer = data.classes[int(reading.probabilities[-1].argmax())]
        description = (
            f"Test example {index} of {data.name}, class {data.classes[label]}, read step by step: the "
            f"input, the probability of each class after each step, and state and gates of each layer. "
            f"In the end {answer} is predicted."
        )
        with page_colours():
            figure = draw_reading(reading, data.classes, label, data.test)
            pictures.append(as_svg(figure, name, description))
    return pictures


def kept_picture(run: Run, name: str, of: str) -> Picture | None:
    """A picture that the run's training left in its folder, as an element with all its bytes."""
    path = run.folder / f"{name}.png"
    content = path.read_bytes() if path.is_file() else b""
    if not content.startswith(PNG):
        return None
    encoded = base64.b64encode(content).decode("ascii")
    description = escape(printable(f"{CAPTIONS[name]} of {of}"))
    element = f'<img class="kept" alt="{description}" src="data:image/png;base64,{encoded}">'
    return Picture(CAPTIONS[name], Markup(element))
