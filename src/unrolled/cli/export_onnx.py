"""`unrolled export-onnx`: a run's network becomes an ONNX file."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli import completion
from unrolled.errors import UnrolledError


@dataclasses.dataclass(frozen=True)
class ExportOnnxOptions:
    """What `unrolled export-onnx` is told."""

    run: Annotated[
        Path, typer.Argument(help="A run folder.", autocompletion=completion.one_of(completion.runs))
    ]
    path: Annotated[Path, typer.Argument(help="Where to write, such as model.onnx.")]
    stream: Annotated[
        bool, typer.Option("--stream", help="One step, with its states in and out, for a stream.")
    ] = False
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Weights, inputs and outputs of 16 bits, half the size.")
    ] = False


def export_onnx(options: ExportOnnxOptions) -> None:
    """Write a run's best weights as an ONNX file, which ONNX Runtime computes without this package.

    It takes a batch x [N, T, I] with lengths [N], and gives logits; what was done to the data before, and
    the names of the classes, are in the file's metadata.

    [bold]examples:[/bold]

        unrolled export-onnx runs/single-layer-dynamic-lstm-1 model.onnx
        unrolled export-onnx runs/mine step.onnx --stream --fp16
    """
    from unrolled.cli.terminal import Terminal
    from unrolled.onnx import export
    from unrolled.onnx.require import require
    from unrolled.training import Run

    if os.path.lexists(options.path):
        raise UnrolledError(f"{options.path} is there already: choose another name, or remove it")
    say = Terminal().print
    export(Run.open(options.run), options.path, stream=options.stream, fp16=options.fp16)
    graph = require().load(options.path).graph
    for way, values in (("in ", graph.input), ("out", graph.output)):
        for value in values:
            axes = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
            say(f"  {way} {value.name} [{', '.join(map(str, axes))}]")
    say(f"exported  {options.path}")
