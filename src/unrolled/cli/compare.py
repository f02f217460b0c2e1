"""`unrolled compare`: several networks under one budget, in one table."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from unrolled.atomic import atomic_folder, atomic_path
from unrolled.cli import completion
from unrolled.cli.options import TrainingOptions
from unrolled.errors import UnrolledError
from unrolled.names import as_markdown
from unrolled.networks.catalogue import CATALOGUE
from unrolled.training.lock import LOCK

if TYPE_CHECKING:
    from unrolled.cli.terminal import Terminal
    from unrolled.training import Run

TUTORIAL_NETWORKS = 14
COMPARISON, TABLE = "comparison.json", "comparison.md"


class Row(NamedTuple):
    """One network of the comparison: the task's metric, times in seconds, per step in milliseconds."""

    network: str
    parameters: int
    metric: str
    validation: float | None
    test: float
    seconds: float
    step_ms: float


class Comparison(NamedTuple):
    """All networks so far, and what they have in common."""

    data: str
    recipe: dict[str, Any]
    seed: int
    networks: list[str]
    rows: list[Row]

    @property
    def title(self) -> str:
        metric = self.rows[0].metric if self.rows else "accuracy"
        return f"{len(self.rows)} networks on {self.data}, seed {self.seed}: {metric.replace('_', ' ')}"


@dataclasses.dataclass(frozen=True)
class CompareOptions(TrainingOptions):
    """What `unrolled compare` is told."""

    networks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names from `unrolled networks`; by default the first 14.",
            show_default=False,
            autocompletion=completion.one_of(completion.networks),
        ),
    ] = None
    run: Annotated[
        Path | None, typer.Option(help="The folder to make; by default runs/compare-<number>.")
    ] = None
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the comparison in this folder that was stopped or killed.",
            autocompletion=completion.one_of(completion.comparisons),
        ),
    ] = None


def compare(options: CompareOptions) -> None:
    """Train several networks, each with the same recipe, budget and seed, and print one table.

    The table is saved as comparison.md and comparison.json, beside a run folder for each network. A
    comparison that was stopped or killed goes on with --resume.

    [bold]examples:[/bold]

        unrolled compare
        unrolled compare seed-000 seed-003 seed-004 --epochs 5
        unrolled compare --resume runs/compare-1
    """
    from unrolled.cli.what_to_train import check_only_resumed
    from unrolled.training.keeping import held_folder
    from unrolled.training.run import next_free

    made: list[Path] = []
    if options.resume is not None:
        check_only_resumed(options, options.resume, COMPARISON)
        folder, names = options.resume, read_names(options.resume)
    else:
        folder = options.run or next_free("runs", "compare")
        names = list(dict.fromkeys(options.networks or list(CATALOGUE)[:TUTORIAL_NETWORKS]))
        made = begin(folder, names, options)
    with held_folder(folder):
        train_all(folder, names, options, made)


def begin(folder: Path, names: Sequence[str], options: CompareOptions) -> list[Path]:
    """Make the folder with a run for each network, as it was asked for, before torch and data are there.

    Returns:
        The folders that were made, the innermost first.
    """
    from unrolled.cli.what_to_train import run_config
    from unrolled.training.run import Run, check_free

    check_free(folder)
    configs = [run_config(options, name) for name in names]
    recipe = dataclasses.asdict(configs[0].recipe)
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder) as place:
            for config in configs:
                Run.create(place / config.network.name, config)
            save_record(Comparison(configs[0].data, recipe, options.seed, list(names), []), place)
    except OSError as error:
        raise UnrolledError(
            f"cannot make the folder {folder}: {error.strerror or error}: choose another with --run"
        ) from error
    return made


def read_names(folder: Path) -> list[str]:
    """The networks of a comparison that was begun.

    Raises:
        UnrolledError: there is none in the folder, or it is damaged.
    """
    from unrolled.foreign import MissingFileError
    from unrolled.training.run_file import parse_json, read_text

    path = folder / COMPARISON
    try:
        values = parse_json(read_text(path))
        names = values["networks"]
        if not (isinstance(names, list) and names and all(name in CATALOGUE for name in names)):
            raise ValueError("its networks are no names of the catalogue")
    except MissingFileError:
        raise UnrolledError(f"{folder} is no comparison: it has no {COMPARISON}") from None
    except UnrolledError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UnrolledError(f"{path} is damaged: {error}") from error
    return names


