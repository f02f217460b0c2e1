"""`unrolled quantize`: a run's network with recurrent weights of fewer bits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli import completion


@dataclasses.dataclass(frozen=True)
class QuantizeOptions:
    """What `unrolled quantize` is told."""

    run: Annotated[
        Path | None,
        typer.Argument(
            help="A run folder; by default the newest in runs/.",
            show_default=False,
            autocompletion=completion.one_of(completion.runs),
        ),
    ] = None
    weights: Annotated[
        str,
        typer.Option(
            help="int8, a quarter of the memory, or bfloat16, half of it.",
            autocompletion=completion.words("int8", "bfloat16"),
        ),
    ] = "int8"
    to: Annotated[
        Path | None,
        typer.Option(
            help="The folder to make; by default the run's with the weights and a number behind it: -int8-1."
        ),
    ] = None


def quantize(options: QuantizeOptions) -> None:
    """Make a smaller and faster run of a trained one: its recurrent weights as int8 or bfloat16.

    The new folder is for evaluate, predict and serve, which take it as they take any run; nothing trains it.
    Measure it with evaluate beside the first one: weights of fewer bits are near the old ones, not the same.

    [bold]examples:[/bold]

        unrolled quantize
        unrolled quantize runs/full --weights bfloat16
        unrolled quantize runs/full --to runs/small
    """
    from unrolled.cli.terminal import Terminal
    from unrolled.layers import explain
    from unrolled.training import Run, quantize_run
    from unrolled.training.run import WEIGHTS, newest, next_free

    say = Terminal().print
    run = Run.open(options.run or newest(Path("runs")))
    to = options.to or next_free(run.folder.parent, f"{run.folder.name}-{options.weights}")
    small = quantize_run(run, to, options.weights)
    for finding in explain(small.load_classifier()):
        say(f"  {finding}")
    before, after = ((folder / WEIGHTS).stat().st_size for folder in (run.folder, small.folder))
    say(f"weights   {before / 1e6:.2f} MB before, {after / 1e6:.2f} MB now")
    say(f"quantized {small.folder}")
