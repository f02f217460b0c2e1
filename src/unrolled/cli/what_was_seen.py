"""What a network saw of sequences, and how it read them, as files to be looked at."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.data import Examples
    from unrolled.networks import SequenceClassifier
    from unrolled.training.judge import Judgement

MOST = 100  # sequences of a file: nobody looks at more


class Album:
    """A folder of what was seen: for each sequence a folder in it, NAME-1, NAME-2 ..., with

        seen.png      a picture as the network gets it, or
        seen.csv      the steps of any other sequence, after all that is done to them
        reading.png   the input, the probabilities and the states, step by step

    Args:
        folder: it is made if it is not there; nothing in it is overwritten.
        network: which reads.
        classes: the names of what it tells apart.
    """

    def __init__(self, folder: Path, network: SequenceClassifier, classes: Sequence[str]) -> None:
        self.folder, self.network, self.classes = folder, network, classes

    def add(self, names: Sequence[str], examples: Examples, judgement: Judgement, temperature: float) -> None:
        """Write what was seen of the sequences of a file, and say where.

        Args:
            names: of the sequences.
            examples: the sequences, the first 100 of which are written.
            judgement: what was answered; a refusal stands in the picture's title, too.
            temperature: of the probabilities.

        Raises:
            UnrolledError: a folder cannot be made.
        """
        from unrolled.cli.terminal import Terminal
        from unrolled.report import draw_reading, read_stepwise, save_figure
        from unrolled.training.calibration import tempered
        from unrolled.training.judge import in_words
        from unrolled.training.run import next_free

        places = []
        for row, name in enumerate(names[:MOST]):
            place = next_free(self.folder, Path(name).name)
            try:
                place.mkdir(parents=True)
                _write_seen(place, examples, row)
                reading = read_stepwise(self.network, examples.sequence(row))
                reading = reading._replace(probabilities=tempered(reading.probabilities, temperature))
                doubt = in_words(judgement.statuses[row], self.classes)
                figure = draw_reading(reading, self.classes, examples=examples, doubt=doubt)
                save_figure(figure, place / "reading.png")
            except OSError as error:
                raise UnrolledError(f"cannot write into {place}: {error.strerror or error}") from error
            places.append(str(place))
        if places:
            Terminal(stderr=True).print(f"pictures: {' to '.join(dict.fromkeys((places[0], places[-1])))}")


def _write_seen(place: Path, examples: Examples, row: int) -> None:
    from PIL import Image

    if examples.pictures is not None:
        steps = examples.raw(row)
        upright = steps.T if examples.pictures == "columns" else steps
        Image.fromarray(upright.numpy()).save(place / "seen.png")
        return
    steps = examples.sequence(row)
    features = () if examples.preparation is None else examples.preparation.features
    names = features or tuple(f"feature {number}" for number in range(steps.shape[1]))
    with (place / "seen.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(steps.tolist())
