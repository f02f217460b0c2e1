"""`unrolled report`: one page about one or several runs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli import completion
from unrolled.cli.options import DataDir, Threads
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.data import Dataset
    from unrolled.report import RunSummary
    from unrolled.training import RunConfig

NAME = "report.html"


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """What `unrolled report` is told."""

    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders, or folders of runs such as `unrolled compare` makes; by default the newest "
            "in runs/.",
            show_default=False,
            autocompletion=completion.one_of(completion.runs_and_comparisons),
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; by default report.html in the folder, or of several in the one that "
            "holds them all."
        ),
    ] = None
    svg: Annotated[
        bool,
        typer.Option(
            "--svg",
            help="Also draw each run's pictures anew as vector graphics, NAME.svg in its folder; its data "
            "must be at hand.",
        ),
    ] = False
    data_dir: DataDir = None
    threads: Threads = None


def report(options: ReportOptions) -> None:
    """Compare runs in one HTML page that opens without a network.

    Numbers, curves in common axes, what each network predicts, how each reads one example, what was done to
    the data, and the configurations side by side. Nothing is downloaded: without the data, the page shows
    the pictures that the runs have kept.

    [bold]examples:[/bold]

        unrolled report
        unrolled report runs/compare-1
        unrolled report runs/first runs/second --output both.html
        unrolled report runs/first --svg
    """
    from unrolled.cli.machine import set_threads
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.report import save_page, save_vectors
    from unrolled.report.page import check_output
    from unrolled.training.run import newest

    arguments = options.runs or [newest(Path("runs"))]
    output = options.output or default_output(arguments)
    check_output(output)
    set_threads(options.threads)
    one_by_one = OneByOne()
    folders: list[Path] = []
    for argument in arguments:
        with one_by_one.each():
            folders += find_runs(argument)
    summaries: list[RunSummary] = []
    for name, folder in name_folders(folders).items():
        with one_by_one.each():
            summaries.append(read_run(folder, name))
    datasets: dict[str, Dataset] = {}
    opened: dict[str, Dataset | None] = {}
    for summary in summaries:
        config = summary.run.config
        same = repr((config.data, config.options, config.validation))
        if same not in opened:
            opened[same] = None
            with one_by_one.each():
                opened[same] = data_at_hand(config, options.data_dir)
        if (data := opened[same]) is not None:
            datasets[summary.name] = data
    if summaries:
        save_page(summaries, output, datasets)
        Terminal().print(f"report  {output}")
    for summary in summaries if options.svg else ():
        with one_by_one.each():
            paths = save_vectors(summary.run, datasets.get(summary.name))
            Terminal().print("pictures: " + "  ".join(str(path) for path in paths))
    one_by_one.settle()


def read_run(folder: Path, name: str) -> RunSummary:
    """Sum up a run, all of whose files are whole.

    Raises:
        UnrolledError: one is damaged.
    """
    from unrolled.report import summarize
    from unrolled.training import Run
    from unrolled.training.run import WEIGHTS

    run = Run.open(folder)
    if (folder / WEIGHTS).exists():
        run.load_weights()
    return summarize(run, name)


def find_runs(folder: Path) -> list[Path]:
    """The folder itself if it is a run, else all the runs in it.

    Raises:
        UnrolledError: there is none.
    """
    from unrolled.training.run import CONFIG

    if not folder.is_dir() or (folder / CONFIG).exists():
        return [folder]
    runs = sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
    if not runs:
        raise UnrolledError(
            f"{folder} is neither a run folder nor one of runs: no {CONFIG} in it, nor one level below"
        )
    return runs


def name_folders(folders: Sequence[Path]) -> dict[str, Path]:
    """Each folder once, as it was given, by its path from the folder that holds them all; one by its name."""
    if not folders:
        return {}
    once: dict[Path, Path] = {}
    for folder in folders:
        once.setdefault(folder.resolve(), folder)
    parent = common_parent(list(once))
    return {str(where.relative_to(parent)): folder for where, folder in once.items()}


def common_parent(folders: Sequence[Path]) -> Path:
    """The nearest folder that holds all of these, none of which it is itself."""
    return Path(os.path.commonpath([folder.parent for folder in folders]))


def default_output(arguments: Sequence[Path]) -> Path:
    """Where the report goes if nobody says.

    Raises:
        UnrolledError: the folders have nothing in common but the root.
    """
    if len(arguments) == 1:
        return arguments[0] / NAME
    parent = common_parent([argument.resolve() for argument in arguments])
    if parent == parent.parent:
        raise UnrolledError("the runs have no folder in common: say with --output where the report shall be")
    return Path(os.path.relpath(parent / NAME))


def data_at_hand(config: RunConfig, data_dir: Path | None) -> Dataset | None:
    """A run's data set, None if it is unknown here or would have to be downloaded."""
    from unrolled import data as datasets

    name = config.data
    if name in datasets.DATASETS:
        place = None if name == "sample" else data_dir
        return datasets.load(name, place) if datasets.locate(name, place) else None
    if not os.path.isabs(name) or not os.path.exists(
        name
    ):  # a run remembers where its files are from the root on
        return None
    said = datasets.DataOptions.from_dict(config.options)
    return datasets.load(name, validation=config.validation, options=said)
