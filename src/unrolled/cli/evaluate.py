"""`unrolled evaluate`: what a trained network gets right."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import DataDir, Device, Threads
from unrolled.errors import UnrolledError, unknown_name

if TYPE_CHECKING:
    from unrolled.training import Run

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What `unrolled evaluate` is told."""

    run: Annotated[
        Path | None, typer.Argument(help="A run folder; by default the newest in runs/.", show_default=False)
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Another data set than the run's: sample, mnist, fashion-mnist or a folder of arrays."
        ),
    ] = None
    data_dir: DataDir = None
    split: Annotated[str, typer.Option(help="Which examples: train, validation or test.")] = "test"
    threads: Threads = None
    device: Device = "cpu"


def evaluate(options: EvaluateOptions) -> None:
    """Measure a trained network's accuracy, in all and for each class.

    [bold]examples:[/bold]

        unrolled evaluate
        unrolled evaluate runs/single-layer-dynamic-lstm-1 --split validation
        unrolled evaluate runs/full --data mnist --data-dir ~/mnist
    """
    from rich.console import Console
    from rich.table import Table

    from unrolled import data as datasets
    from unrolled import training
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.training.run import newest

    if options.split not in SPLITS:
        raise unknown_name("split", options.split, SPLITS)
    set_threads(options.threads)
    device = check_device(options.device)
    run = training.Run.open(options.run or newest(Path("runs")))
    network = run.load_network().to(device)
    data = datasets.load(options.data or run.config.data, options.data_dir, validation=run.config.validation)
    examples = getattr(data, options.split)
    check_fits(run, data.name, examples.sequences.shape[2], len(data.classes))
    if len(examples) == 0:
        raise UnrolledError(f"{data.name} has no {options.split} examples: choose another --split")

    result = training.evaluate(network, examples)
    matrix = training.confusion_matrix(examples.labels, result.predictions, len(data.classes))
    table = Table("class", "examples", "right", "recall", "precision", title=f"{data.name}, {options.split}")
    for index, name in enumerate(data.classes):
        count, claimed = int(matrix[index].sum()), int(matrix[:, index].sum())
        right = int(matrix[index, index])
        table.add_row(
            name, f"{count:,}", f"{right:,}", f"{right / max(count, 1):.4f}", f"{right / max(claimed, 1):.4f}"
        )
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(f"{options.split} loss {result.loss:.4f}")
    console.print(f"{options.split} accuracy {result.accuracy:.4f}  {run.folder}", markup=False)


def check_fits(run: Run, name: str, width: int, classes: int) -> None:
    """Raise an UnrolledError if a run's network cannot read such examples."""
    network = run.config.network
    if (network.input_size, network.classes) != (width, classes):
        raise UnrolledError(
            f"{run.folder} reads steps of {network.input_size} into {network.classes} classes, "
            f"but {name} has steps of {width} and {classes} classes: choose other data with --data"
        )
