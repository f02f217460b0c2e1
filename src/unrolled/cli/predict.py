"""`unrolled predict`: what a trained network says of files."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.cli.options import Device, Threads
from unrolled.errors import UnrolledError
from unrolled.names import pasteable

if TYPE_CHECKING:
    from unrolled.cli.answers import Answer
    from unrolled.training import Run
    from unrolled.training.judge import Judge

WIDTH = 28  # of what `read_digits` makes
DIGITS = ("sample", "mnist")  # the data sets of such digits


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """What `unrolled predict` is told."""

    files: Annotated[
        list[Path],
        typer.Argument(
            help="For a run on files or a folder: the same kind of files. For one on digits: PNG, JPEG or "
            "other images of one digit each, or IDX files of many."
        ),
    ]
    run: Annotated[
        Path | None,
        typer.Option(
            help="The run folder of the network; by default the newest in runs/.",
            autocompletion=completion.one_of(completion.runs),
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")] = (
        False
    )
    csv: Annotated[
        bool, typer.Option("--csv", help="CSV, with all probabilities; not for images of digits.")
    ] = False
    picture: Annotated[
        Path | None,
        typer.Option(
            help="A folder to write into what the network saw of each sequence, and a picture of how it "
            "read that, step by step; of a run that names classes.",
            show_default=False,
        ),
    ] = None
    threads: Threads = None
    device: Device = "cpu"


def predict(options: PredictOptions) -> None:
    """Say of each sequence in files what a trained network makes of it.

    Files are of the kind that the run was trained on, and are read and prepared as those were. A run on
    digits reads images: any size, dark on light or light on dark, on any paper. A file that cannot be read
    gets a line among the errors, the others their answers.

    Of a class there are the confidence, calibrated on examples that were held out, and the runner-up; "not
    sure" where the confidence is below 50 %; and "not a digit" (of other classes: "none of the classes")
    where a sequence is unlike those of the training.

    [bold]examples:[/bold]

        unrolled predict seven.png
        unrolled predict scan-*.jpg --run runs/full
        unrolled predict t10k-images-idx3-ubyte.gz --json
        unrolled predict mine.png --picture seen
        unrolled predict visits-of-today.csv --csv
        unrolled predict recordings/*.wav
    """
    from unrolled import training
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.training.data_file import DataRecord
    from unrolled.training.run import newest

    if options.json and options.csv:
        raise UnrolledError("--json and --csv came, expected one of them")
    set_threads(options.threads)
    check_device(options.device)
    run = training.Run.open(options.run or newest(Path("runs")))
    preparation = DataRecord.load(run.folder).preparation
    if preparation is not None and preparation.reading:
        predict_sequences(run, options)
    else:
        predict_digits(run, options)


def predict_sequences(run: Run, options: PredictOptions) -> None:
    """Answer for each sequence in the files."""
    from unrolled import training
    from unrolled.cli.answers import answers, class_answers, headings
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.cli.what_was_seen import Album
    from unrolled.training.again import Again
    from unrolled.training.judge import Judge

    terminal, one_by_one = Terminal(), OneByOne()
    again, config = Again(run), run.config
    network = run.load_network().to(options.device)
    names_classes = config.task == "classify"
    album = None
    if options.picture is not None:
        if not names_classes:
            raise UnrolledError(
                f"--picture is for runs that name a class, but {run.folder} is to {config.task}"
            )
        album = Album(options.picture, network, config.classes)
    judge = Judge.of(run) if names_classes else None
    if judge is not None:
        note_calibration(run, judge)

    def found() -> Iterator[Answer]:
        for path in options.files:
            with one_by_one.each():
                collection, examples = again.read(path)
                examples.check_finite(str(path))
                if judge is None:
                    said = training.evaluate(network, examples, again.task)
                    yield from answers(config, collection.names, examples.all_lengths(), said)
                    continue
                judgement = judge.judge(network, examples)
                yield from class_answers(config.classes, collection.names, judgement)
                if album is not None:
                    album.add(collection.names, examples, judge.temperature)

    if options.json:
        for answer in found():
            values = {"run": str(run.folder), **answer.values} if names_classes else answer.values
            terminal.print(json.dumps(values, ensure_ascii=False))
    elif options.csv:
        write_csv(row for answer in found() for row in answer.rows)
    else:
        columns = headings(config)
        rows = [row for answer in found() for row in answer.shown]
        if rows:
            terminal.print_table(columns, rows, f"{run.folder}, which was trained on {config.data}")
    one_by_one.settle()


def note_calibration(run: Run, judge: Judge) -> None:
    """Say so of a run that has no calibration."""
    from unrolled.cli.terminal import Terminal
    from unrolled.training.judge import uncalibrated

    if not judge.held_out:
        Terminal(stderr=True).print(f"note: {uncalibrated(run)}")


def write_csv(rows: Iterator[dict[str, Any]]) -> None:
    """Rows with the same columns, and a first line of their names."""
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, row, lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)


def predict_digits(run: Run, options: PredictOptions) -> None:
    """Read the digit in each image."""
    import torch

    from unrolled.cli.answers import class_answers, sentence
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.cli.what_was_seen import Album
    from unrolled.data import Examples, read_digits
    from unrolled.training.judge import Judge

    if options.csv:
        raise UnrolledError("--csv is for runs on files of sequences: --json says all of images of digits")
    check_reads_digits(run)
    network = run.load_network().to(options.device)
    judge, classes = Judge.of(run), run.config.classes
    terminal, notes, one_by_one = Terminal(), Terminal(stderr=True), OneByOne()
    album = None if options.picture is None else Album(options.picture, network, classes)
    if not options.json:
        notes.print(f"{run.folder}, which was trained on {run.config.data}:")
    if run.config.data not in DIGITS:
        notes.print(
            f"note: {run.folder} was trained on {run.config.data}; pictures are read as MNIST's digits are"
        )
    note_calibration(run, judge)
    for path in options.files:
        with one_by_one.each():
            digits = read_digits(path)
            names = [str(path)] if len(digits) == 1 else [f"{path}[{row}]" for row in range(len(digits))]
            examples = Examples(digits, torch.zeros(len(digits), dtype=torch.int64))
            for answer in class_answers(classes, names, judge.judge(network, examples), "image"):
                values = {"run": str(run.folder), **answer.values}
                terminal.print(json.dumps(values) if options.json else sentence(answer, classes))
            if album is not None:
                album.add(names, examples, judge.temperature)
    one_by_one.settle()


def check_reads_digits(run: Run) -> None:
    """Raise an UnrolledError if a run's network cannot read pictures of digits, row by row."""
    from unrolled.training.run_config import NO_DATA

    width = run.config.network.input_size
    if width != WIDTH:
        measured = f"; `unrolled evaluate {pasteable(run.folder)}` measures this one"
        raise UnrolledError(
            f"{run.folder} reads steps of {width} numbers, but a picture has rows of {WIDTH}: name "
            "another run with --run" + ("" if run.config.data == NO_DATA else measured)
        )
