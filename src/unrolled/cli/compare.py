"""`unrolled compare`: several networks under one budget, in one table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from unrolled.atomic import atomic_path
from unrolled.cli.options import TrainingOptions
from unrolled.names import as_markdown

if TYPE_CHECKING:
    from unrolled.cli.terminal import Terminal
    from unrolled.training import Outcome

TUTORIAL_NETWORKS = 14


class Row(NamedTuple):
    """One network of the comparison: times in seconds, per step in milliseconds."""

    network: str
    parameters: int
    validation_accuracy: float | None
    test_accuracy: float
    seconds: float
    step_ms: float


class Comparison(NamedTuple):
    """All networks so far, and what they have in common."""

    data: str
    recipe: dict[str, Any]
    seed: int
    rows: list[Row]

    @property
    def title(self) -> str:
        return f"{len(self.rows)} networks on {self.data}, seed {self.seed}"


@dataclasses.dataclass(frozen=True)
class CompareOptions(TrainingOptions):
    """What `unrolled compare` is told."""

    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Names from `unrolled networks`; by default the first 14.", show_default=False),
    ] = None
    run: Annotated[
        Path | None, typer.Option(help="The folder to make; by default runs/compare-<number>.")
    ] = None


def compare(options: CompareOptions) -> None:
    """Train several networks, each with the same recipe, budget and seed, and print one table.

    The table is saved as comparison.md and comparison.json, beside a run folder for each network.

    [bold]examples:[/bold]

        unrolled compare
        unrolled compare seed-000 seed-003 seed-004 --epochs 5
    """
    from unrolled import data as datasets
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.progress import TrainingProgress
    from unrolled.cli.terminal import Terminal
    from unrolled.cli.what_to_train import fit_to_data, run_config
    from unrolled.networks import CATALOGUE
    from unrolled.training import train_run
    from unrolled.training.run import check_free, next_free

    folder = options.run or next_free(Path("runs"), "compare")
    check_free(folder)
    names = list(dict.fromkeys(options.networks or list(CATALOGUE)[:TUTORIAL_NETWORKS]))
    configs = [run_config(options, name) for name in names]
    set_threads(options.threads)
    device = check_device(options.device)
    data = datasets.load(configs[0].data, options.data_dir, validation=options.validation)

    console = Terminal()
    comparison = Comparison(data.name, dataclasses.asdict(configs[0].recipe), options.seed, [])
    for config in configs:
        config = fit_to_data(config, data)
        with TrainingProgress(console, config, data) as progress:
            outcome = train_run(
                folder / config.network.name, config, data, device=device, on_step=progress.on_step
            )
        row = make_row(outcome)
        console.print(f"  test accuracy {row.test_accuracy:.4f} in {row.seconds:.1f} s")
        comparison.rows.append(row)
        save(comparison, folder)
    console.print()
    show(comparison, console)
    console.print(f"saved as {folder / 'comparison.md'} and comparison.json", markup=False)


def make_row(outcome: Outcome) -> Row:
    """The comparison's row of one training."""
    epochs = [line for line in outcome.run.metrics() if "epoch" in line]
    best = max((line for line in epochs if line["best"]), key=lambda line: line["epoch"])
    return Row(
        network=outcome.run.config.network.name,
        parameters=outcome.network.parameter_count,
        validation_accuracy=best["validation_accuracy"],
        test_accuracy=outcome.test.accuracy,
        seconds=outcome.seconds,
        step_ms=1000 * outcome.seconds / epochs[-1]["step"],
    )


HEADINGS = ("network", "parameters", "validation", "test", "seconds", "ms/step")


def cells(row: Row) -> list[str]:
    """The row as it is shown."""
    validation = "-" if row.validation_accuracy is None else f"{row.validation_accuracy:.4f}"
    return [
        row.network,
        f"{row.parameters:,}",
        validation,
        f"{row.test_accuracy:.4f}",
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
    with atomic_path(folder / "comparison.md") as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    values = {**comparison._asdict(), "rows": [row._asdict() for row in comparison.rows]}
    with atomic_path(folder / "comparison.json") as path:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
