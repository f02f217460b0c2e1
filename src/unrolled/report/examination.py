"""A run's network and test examples together: what it takes for what, and how it reads."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape
from torch import Tensor

from unrolled.data import Dataset
from unrolled.names import printable
from unrolled.networks import SequenceClassifier
from unrolled.report.reading import draw_reading, most_telling, read_stepwise
from unrolled.report.svg import as_svg, page_colours
from unrolled.training import Evaluation, Run, confusion_matrix, evaluate
from unrolled.training.metrics import flat_labels
from unrolled.training.run import WEIGHTS

PNG = b"\x89PNG\r\n\x1a\n"


class Examination(NamedTuple):
    """What a run's network says of test examples, by now."""

    network: SequenceClassifier
    data: Dataset
    evaluation: Evaluation

    @property
    def matrix(self) -> Tensor:
        """Counts [classes, classes], rows what an example is, columns what it was taken for."""
        return confusion_matrix(
            flat_labels(self.data.test), self.evaluation.predictions, len(self.data.classes)
        )


def examine(run: Run, data: Dataset | None) -> Examination | str:
    """Let a run's network read the test examples, or say why it cannot.

    Args:
        run: its weights may be missing, but not damaged.
        data: None if they are not at hand.

    Raises:
        UnrolledError: the weights are damaged.
    """
    if not (run.folder / WEIGHTS).exists():
        return "There are no weights: no epoch was finished."
    network = run.load_network()
    if data is None:
        return f"The data set {run.config.data} is not at hand."
    config = run.config.network
    if (data.test.width, len(data.classes)) != (config.input_size, config.classes):
        return (
            f"The network reads steps of {config.input_size} into {config.classes} classes: "
            f"the examples of {data.name} do not fit."
        )
    return Examination(network, data, evaluate(network, data.test))


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
            f"Test example {index} of {data.name}, class {data.classes[label]}, read step by step: what is "
            f"read, the probability of each class after each step, and the hidden state. In the end it is "
            f"read as {answer}."
        )
        with page_colours():
            figure = draw_reading(reading, data.classes, label)
            pictures.append(as_svg(figure, name, description))
    return pictures


def kept_picture(run: Run, name: str, description: str) -> Markup | None:
    """A picture that the run's training left in its folder, as an element with all its bytes."""
    path = run.folder / f"{name}.png"
    content = path.read_bytes() if path.is_file() else b""
    if not content.startswith(PNG):
        return None
    encoded = base64.b64encode(content).decode("ascii")
    return Markup(
        f'<img class="kept" alt="{escape(printable(description))}" src="data:image/png;base64,{encoded}">'
    )