def train_all(folder: Path, names: Sequence[str], options: CompareOptions, made: Sequence[Path]) -> None:
    """Train what is not finished of a comparison, and show all of it. `made` goes if it cannot begin."""
    from unrolled import data as datasets
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.progress import TrainingProgress
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.training import Run
    from unrolled.training.keeping import reopened
    from unrolled.training.metrics_file import is_of_test
    from unrolled.training.session import go_on
    from unrolled.training.tasks import KINDS

    one_by_one = OneByOne()
    runs: list[Run] = []
    for name in names:
        with one_by_one.each():
            runs.append(Run.open(folder / name))
    if not runs:
        one_by_one.settle()
    asked = runs[0].config
    try:
        set_threads(options.threads)
        device = check_device(options.device)
        data_dir = options.data_dir or (Path(asked.data_dir) if asked.data_dir else None)
        data = datasets.load(
            asked.data,
            data_dir,
            validation=asked.validation,
            options=datasets.DataOptions.from_dict(asked.options),
        )
    except BaseException:
        if options.resume is None:
            discard(folder, runs, made)
        raise

    console = Terminal()
    for note in data.notes:
        console.print(f"note: {note}")
    comparison = Comparison(data.name, dataclasses.asdict(asked.recipe), asked.seed, list(names), [])
    for run in runs:
        with one_by_one.each():
            if is_new := not any(map(is_of_test, run.metrics())):
                with reopened(run.folder) as run:
                    run.config = run.config.completed(data)
                    with TrainingProgress(console, run.config, data) as progress:
                        go_on(run, data, device=device, on_step=progress.on_step, say=progress.say)
            row = make_row(run)
            if is_new:
                task = KINDS[run.config.task]
                console.print(f"  test {task.label} {task.shown(row.test)} in {row.seconds:.1f} s")
            comparison.rows.append(row)
            save(comparison, folder)
    if comparison.rows:
        console.print()
        show(comparison, console)
        console.print(f"saved as {folder / TABLE} and {COMPARISON}")
    one_by_one.settle()


def discard(folder: Path, runs: Sequence[Run], made: Sequence[Path]) -> None:
    """Remove what `begin` made, and nothing else."""
    for run in runs:
        run.discard()
        with contextlib.suppress(OSError):
            run.folder.rmdir()
    for name in (COMPARISON, TABLE, LOCK):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        for path in made:
            path.rmdir()


def make_row(run: Run) -> Row:
    """The comparison's row of a finished training, from its record."""
    from unrolled.networks import SequenceClassifier
    from unrolled.training.metrics_file import is_of_test
    from unrolled.training.tasks import KINDS

    metric = KINDS[run.config.task].metric
    *epochs, test = (line for line in run.metrics() if "epoch" in line or is_of_test(line))
    best = [line for line in epochs if line.get("best")][-1]
    return Row(
        network=run.config.network.name,
        parameters=SequenceClassifier.outline(run.config.cells).parameter_count,
        metric=metric,
        validation=best.get(f"validation_{metric}"),
        test=test[f"test_{metric}"],
        seconds=test["seconds"],
        step_ms=1000 * test["seconds"] / epochs[-1]["step"],
    )


HEADINGS = ("network", "parameters", "validation", "test", "seconds", "ms/step")


def cells(row: Row) -> list[str]:
    """The row as it is shown."""
    from unrolled.training.tasks import KINDS

    shown = next(kind.shown for kind in KINDS.values() if kind.metric == row.metric)
    validation = "-" if row.validation is None else shown(row.validation)
    return [
        row.network,
        f"{row.parameters:,}",
        validation,
        shown(row.test),
        f"{row.seconds:.1f}",
        f"{row.step_ms:.2f}",
    ]


def show(comparison: Comparison, console: Terminal) -> None:
    """Print the table."""
    console.print_table(
        HEADINGS, [cells(row) for row in comparison.rows], comparison.title, right=HEADINGS[1:]
    )


def save(comparison: Comparison, folder: Path) -> None:
    """Write comparison.md and comparison.json."""
    from unrolled.report.summary import flatten

    recipe = [f"{key} {value}" for key, value in flatten(comparison.recipe).items() if value not in (None, 0)]
    lines = [
        f"# {as_markdown(comparison.title)}",
        "",
        f"Recipe: {', '.join(recipe)}.",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---|" + "---:|" * (len(HEADINGS) - 1),
        *("| " + " | ".join(cells(row)) + " |" for row in comparison.rows),
    ]
    with atomic_path(folder / TABLE) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    save_record(comparison, folder)


def save_record(comparison: Comparison, folder: Path) -> None:
    """Write comparison.json."""
    values = {**comparison._asdict(), "rows": [row._asdict() for row in comparison.rows]}
    with atomic_path(folder / COMPARISON) as path:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
