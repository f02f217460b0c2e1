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
from unrolled.report.data_note import DataNote, note_data
from unrolled.report.examination import (
    OF_EXAMPLES,
    RESULTS,
    Examination,
    Picture,
    draw_readings,
    examine,
    kept_picture,
)
from unrolled.report.measures import MAIN, OF_VALIDATION, label, of_epoch, shown
from unrolled.report.summary import RunSummary, TestResult, differing, judge, most_confused, recalls
from unrolled.report.svg import PAGE_COLOURS, as_svg, page_colours, run_style
from unrolled.training.contents import Contents, contents_of

MARK = '<meta name="generator" content="unrolled report">'


@dataclasses.dataclass
class Entry:
    """What the page says of one run.

    Attributes:
        summary: its numbers.
        colour, dashes: of its line.
        examined: what its network says of the test examples, None if they cannot be examined.
        missing: why.
        test: what came out on the test examples.
        results: pictures of that, drawn for this page, or else those that the run kept.
        reading: how it reads an example, or what it says of some: likewise.
    """

    summary: RunSummary
    colour: str
    dashes: str
    examined: Examination | None = None
    missing: str = ""
    test: TestResult | None = None
    results: list[Picture] = dataclasses.field(default_factory=list)
    reading: Markup | None = None


@dataclasses.dataclass
class CurveGroup:
    """The curves of all runs of one task.

    Attributes:
        task: the task.
        pictures: of each quantity by its title, None where no run has it.
    """

    task: str
    pictures: dict[str, Markup | None]


def save_page(summaries: Sequence[RunSummary], path: Path, datasets: Mapping[str, Dataset]) -> None:
    """Write the page.

    Args:
        summaries: of one run or more, each with a name of its own.
        path: the file, new or such a page.
        datasets: the data sets that are at hand, by their names, or by those of the runs that are theirs; of
            another one the page shows what the runs have kept themselves.

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
    of_runs = [datasets.get(each.name, datasets.get(each.run.config.data)) for each in summaries]
    contents = {
        id(data): contents_of(data)
        for summary, data in zip(summaries, of_runs, strict=True)
        if data is not None and summary.run.contents is not None
    }
    entries = [
        make_entry(summary, number, data, contents.get(id(data)))
        for number, (summary, data) in enumerate(zip(summaries, of_runs, strict=True))
    ]
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
        metrics=list(dict.fromkeys(name for entry in entries if entry.test for name in entry.test.metrics)),
        main=MAIN,
        curves=make_curves(summaries),
        notes=group_notes(summaries),
        differences=differences,
        recipe_differences=[name for name in differences if name.startswith("recipe.")],
        shared={
            name: value for values in settings for name, value in values.items() if name not in differences
        },
    )


def make_entry(summary: RunSummary, index: int, data: Dataset | None, contents: Contents | None) -> Entry:
    """What the page says of the index-th run, but for the reading that it shares with others."""
    colour, dashes = run_style(index)
    entry = Entry(summary, PAGE_COLOURS[colour], dashes)
    task = summary.run.config.task
    of_examples = OF_EXAMPLES[task]
    examined = examine(summary.run, data, contents)
    if isinstance(examined, Examination):
        entry.examined = examined
        entry.test = judge(summary, examined.evaluation, len(examined.data.test))
        entry.results = examined.draw(RESULTS[task], f"result-{index + 1}")
        if of_examples is not None and task != "classify":
            entry.reading = examined.draw([of_examples], f"reading-{index + 1}")[0].drawn
    else:
        entry.missing = examined
        entry.test = judge(summary, None, None)
        names = (*(() if summary.run.config.numbers else ("confusion",)), *RESULTS[task])
        kept = [kept_picture(summary.run, name, summary.name) for name in names]
        entry.results = [picture for picture in kept if picture is not None]
        if of_examples and (picture := kept_picture(summary.run, of_examples, summary.name)):
            entry.reading = picture.drawn
    return entry


def add_readings(entries: Sequence[Entry]) -> None:
    """Let all runs of one data set, which have to tell its classes, read the same example of it."""
    groups: dict[int, list[tuple[Entry, Examination, str]]] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.examined is not None and entry.examined.data.task == "classify":
            member = (entry, entry.examined, f"reading-{number}")
            groups.setdefault(id(entry.examined.data), []).append(member)
    for members in groups.values():
        together, examinations, names = zip(*members, strict=True)
        for entry, picture in zip(together, draw_readings(examinations, names), strict=True):
            entry.reading = picture


def make_curves(summaries: Sequence[RunSummary]) -> list[CurveGroup]:
    """The curves of the runs of each task, which share axes, in the order of the runs."""
    groups = []
    for task in dict.fromkeys(summary.run.config.task for summary in summaries):
        runs = [summary.epochs if summary.run.config.task == task else [] for summary in summaries]
        if not any(runs):
            continue
        pictures: dict[str, Markup | None] = {}
        for key in curve_keys(task, runs):
            title = curve_title(key)
            with page_colours():
                figure = draw_runs(runs, key)
                name = f"curve-{task}-{key.replace('_', '-')}"
                pictures[title] = as_svg(figure, name, title) if figure is not None else None
        groups.append(CurveGroup(task, pictures))
    return groups


def curve_keys(task: str, runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """The quantities of epochs that have curves, in their order."""
    main = MAIN[task]
    measured = dict.fromkeys(name for epochs in runs for line in epochs for name in of_epoch(line))
    others = [name for name in measured if name != main]
    return [
        "loss",
        main,
        *(f"{OF_VALIDATION}{name}" for name in ("loss", main, *others)),
        "learning_rate",
    ]


def curve_title(key: str) -> str:
    """What a curve shows.

    >>> curve_title("rmse"), curve_title("validation_mase")
    ('RMSE on the training examples, over each epoch, while it learns', 'Validation MASE after each epoch')
    """
    if key == "learning_rate":
        return "Learning rate at the end of each epoch"
    if key.startswith(OF_VALIDATION):
        return f"Validation {label(key.removeprefix(OF_VALIDATION))} after each epoch"
    name = label(key)
    return f"{name[0].upper()}{name[1:]} on the training examples, over each epoch, while it learns"


def group_notes(summaries: Sequence[RunSummary]) -> list[tuple[DataNote, list[str]]]:
    """What there is to say of data, each once, with the names of the runs that it is of."""
    groups: list[tuple[DataNote, list[str]]] = []
    for summary in summaries:
        note = note_data(summary)
        same = next((names for other, names in groups if other == note), None)
        if same is None:
            groups.append((note, [summary.name]))
        else:
            same.append(summary.name)
    return groups


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
        "label": label,
        "measure": lambda value, name: shown(name, value),
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
