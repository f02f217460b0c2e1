"""`unrolled evaluate`: what trained networks predict correctly."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from unrolled.cli import completion
from unrolled.cli.options import DataDir, Device, Threads
from unrolled.errors import UnrolledError, unknown_name

if TYPE_CHECKING:
    from unrolled.cli.terminal import Terminal
    from unrolled.data import Examples
    from unrolled.training import Evaluation, Run
    from unrolled.training.tasks import Task

SPLITS = ("train", "validation", "test")


class Asked(NamedTuple):
    """What runs are measured on.

    Attributes:
        examples: which their networks read.
        task: what is asked of each of them.
        what: what to call them.
    """

    examples: Examples
    task: Task
    what: str


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What `unrolled evaluate` is told."""

    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders; by default the newest in runs/.",
            show_default=False,
            autocompletion=completion.one_of(completion.runs),
        ),
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            help="Another data set than the run's: sample, mnist, fashion-mnist, a folder of arrays, or a "
            "file or folder of the kind that the run was trained on.",
            autocompletion=completion.data,
        ),
    ] = None
    data_dir: DataDir = None
    split: Annotated[
        str,
        typer.Option(
            help="Which examples: train, validation or test.", autocompletion=completion.words(*SPLITS)
        ),
    ] = "test"
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble", help="Let all the runs answer together, by the mean of what their networks say."
        ),
    ] = False
    threads: Threads = None
    device: Device = "cpu"


def evaluate(options: EvaluateOptions) -> None:
    """Measure what a trained network predicts correctly: in all, and for each class.

    Of classes it says, too, how far its calibrated confidence is from its accuracy: the expected calibration
    error, over 15 bins of equal width.

    With --ensemble the runs answer together: what is measured is the mean of their calibrated probabilities,
    or of the numbers that they predict.

    [bold]examples:[/bold]

        unrolled evaluate
        unrolled evaluate runs/single-layer-dynamic-lstm-1 --split validation
        unrolled evaluate runs/full --data mnist --data-dir ~/mnist
        unrolled evaluate runs/visits --data visits-of-may.csv
        unrolled evaluate runs/first runs/second runs/third --ensemble
    """
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.training.run import newest

    if options.split not in SPLITS:
        raise unknown_name("split", options.split, SPLITS)
    set_threads(options.threads)
    check_device(options.device)
    terminal, one_by_one = Terminal(), OneByOne()
    if options.ensemble:
        evaluate_together(options.runs or [], options, terminal)
        return
    for folder in options.runs or [newest(Path("runs"))]:
        with one_by_one.each():
            evaluate_run(folder, options, terminal)
    one_by_one.settle()


def evaluate_run(folder: Path, options: EvaluateOptions, terminal: Terminal) -> None:
    """Measure one run's network, and print what came of it.

    Raises:
        UnrolledError: the run is damaged, or the examples are not there or do not fit it.
    """
    from unrolled import training
    from unrolled.cli.calibration import note_calibration
    from unrolled.training.calibration import calibrated
    from unrolled.training.judge import Judge
    from unrolled.training.metrics import flat_labels
    from unrolled.training.tasks import Classify

    run = training.Run.open(folder)
    network = run.load_network().to(options.device)
    asked = asked_of(run, options, terminal)
    result = training.evaluate(network, asked.examples, asked.task)
    if isinstance(asked.task, Classify):
        judge = Judge.of(run)
        result = calibrated(result, flat_labels(asked.examples), judge.temperature)
        note_calibration(run, judge)
    show(result, asked, run.config.classes, options.split, terminal)
    terminal.print(f"{options.split} {asked.task.verdict(result.metrics)}  {run.folder}")


def evaluate_together(folders: Sequence[Path], options: EvaluateOptions, terminal: Terminal) -> None:
    """Measure what several runs' networks say together, and print it, with what each says by itself.

    Raises:
        UnrolledError: there are less than two, one is damaged, or it does not fit the first one or its data.
    """
    from unrolled import training
    from unrolled.cli.calibration import note_calibration
    from unrolled.training.calibration import calibrated
    from unrolled.training.judge import Judge
    from unrolled.training.metrics import flat_labels
    from unrolled.training.tasks import Classify

    if len(folders) < 2:
        raise UnrolledError(
            f"--ensemble came with {len(folders)} run{'s' * (len(folders) != 1)}, expected at least two: "
            "name them, `unrolled evaluate RUN RUN --ensemble`, or leave --ensemble out"
        )
    runs = [training.Run.open(folder) for folder in folders]
    for run in runs[1:]:
        check_split(run, runs[0], options)
    asked = asked_of(runs[0], options, terminal)
    result, members = training.evaluate_ensemble(runs, asked.examples, asked.task, device=options.device)
    if isinstance(asked.task, Classify):
        result = calibrated(result, flat_labels(asked.examples), temperature=1.0)  # each has had its own
        for run in runs:
            note_calibration(run, Judge.of(run))
    show(result, asked, runs[0].config.classes, options.split, terminal)
    for run, member in zip(runs, members, strict=True):
        terminal.print(f"{options.split} {asked.task.verdict(member.metrics)}  {run.folder}")
    terminal.print(f"{options.split} {asked.task.verdict(result.metrics)}  ensemble of {len(runs)} runs")


