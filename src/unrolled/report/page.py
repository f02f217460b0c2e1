"""One HTML page about one or several runs, which opens without a network."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from unrolled import __version__
from unrolled.atomic import atomic_path
from unrolled.data import Dataset
from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.report.curves import draw_runs
from unrolled.report.examination import Examination, draw_readings, examine, kept_picture
from unrolled.report.summary import RunSummary, TestResult, differing, judge, most_confused, recalls
from unrolled.report.svg import PAGE_COLOURS, as_svg, page_colours, run_style

MARK = '<meta name="generator" content="unrolled report">'
CURVES = {
    "loss": "Loss on the training examples, the mean of each epoch, while it learns",
    "accuracy": "Accuracy on the training examples, the mean of each epoch, while it learns",
    "validation_loss": "Validation loss after each epoch",
    "validation_accuracy": "Validation accuracy after each epoch",
    "learning_rate": "Learning rate at the end of each epoch",
}


@dataclasses.dataclass
class Entry:
    """What the page says of one run.

    Attributes:
        summary: its numbers.
        colour, dashes: of its line.
        examined: what its network says of the test examples, None if they cannot be examined.
        missing: why.
        test: its test accuracy.
        confusion: the picture that the run kept, where nothing could be examined.
        reading: how it reads an example: drawn for this page, or else kept likewise.
    """

    summary: RunSummary
    colour: str
    dashes: str
    examined: Examination | None = None
    missing: str = ""
    test: TestResult | None = None
    confusion: Markup | None = None
    reading: Markup | None = None


def save_page(summaries: Sequence[RunSummary], path: Path, datasets: Mapping[str, Dataset]) -> None:
    """Write the page.

    Args:
        summaries: of one run or more, each with a name of its own.
        path: the file, new or such a page.
        datasets: the data sets that are at hand, by name; of another one the page shows what the runs
            have kept themselves.

    Raises:
        UnrolledError: the file is something else or cannot be written, or a run's weights are damaged.
    """
    check_output(path)
    text = render(summaries, datasets)
    try:
        with atomic_path(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnrolledError(f"cannot write {path}: {error.strerror}: choose another with --output") from error


def check_output(path: Path) -> None:
    """Raise an UnrolledError if `path` is something that a report must not take the place of."""
    if path.is_dir():
        raise UnrolledError(f"{path} is a folder: name a file with --output")
    if path.exists():
        with path.open("rb") as file:
            if MARK.encode() not in file.read(1000):
                raise UnrolledError(
                    f"{path} is not a report: choose another file with --output, or remove it"
                )


def render(summaries: Sequence[RunSummary], datasets: Mapping[str, Dataset]) -> str:
    """The page."""
    entries = [make_entry(summary, number, datasets) for number, summary in enumerate(summaries)]
    add_readings(entries)
    settings = [summary.settings for summary in summaries]
    differences = differing(settings)
    page = _environment().from_string(_resource("page.html"))
    return page.render(
        mark=Markup(MARK),
        css=Markup(_resource("page.css")),
        version=__version__,
        title=f"{len(entries)} runs compared" if len(entries) > 1 else f"The run {summaries[0].name}",
        entries=entries,
        curves=make_curves(summaries),
        curve_titles=CURVES,
        differences=differences,
        recipe_differences=[name for name in differences if name.startswith("recipe.")],
        shared={
            name: value for values in settings for name, value in values.items() if name not in differences
        },
    )


def make_entry(summary: RunSummary, index: int, datasets: Mapping[str, Dataset]) -> Entry:
    """What the page says of the index-th run, but for the reading that it shares with others."""
    colour, dashes = run_style(index)
    entry = Entry(summary, PAGE_COLOURS[colour], dashes)
    examined = examine(summary.run, datasets.get(summary.run.config.data))
    if isinstance(examined, Examination):
        entry.examined = examined
        entry.test = judge(summary, examined.matrix)
    else:
        entry.missing = examined
        entry.test = judge(summary, None)
        entry.confusion = kept_picture(summary.run, "confusion", f"Confusion matrix of {summary.name}")
        entry.reading = kept_picture(summary.run, "reading", f"How {summary.name} reads one example")
    return entry


def add_readings(entries: Sequence[Entry]) -> None:
    """Let all runs of one data set read the same example of it."""
    groups: dict[str, list[tuple[Entry, Examination, str]]] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.examined is not None:
            member = (entry, entry.examined, f"reading-{number}")
            groups.setdefault(entry.examined.data.name, []).append(member)
    for members in groups.values():
        together, examinations, names = zip(*members, strict=True)
        for entry, picture in zip(together, draw_readings(examinations, names), strict=True):
            entry.reading = picture


def make_curves(summaries: Sequence[RunSummary]) -> dict[str, Markup | None]:
    """A picture of each of `CURVES`, None where no run has it."""
    curves: dict[str, Markup | None] = {}
    for key, title in CURVES.items():
        with page_colours():
            figure = draw_runs([summary.epochs for summary in summaries], key)
            name = f"curve-{key.replace('_', '-')}"
            curves[key] = as_svg(figure, name, title) if figure is not None else None
    return curves


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # pictures are no str alone
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": show_percent,
        "value": show_value,
        "most_confused": most_confused,
        "recalls": recalls,
    }
    return environment


def _resource(name: str) -> str:
    return resources.files("unrolled.report").joinpath(name).read_text(encoding="utf-8")


def show_percent(share: float, digits: int = 2) -> str:
    """A share as a percentage.

    >>> show_percent(0.9871), show_percent(float("nan"))
    ('98.71 %', '–')
    """
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def show_value(value: Any) -> str:
    """A value of a configuration.

    >>> show_value("adam"), show_value(None), show_value([["lstm", 128]])
    ('adam', 'none', '[["lstm", 128]]')
    """
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
