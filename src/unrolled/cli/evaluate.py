"""`unrolled evaluate`: what trained networks get right."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import DataDir, Device, Threads
from unrolled.errors import UnrolledError, unknown_name

if TYPE_CHECKING:
    from unrolled.cli.terminal import Terminal

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What `unrolled evaluate` is told."""

    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folders; by default the newest in runs/.", show_default=False),
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
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.training.run import newest

    if options.split not in SPLITS:
        raise unknown_name("split", options.split, SPLITS)
    set_threads(options.threads)
    check_device(options.device)
    terminal, one_by_one = Terminal(), OneByOne()
    for folder in options.runs or [newest(Path("runs"))]:
        with one_by_one.each():
            evaluate_run(folder, options, terminal)
    one_by_one.settle()


def evaluate_run(folder: Path, options: EvaluateOptions, terminal: Terminal) -> None:
    """Measure one run's network, and print what came of it.

    Raises:
        UnrolledError: the run is damaged, or the examples are not there or do not fit it.
    """
    from unrolled import data as datasets
    from unrolled import training

    run = training.Run.open(folder)
    network = run.load_network().to(options.device)
    data = datasets.load(options.data or run.config.data, options.data_dir, validation=run.config.validation)
    examples = getattr(data, options.split)
    reads = (run.config.network.input_size, run.config.network.classes)
    width, classes = examples.sequences.shape[2], len(data.classes)
    if reads != (width, classes):
        raise UnrolledError(
            f"{run.folder} reads steps of {reads[0]} into {reads[1]} classes, "
            f"but {data.name} has steps of {width} and {classes} classes: choose other data with --data"
        )
    if len(examples) == 0:
        raise UnrolledError(f"{data.name} has no {options.split} examples: choose another --split")

    result = training.evaluate(network, examples)
    matrix = training.confusion_matrix(examples.labels, result.predictions, classes)
    rows = []
    for index, name in enumerate(data.classes):
        count, claimed = int(matrix[index].sum()), int(matrix[:, index].sum())
        right = int(matrix[index, index])
        recall, precision = right / max(count, 1), right / max(claimed, 1)
        rows.append((name, f"{count:,}", f"{right:,}", f"{recall:.4f}", f"{precision:.4f}"))
    headings = ("class", "examples", "right", "recall", "precision")
    terminal.print_table(headings, rows, f"{data.name}, {options.split}", right=headings[1:])
    terminal.print(f"{options.split} loss {result.loss:.4f}")
    terminal.print(f"{options.split} accuracy {result.accuracy:.4f}  {run.folder}")
