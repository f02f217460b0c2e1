"""`unrolled predict`: what a trained network says of files."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.cli.options import Device, Threads
from unrolled.errors import UnrolledError
from unrolled.names import pasteable

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.cli.answers import Answer
    from unrolled.training import Run

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
    threads: Threads = None
    device: Device = "cpu"


def predict(options: PredictOptions) -> None:
    """Say of each sequence in files what a trained network makes of it.

    Files are of the kind that the run was trained on, and are read and prepared as those were. A run on
    digits reads images: any size, dark on light or light on dark, on any paper. A file that cannot be read
    gets a line among the errors, the others their answers.

    [bold]examples:[/bold]

        unrolled predict seven.png
        unrolled predict scan-*.jpg --run runs/full
        unrolled predict t10k-images-idx3-ubyte.gz --json
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
    from unrolled.cli.answers import answers, headings
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.training.again import Again

    terminal, one_by_one = Terminal(), OneByOne()
    again = Again(run)
    network = run.load_network().to(options.device)

    def found() -> Iterator[Answer]:
        for path in options.files:
            with one_by_one.each():
                collection, examples = again.read(path)
                examples.check_finite(str(path))
                said = training.evaluate(network, examples, again.task)
                yield from answers(run.config, collection.names, examples.all_lengths(), said)

    if options.json:
        for answer in found():
            terminal.print(json.dumps(answer.values, ensure_ascii=False))
    elif options.csv:
        write_csv(row for answer in found() for row in answer.rows)
    else:
        columns = headings(run.config)
        rows = [row for answer in found() for row in answer.shown]
        if rows:
            terminal.print_table(columns, rows, f"{run.folder}, which was trained on {run.config.data}")
    one_by_one.settle()


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

    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.data import as_float, read_digits
    from unrolled.training.metrics import EVALUATION_BATCH

    if options.csv:
        raise UnrolledError("--csv is for runs on files of sequences: --json says all of images of digits")
    check_reads_digits(run)
    network = run.load_network().to(options.device)
    terminal, one_by_one = Terminal(), OneByOne()
    if run.config.data not in DIGITS:
        Terminal(stderr=True).print(
            f"note: {run.folder} was trained on {run.config.data}; pictures are read as MNIST's digits are"
        )
    for path in options.files:
        with one_by_one.each():
            digits = read_digits(path)
            with torch.inference_mode():
                parts = digits.split(EVALUATION_BATCH)
                said = torch.cat([network(as_float(part).to(options.device)).cpu() for part in parts])
            for index, probabilities in enumerate(said.softmax(dim=1)):
                image = str(path) if len(digits) == 1 else f"{path}[{index}]"
                terminal.print(answer_of_digit(image, run.config.classes, probabilities, options.json))
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


def answer_of_digit(image: str, classes: Sequence[str], probabilities: Tensor, as_json: bool) -> str:
    """The line about one image, from its probabilities [classes]."""
    best = int(probabilities.argmax())
    if not as_json:
        return f"{image}: {classes[best]} ({probabilities[best]:.1%})"
    by_class = dict(zip(classes, probabilities.tolist(), strict=True))
    return json.dumps({"image": image, "class": classes[best], "probabilities": by_class})