def check_split(run: Run, first: Run, options: EvaluateOptions) -> None:
    """Raise an UnrolledError if a run was trained on what the first one's data hold out to measure it by."""
    ours, theirs = run.config, first.config
    if ours.data != theirs.data or not is_of(first, options.data or theirs.data):
        return
    splits = [(name, ours.options.get(name), theirs.options.get(name)) for name in ("test", "split_by")]
    if options.split == "validation":
        splits.append(("validation", ours.validation, theirs.validation))
    for name, came, expected in splits:
        if came != expected:
            raise UnrolledError(
                f"{run.folder} splits its data otherwise, and may have been trained on what is measured: "
                f"{name} is {came!r}, expected {expected!r}, as of {first.folder}: leave it out"
            )


def asked_of(run: Run, options: EvaluateOptions, terminal: Terminal) -> Asked:
    """What a run is measured on.

    Raises:
        UnrolledError: there are no examples, they do not fit it, or a number of them is not finite.
    """
    asked = examples_for(run, options, terminal)
    if len(asked.examples) == 0:
        raise UnrolledError(f"{asked.what} are no examples: choose another --split")
    asked.examples.check_finite(options.split)
    return asked


def is_of(run: Run, data: str) -> bool:
    """Whether that is the name of the data that a run was trained on."""
    return run.config.data in (data, os.path.abspath(data))


def examples_for(run: Run, options: EvaluateOptions, terminal: Terminal) -> Asked:
    """The examples that a run is measured on, before a look at them."""
    from unrolled import data as datasets
    from unrolled.training.again import Again
    from unrolled.training.data_file import DataRecord
    from unrolled.training.run_config import NO_DATA
    from unrolled.training.tasks import task_of

    config = run.config
    name = config.data if options.data is None else options.data
    if name == NO_DATA:
        raise UnrolledError(f"{run.folder} was imported, and says nothing of data: name some with --data")
    is_its_own = is_of(run, name)
    preparation = DataRecord.load(run.folder).preparation
    if not is_its_own and preparation is not None and preparation.reading and name not in datasets.DATASETS:
        again = Again(run)
        return Asked(again.read(name, labelled=True).examples, again.task, name)
    # What was imported reads numbers as they are.
    others = {"standardize": False} if config.data == NO_DATA else {}
    data = datasets.load(
        name,
        options.data_dir,
        validation=config.validation if is_its_own else None,  # others have examples of their own for that
        options=datasets.DataOptions.from_dict(config.options if is_its_own else others),
    )
    reads = (config.network.input_size, config.network.classes)
    gives = (data.train.width, task_of(data).outputs)
    if reads != gives or config.task != data.task:
        ours, theirs = ("numbers" if numbers else "classes" for numbers in (config.numbers, data.numbers))
        raise UnrolledError(
            f"{run.folder} reads steps of {reads[0]} into {reads[1]} {ours}, but {data.name} has steps of "
            f"{gives[0]} and {gives[1]} {theirs}: choose other data with --data"
        )
    try:
        if note := about_classes(config.classes, data.classes):
            terminal.print(f"note: {run.folder} and {data.name} {note}")
    except UnrolledError as error:
        raise UnrolledError(f"{run.folder} and {data.name} have other classes: {error}") from error
    return Asked(getattr(data, options.split), task_of(data), f"{data.name}, {options.split}")


def show(result: Evaluation, asked: Asked, classes: Sequence[str], split: str, terminal: Terminal) -> None:
    """All of an evaluation but its verdict."""
    if classes:
        show_classes(classes, asked.examples, result, asked.what, terminal)
    terminal.print(f"{split} loss {result.loss:.4f}")
    for line in asked.task.details(result.metrics):
        terminal.print(f"{split} {line}")


def show_classes(
    classes: Sequence[str], examples: Examples, result: Evaluation, what: str, terminal: Terminal
) -> None:
    """How well each class is told from the others."""
    from unrolled.training.metrics import confusion_matrix, flat_labels

    matrix = confusion_matrix(flat_labels(examples), result.predictions, len(classes))
    rows = []
    for index, name in enumerate(classes):
        count, claimed = int(matrix[index].sum()), int(matrix[:, index].sum())
        correct = int(matrix[index, index])
        recall, precision = correct / max(count, 1), correct / max(claimed, 1)
        rows.append((name, f"{count:,}", f"{correct:,}", f"{recall:.4f}", f"{precision:.4f}"))
    headings = ("class", "examples", "correct", "recall", "precision")
    terminal.print_table(headings, rows, what, right=headings[1:])


def about_classes(of_run: Sequence[str], of_data: Sequence[str]) -> str:
    """What to say of classes, as many here as there, whose names differ; nothing if they are the same.

    Names beside mere numbers from 0 are the same classes in the same order. Whatever else differs would be
    counted as correct or wrong without being either.

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
