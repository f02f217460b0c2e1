"""`unrolled export-tf1`: a run's network becomes a TensorFlow 1 checkpoint."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.cli import completion
from unrolled.errors import UnrolledError


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What `unrolled export-tf1` is told."""

    run: Annotated[
        Path, typer.Argument(help="A run folder.", autocompletion=completion.one_of(completion.runs))
    ]
    prefix: Annotated[Path, typer.Argument(help="Where to write, such as model/model.ckpt.")]
    slots: Annotated[
        str | None,
        typer.Option(
            help="The optimizer's slots: adam, rmsprop or none; by default the run's own optimizer's."
        ),
    ] = None


def export_tf1(options: ExportOptions) -> None:
    """Write a run's best weights as a TensorFlow 1 checkpoint (version 2), under TensorFlow's names.

    A Saver restores from it into a graph with the same cells. Slots have the values from which
    TensorFlow's optimizers start.

    [bold]examples:[/bold]

        unrolled export-tf1 runs/single-layer-dynamic-lstm-1 model/model.ckpt
        unrolled export-tf1 runs/mine model/model.ckpt --slots rmsprop
    """
    from unrolled import tf1
    from unrolled.cli.terminal import Terminal
    from unrolled.tf1.checkpoints.bundle import index_path
    from unrolled.tf1.checkpoints.checkpoint import checked_prefix
    from unrolled.tf1.graphs.networks.export import SLOTS, network_checkpoint
    from unrolled.training import Run

    if os.path.lexists(index_path(checked_prefix(options.prefix))):
        raise UnrolledError(
            f"{index_path(options.prefix)} is there already: choose another prefix, or remove it"
        )
    say = Terminal().print
    run = Run.open(options.run)
    run.config.check_float("be exported")
    network = run.load_classifier()
    optimizer = run.config.recipe.optimizer
    slots = options.slots or (optimizer if optimizer in SLOTS else "none")
    variables = network_checkpoint(network, slots)
    tf1.write_checkpoint(options.prefix, variables)
    for name, value in variables.items():
        say(f"  {name} {list(value.shape)}")
    lstms: list[dict[str, Any]] = [
        dict(*options) for kind, _, *options in run.config.cells.layers if kind == "lstm"
    ]
    for bias in sorted({options.get("forget_bias", 1.0) for options in lstms}):
        say(f"note: TensorFlow adds forget_bias at run time: give its LSTM cells forget_bias={bias}")
    say(f"exported  {options.prefix}")
