"""`unrolled predict`: what digit is in an image."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli.options import Device, Threads


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

    [bold]examples:[/bold]

        unrolled predict seven.png
        unrolled predict scan-*.jpg --run runs/full
        unrolled predict t10k-images-idx3-ubyte.gz --json
    """
    import torch

    from unrolled import training
    from unrolled.cli.evaluate import check_fits
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.data import as_float, read_digits
    from unrolled.training.metrics import EVALUATION_BATCH
    from unrolled.training.run import newest

    set_threads(options.threads)
    device = check_device(options.device)
    run = training.Run.open(options.run or newest(Path("runs")))
    network = run.load_network().to(device)
    images = [(path, read_digits(path)) for path in options.images]
    classes = run.config.classes
    for path, digits in images:
        check_fits(run, path.name, digits.shape[2], len(classes))
        with torch.inference_mode():
            parts = [network(as_float(part).to(device)).cpu() for part in digits.split(EVALUATION_BATCH)]
        for index, probabilities in enumerate(torch.cat(parts).softmax(dim=1)):
            image = str(path) if len(digits) == 1 else f"{path}[{index}]"
            answer = int(probabilities.argmax())
            if options.json:
                by_class = dict(zip(classes, probabilities.tolist(), strict=True))
                print(json.dumps({"image": image, "class": classes[answer], "probabilities": by_class}))
            else:
                print(f"{image}: {classes[answer]} ({probabilities[answer]:.1%})")
