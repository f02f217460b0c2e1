"""`unrolled predict`: what a trained network says of files."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.cli.options import Device, Threads
from unrolled.errors import UnrolledError
from unrolled.names import pasteable

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.training import Run
    from unrolled.training.answers import Answer

EVALUATED = 500  # sequences at a time
WIDTH = 28  # of what `read_digits` makes
DIGITS = ("sample", "mnist")  # the data sets of such digits


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """What `unrolled predict` is told."""

    files: Annotated[
        list[Path],
        typer.Argument(
            help="For a run on files or a folder: the same kind of files. For one on digits: PNG, JPEG or "
            "other images of one digit each, or IDX files of many. For one that was imported: also .npy "
            "files of sequences [N, T, I], or of tokens [N, T]."
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
        unrolled predict x.npy --run runs/model-1 --json
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
    elif all(path.suffix == ".npy" for path in options.files):
        predict_arrays(run, options)
    else:
        predict_digits(run, options)


def predict_sequences(run: Run, options: PredictOptions) -> None:
    """Answer for each sequence in the files."""
    from unrolled import training
    from unrolled.cli.calibration import note_calibration
    from unrolled.cli.what_was_seen import Album
    from unrolled.training.again import Again
    from unrolled.training.answers import answers, class_answers
    from unrolled.training.judge import Judge

    again, config = Again(run), run.config
    network = run.load_classifier().to(options.device)
    introduce: Callable[[], None] | None = None
    if config.task != "classify":
        if options.picture is not None:
            raise UnrolledError(
                f"--picture is for runs that name a class, but {run.folder} is to {config.task}"
            )

        def found(path: Path) -> Iterator[Answer]:
            collection, examples = again.read(path)
            examples.check_finite(str(path))
            said = training.evaluate(network, examples, again.task)
            return answers(config, collection.names, examples.all_lengths(), said)
    else:
        album = None if options.picture is None else Album(options.picture, network, config.classes)
        judge = Judge.of(run)
        introduce = functools.partial(note_calibration, run, judge)

        def found(path: Path) -> Iterator[Answer]:
            collection, examples = again.read(path)
            examples.check_finite(str(path))
            judgement = judge.judge(network, examples)
            yield from class_answers(config.classes, collection.names, judgement)
            if album is not None:
                album.add(collection.names, examples, judgement, judge.temperature)

    show(found, run, options, f"{run.folder}, which was trained on {config.data}", introduce)


def predict_arrays(run: Run, options: PredictOptions) -> None:
    """Answer for each sequence in .npy files, prepared as those of the run's training were."""
    import torch

    from unrolled.data import Sequences
    from unrolled.networks.graph_config import GraphConfig
    from unrolled.training.again import unlabelled
    from unrolled.training.answers import answers, class_answers
    from unrolled.training.data_file import DataRecord
    from unrolled.training.judge import Judge
    from unrolled.training.metrics import read_examples
    from unrolled.training.run_config import NO_DATA
    from unrolled.training.tasks import task_named
    from unrolled.training.tasks.numbers import NumberTask
    from unrolled.training.tasks.task import Evaluation

    if options.picture is not None:
        raise UnrolledError(
            "--picture is for pictures, and for the files of a run's own kind: not for arrays"
        )
    config, record, judge = run.config, DataRecord.load(run.folder), Judge.of(run)
    network = run.load_network().to(options.device)
    task = task_named(config.task, len(config.classes), record.numbers, record.preparation)
    # What was imported reads numbers as they are.
    is_raw = isinstance(config.network, GraphConfig) or (config.data == NO_DATA and record == DataRecord())

    def found(path: Path) -> Iterator[Answer]:
        x = read_array(path, getattr(config.network, "tokens", False), is_raw)
        names = [f"{path}[{index}]" for index in range(len(x))]
        lengths = torch.full((len(x),), x.shape[1])
        if not is_raw and x.dim() == 3:
            examples = unlabelled(Sequences.dense(x), config, record, names)
            examples.check_finite(str(path))
            if config.task == "classify":
                judgement = judge.judge(network, examples)
                return with_outputs(class_answers(config.classes, names, judgement), judgement.logits)
            (said,), asked, baseline = read_examples([network], examples, task)
            answered = answers(config, names, lengths, task.evaluation(said, asked, baseline))
            return with_outputs(answered, said.view(*x.shape[:2], -1) if config.task == "tag" else said)
        with torch.inference_mode():
            said = torch.cat([network(part.to(options.device)).cpu() for part in x.split(EVALUATED)])
        if config.task == "classify":
            return with_outputs(class_answers(config.classes, names, judge.weigh(said)), said)
        rows = said.flatten(0, 1) if config.task == "tag" else said
        predictions = task.in_units(rows) if isinstance(task, NumberTask) else rows.argmax(dim=1)
        evaluation = Evaluation(float("nan"), {}, rows.float().softmax(dim=1), predictions)
        return with_outputs(answers(config, names, lengths, evaluation), said)

    show(found, run, options, str(run.folder))


