"""`unrolled evaluate`: what trained networks get right."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
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
    from unrolled.training.metrics import flat_labels
    from unrolled.training.run_config import NO_DATA
    from unrolled.training.tasks import task_of

    run = training.Run.open(folder)
    network = run.load_network().to(options.device)
    name = run.config.data if options.data is None else options.data
    if name == NO_DATA:
        raise UnrolledError(f"{run.folder} was imported, and says nothing of data: name some with --data")
    is_its_own = run.config.data in (name, os.path.abspath(name))
    held_out = run.config.validation if is_its_own else None  # other data have examples of their own for that
    data = datasets.load(name, options.data_dir, validation=held_out)
    examples = getattr(data, options.split)
    reads = (run.config.network.input_size, run.config.network.classes)
    width, classes = examples.width, len(data.classes)
    if reads != (width, classes):
        raise UnrolledError(
            f"{run.folder} reads steps of {reads[0]} into {reads[1]} classes, "
            f"but {data.name} has steps of {width} and {classes} classes: choose other data with --data"
        )
    try:
        if note := about_classes(run.config.classes, data.classes):
            terminal.print(f"note: {run.folder} and {data.name} {note}")
    except UnrolledError as error:
        raise UnrolledError(f"{run.folder} and {data.name} have other classes: {error}") from error
    if len(examples) == 0:
        raise UnrolledError(f"{data.name} has no {options.split} examples: choose another --split")

    examples.check_finite(options.split)
    result = training.evaluate(network, examples)
    matrix = training.confusion_matrix(flat_labels(examples), result.predictions, classes)
    rows = []
    for index, name in enumerate(data.classes):
        count, claimed = int(matrix[index].sum()), int(matrix[:, index].sum())
        right = int(matrix[index, index])
        recall, precision = right / max(count, 1), right / max(claimed, 1)
        rows.append((name, f"{count:,}", f"{right:,}", f"{recall:.4f}", f"{precision:.4f}"))
    headings = ("class", "examples", "right", "recall", "precision")
    terminal.print_table(headings, rows, f"{data.name}, {options.split}", right=headings[1:])
    terminal.print(f"{options.split} loss {result.loss:.4f}")
    terminal.print(f"{options.split} {task_of(data).verdict(result.metrics)}  {run.folder}")


def about_classes(of_run: Sequence[str], of_data: Sequence[str]) -> str:
    """What to say of classes, as many here as there, whose names differ; nothing if they are the same.

    Names beside mere numbers from 0 are the same classes in the same order. Whatever else differs would be
    counted as right or wrong without being either.

    Raises:
        UnrolledError: the names contradict each other.

    >>> about_classes(["cat", "dog"], ["0", "1"])
    'name their classes differently: cat is taken for 0, dog is taken for 1'
    """
    differing = [(ours, theirs) for ours, theirs in zip(of_run, of_data, strict=True) if ours != theirs]
    if not differing:
        return ""
    numbers = [str(number) for number in range(len(of_run))]
    for numbered, named in ((of_run, of_data), (of_data, of_run)):
        if list(numbered) == numbers and not any(name.lstrip("-").isdecimal() for name in named):
            pairs = ", ".join(f"{ours} is taken for {theirs}" for ours, theirs in differing)
            return f"name their classes differently: {pairs}"
    number = [*of_run].index(differing[0][0])
    raise UnrolledError(
        f"number {number} is {differing[0][0]!r} in the run and {differing[0][1]!r} in the data, expected "
        "the same names in the same order: choose other data with --data, or name them in its classes.txt"
    )
