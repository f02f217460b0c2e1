"""What the sequences of a data set look like, before anything is trained on them."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from torch import Tensor

from unrolled.data import Dataset, Sequences
from unrolled.errors import UnrolledError
from unrolled.report.gallery import draw_gallery
from unrolled.report.lettering import lettered, plain_letters
from unrolled.report.pictures import save_figure
from unrolled.report.series import draw_series, lie_in_series
from unrolled.report.tags import draw_tags

MOST_CLASSES = 12
MOST_TAGGED = 3
QUANTILES = 6  # of a number that is predicted
MOST_NUMBERS = 2  # of each sequence that are written


def save_examples(data: Dataset, path: Path) -> None:
    """Draw sequences that are trained on into a PNG file, or another that its name ends in.

    Of classes, the first sequence of each of the first twelve; of classes for each step, the first three; of
    numbers, sequences from the least to the greatest of the first number; of forecasts, the series
    themselves, and which part is for what.

    Raises:
        UnrolledError: there is no kind of pictures of that name, or the file cannot be written.
    """
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in kinds:
        raise UnrolledError(
            f"{path} is a name of no kind of pictures: expected one that ends in .png, .svg or .pdf"
        )
    try:
        with plain_letters():
            save_figure(draw_examples(data), path)
    except OSError as error:
        raise UnrolledError(f"cannot write {path}: {error.strerror or error}") from error


def draw_examples(data: Dataset) -> Figure:
    """The picture that `save_examples` saves."""
    train, labels = data.train, data.train.labels
    if data.task == "forecast" and lie_in_series(data):
        return draw_series(data)
    if isinstance(labels, Sequences):
        figure = draw_tags(train, range(min(MOST_TAGGED, len(train))), data.classes)
        figure.suptitle("The first training sequences")
        return figure
    if data.numbers is not None:
        return _draw_quantiles(data, labels)
    names = lettered(data.classes, most=24)
    rows: list[int] = []
    titles: list[str] = []
    for label, name in enumerate(names):
        found = (labels == label).nonzero()
        if len(found) and len(rows) < MOST_CLASSES:
            rows.append(int(found[0]))
            titles.append(f"{name}\n{_steps(len(train.raw(rows[-1])))}")
    figure, _ = draw_gallery(train, rows, titles)
    many = len(names) > MOST_CLASSES
    what = f"each of the first {len(rows)} of {len(names)} classes" if many else "each class"
    figure.suptitle(f"The first training sequence of {what}")
    return figure


def _draw_quantiles(data: Dataset, labels: Tensor) -> Figure:
    """Sequences from the least to the greatest of the first number."""
    assert data.numbers is not None
    order = labels[:, 0].argsort(stable=True)
    places = torch.linspace(0, len(order) - 1, min(QUANTILES, len(order))).round().long()
    rows: list[int] = order[places].tolist()
    names = lettered(data.numbers.names, most=16)
    count = min(MOST_NUMBERS, len(names))
    titles = []
    for row in rows:
        numbers = zip(names[:count], labels[row, :count].tolist(), strict=True)
        said = ", ".join(f"{name} {value:.4g}" for name, value in numbers)
        titles.append(f"{said}\n{_steps(len(data.train.raw(row)))}")
    figure, _ = draw_gallery(data.train, rows, titles, most_columns=6)
    figure.suptitle(f"Training sequences from the least {names[0]} to the greatest")
    return figure


def _steps(count: int) -> str:
    return f"{count:,} step{'s' if count > 1 else ''}"