def with_outputs(said_of: Iterator[Answer], outputs: Tensor) -> Iterator[Answer]:
    """The answers, each with what the network gave for its sequence."""
    for answer, given in zip(said_of, outputs, strict=True):
        yield answer._replace(values={**answer.values, "outputs": given.tolist()})


def read_array(path: Path, tokens: bool, is_raw: bool) -> Tensor:
    """The sequences [N, T, I] in a .npy file; or of tokens, [N, T], as whole numbers.

    Args:
        path: the file.
        tokens: whether whole numbers stay what they are in any case.
        is_raw: whether sequences are float32, uint8 from 0 to 255.
    """
    import torch

    from unrolled.data.arrays import TYPES
    from unrolled.data.mapped import MappedFile
    from unrolled.data.npy import read_header

    header = read_header(path)
    if str(header.dtype) not in TYPES or 0 in header.shape:
        raise UnrolledError(f"{path} holds {header}, expected numbers [N, T, I] in this machine's byte order")
    if len(header.shape) not in (2, 3) or (len(header.shape) == 2 and header.dtype.kind not in "iu"):
        raise UnrolledError(f"{path} holds {header}, expected numbers [N, T, I], or whole numbers [N, T]")
    values = MappedFile(path).tensor(header.offset, header.dtype, header.shape).clone()
    if len(header.shape) == 2 or tokens or not is_raw:
        return values
    values = values.to(torch.float32)
    if not values.isfinite().all():
        raise UnrolledError(f"{path} holds numbers that are not finite")
    return values


def show(
    found: Callable[[Path], Iterator[Answer]],
    run: Run,
    options: PredictOptions,
    title: str = "",
    introduce: Callable[[], None] | None = None,
    say: Callable[[Answer], str] | None = None,
) -> None:
    """Print the answers about all files; one that cannot be read gets a line among the errors.

    Args:
        found: the answers about one file.
        run: whose they are.
        options: which files, and in what form.
        title: of a table.
        introduce: says what there is to know before the first answer, if there is any.
        say: an answer in one line, as soon as it is there; None for a table of all.
    """
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.training.answers import headings

    terminal, one_by_one = Terminal(), OneByOne()

    def of_all() -> Iterator[Answer]:
        new = introduce
        for path in options.files:
            with one_by_one.each():
                for answer in found(path):
                    if new is not None:
                        new()
                        new = None
                    yield answer

    if options.json:
        for answer in of_all():
            terminal.print(json.dumps({"run": str(run.folder), **answer.values}, ensure_ascii=False))
    elif options.csv:
        write_csv(row for answer in of_all() for row in answer.rows)
    elif say is not None:
        for answer in of_all():
            terminal.print(say(answer))
    else:
        rows = [row for answer in of_all() for row in answer.shown]
        if rows:
            terminal.print_table(headings(run.config), rows, title)
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

    from unrolled.cli.calibration import note_calibration
    from unrolled.cli.terminal import Terminal
    from unrolled.cli.what_was_seen import Album
    from unrolled.data import Examples, read_digits
    from unrolled.training.answers import class_answers, sentence
    from unrolled.training.judge import Judge

    if options.csv:
        raise UnrolledError("--csv is for runs on files of sequences: --json says all of images of digits")
    check_reads_digits(run)
    network = run.load_network().to(options.device)
    judge, classes = Judge.of(run), run.config.classes
    notes = Terminal(stderr=True)
    album = None if options.picture is None else Album(options.picture, run.load_classifier(), classes)

    def introduce() -> None:
        if not options.json:
            notes.print(f"{run.folder}, which was trained on {run.config.data}:")
        if run.config.data not in DIGITS:
            trained = f"{run.folder} was trained on {run.config.data}"
            notes.print(f"note: {trained}; pictures are read as MNIST's digits are")
        note_calibration(run, judge)

    def found(path: Path) -> Iterator[Answer]:
        digits = read_digits(path)
        names = [str(path)] if len(digits) == 1 else [f"{path}[{row}]" for row in range(len(digits))]
        examples = Examples(digits, torch.zeros(len(digits), dtype=torch.int64))
        judgement = judge.judge(network, examples)
        yield from class_answers(classes, names, judgement, "image")
        if album is not None:
            album.add(names, examples, judgement, judge.temperature)

    say = functools.partial(sentence, classes=classes)
    show(found, run, options, introduce=introduce, say=say)


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
