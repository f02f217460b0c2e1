"""`unrolled train`: one training, its progress, and the run folder that it leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from unrolled.cli.options import Patience, TrainingOptions
from unrolled.errors import UnrolledError


@dataclasses.dataclass(frozen=True)
class TrainOptions(TrainingOptions):
    """What `unrolled train` is told."""

    network: Annotated[
        str | None,
        typer.Option(
            help="One of those that `unrolled networks` lists; by default the recipe's own.",
            show_default=False,
        ),
    ] = None
    patience: Patience = None
    run: Annotated[
        Path | None, typer.Option(help="The folder to make; by default runs/<network>-<number>.")
    ] = None
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log for TensorBoard, too, in the run folder.")
    ] = False
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the training of this run folder, which was stopped or killed."),
    ] = None
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Start from the weights of this run folder, and so with its network."),
    ] = None
    checkpoint_every: Annotated[
        float, typer.Option(help="Seconds between checkpoints; there is one after each epoch, too.")
    ] = 15.0


def train(options: TrainOptions) -> None:
    """Train a network, test it, and leave a run folder with its weights and pictures.

    A training that was stopped or killed goes on with --resume. Under torchrun, several processes train one
    network together.

    [bold]examples:[/bold]

        unrolled train
        unrolled train --network multi-layer-dynamic-mix --epochs 5
        unrolled train --data mnist --data-dir ~/mnist --run runs/full
        unrolled train --recipe seed-003
        unrolled train --recipe seed-001-net-12 --corrected
        unrolled train --tensorboard
        unrolled train --data ~/my-arrays
        unrolled train --resume runs/full
        unrolled train --from runs/full --data fashion-mnist --epochs 5
        torchrun --nproc-per-node 2 -m unrolled train --data mnist
    """
    from rich.console import Console

    from unrolled import data as datasets
    from unrolled.cli.machine import check_device, set_threads
    from unrolled.cli.progress import TrainingProgress
    from unrolled.cli.stop_signals import StopSignals
    from unrolled.cli.what_to_train import fit_to_data, what_to_train
    from unrolled.report import TensorBoardLog, save_pictures
    from unrolled.training import TrainingStoppedError, distributed, train_run

    if not options.checkpoint_every > 0:
        raise UnrolledError(f"--checkpoint-every is {options.checkpoint_every}, expected a number above 0")
    set_threads(options.threads)
    check_device(options.device)
    with distributed.joined(options.device) as device:
        console = Console(soft_wrap=True, highlight=False, quiet=not distributed.is_first())
        folder, config = distributed.from_first(lambda: what_to_train(options, console))
        data = distributed.everywhere(
            lambda: datasets.load(
                config.data,
                options.data_dir or (Path(config.data_dir) if config.data_dir else None),
                validation=options.validation if options.resume is None else config.validation,
            )
        )
        for note in data.notes:
            console.print(f"note: {note}", markup=False)
        if options.resume is None:
            config = fit_to_data(config, data)
        stop = StopSignals()
        log = TensorBoardLog(folder, config) if options.tensorboard and distributed.is_first() else None
        try:
            with TrainingProgress(console, config, data) as progress, stop, log or contextlib.nullcontext():
                listeners: list[TrainingProgress | TensorBoardLog] = [progress, log] if log else [progress]
                outcome = train_run(
                    folder,
                    config,
                    data,
                    resume=options.resume is not None,
                    device=device,
                    checkpoint_seconds=options.checkpoint_every,
                    should_stop=stop,
                    on_step=in_turn(listener.on_step for listener in listeners),
                    on_epoch=in_turn(listener.on_epoch for listener in listeners),
                    say=progress.say,
                )
                if log:
                    log.on_test(outcome.test)
        except TrainingStoppedError as stopped:
            if distributed.is_first():
                print(f"unrolled: {stopped}", file=sys.stderr)
            raise typer.Exit(stop.exit_code) from None
        if not distributed.is_first():
            return
    lines = outcome.run.metrics()
    try:
        pictures = save_pictures(
            folder, lines, outcome.network.cpu(), data.test, outcome.test, config.classes
        )
    except OSError as error:
        raise UnrolledError(
            f"cannot write the pictures into {folder}: {error.strerror or error}; all else is there, and "
            f"`unrolled train --resume {folder}` draws them"
        ) from error
    console.print(f"trained for {outcome.seconds:.1f} s")
    console.print("pictures: " + "  ".join(str(path) for path in pictures), markup=False)
    console.print(f"test accuracy {outcome.test.accuracy:.4f}  {folder}", markup=False)


def in_turn(hooks: Iterable[Callable[..., None]]) -> Callable[..., None]:
    """One hook that calls them all."""
    calls = list(hooks)

    def call(*arguments: Any) -> None:
        for hook in calls:
            hook(*arguments)

    return call
