"""`unrolled predict`: what digit is in an image."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import Device, Threads
from unrolled.errors import UnrolledError
from unrolled.names import pasteable

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.training import Run

WIDTH = 28  # of what `read_digits` makes
DIGITS = ("sample", "mnist")  # the data sets of such digits


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """What `unrolled predict` is told."""

    images: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG or other images of one digit each, or IDX files of many.")
    ]
    run: Annotated[
        Path | None, typer.Option(help="The run folder of the network; by default the newest in runs/.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all probabilities.")] = (
        False
    )
    threads: Threads = None
    device: Device = "cpu"


def predict(options: PredictOptions) -> None:
    """Read the digit in each image: any size, dark on light or light on dark, on any paper.

    An image that cannot be read gets a line among the errors, the others their answers.

    [bold]examples:[/bold]

        unrolled predict seven.png
        unrolled predict scan-*.jpg --run runs/full
        unrolled predict t10k-images-idx3-ubyte.gz --json
    """
    import torch

    from unrolled import training
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.terminal import OneByOne, Terminal
    from unrolled.data import as_float, read_digits
    from unrolled.training.metrics import EVALUATION_BATCH
    from unrolled.training.run import newest

    set_threads(options.threads)
    device = check_device(options.device)
    run = training.Run.open(options.run or newest(Path("runs")))
    check_reads_digits(run)
    network = run.load_network().to(device)
    terminal, one_by_one = Terminal(), OneByOne()
    if run.config.data not in DIGITS:
        Terminal(stderr=True).print(
            f"note: {run.folder} was trained on {run.config.data}; pictures are read as MNIST's digits are"
        )
    for path in options.images:
        with one_by_one.each():
            digits = read_digits(path)
            with torch.inference_mode():
                parts = [network(as_float(part).to(device)).cpu() for part in digits.split(EVALUATION_BATCH)]
            for index, probabilities in enumerate(torch.cat(parts).softmax(dim=1)):
                image = str(path) if len(digits) == 1 else f"{path}[{index}]"
                terminal.print(answer(image, run.config.classes, probabilities, options.json))
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


def answer(image: str, classes: tuple[str, ...], probabilities: Tensor, as_json: bool) -> str:
    """The line about one image, from its probabilities [classes]."""
    best = int(probabilities.argmax())
    if not as_json:
        return f"{image}: {classes[best]} ({probabilities[best]:.1%})"
    by_class = dict(zip(classes, probabilities.tolist(), strict=True))
    return json.dumps({"image": image, "class": classes[best], "probabilities": by_class})
