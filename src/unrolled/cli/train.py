"""`unrolled train`: one training, its progress, and the run folder that it leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Patience, TrainingOptions
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from rich.console import Console

    from unrolled.data import Dataset
    from unrolled.training import Recipe, Run, RunConfig


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


# What may be said of a training that goes on: all else is in its config.json.
MAY_DIFFER = ("resume", "data_dir", "threads", "device", "checkpoint_every", "tensorboard")


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
    from unrolled.cli.progress import TrainingProgress
    from unrolled.cli.stop_signals import StopSignals
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


def what_to_train(options: TrainOptions, console: Console) -> tuple[Path, RunConfig]:
    """The run folder to make or to go on with, and its configuration so far."""
    from unrolled.training import Run
    from unrolled.training.run import check_free, next_free

    if options.resume is not None:
        run = run_to_resume(options)
        for note in run.changed_circumstances():
            console.print(f"note: {note}", markup=False)
        return run.folder, run.config
    if options.run is not None:
        check_free(options.run)
    config = run_config(options, options.network)
    if options.start is not None:
        source = Run.open(options.start).config.network
        if options.network is None:
            network = source if options.read is None else source.changed(read=options.read)
            config = dataclasses.replace(config, network=network)
        config = dataclasses.replace(config, start=str(options.start))
    return options.run or next_free(Path("runs"), config.network.name), config


def run_to_resume(options: TrainOptions) -> Run:
    """The run that is to go on, if it can, and if no option says otherwise than it."""
    from unrolled.report.pictures import PICTURES
    from unrolled.training import Run

    assert options.resume is not None
    run = Run.open(options.resume)
    others = [
        f"--{'from' if field.name == 'start' else field.name.replace('_', '-')}"
        for field in dataclasses.fields(options)
        if field.name not in MAY_DIFFER and getattr(options, field.name) != field.default
    ]
    if others:
        raise UnrolledError(
            f"--resume goes on as {run.folder}/config.json says: leave out {', '.join(others)}, "
            "or train anew without --resume"
        )
    lines = run.metrics()
    if (
        lines
        and "test_accuracy" in lines[-1]
        and all((run.folder / f"{name}.png").exists() for name in PICTURES)
    ):
        raise UnrolledError(
            f"{run.folder} is finished, with a test accuracy of {lines[-1]['test_accuracy']:.4f}: "
            f"`unrolled train --from {run.folder}` starts a new training with its weights"
        )
    return run


def run_config(options: TrainingOptions, network: str | None = None) -> RunConfig:
    """What a run is of, from the recipe that the options name and from what they change; `fit_to_data` then
    completes it.
    """
    from unrolled import networks
    from unrolled.training import RunConfig, lookup

    named = lookup(options.recipe, corrected=options.corrected)
    config = named.network if network is None else networks.lookup(network)
    if options.read is not None:
        config = config.changed(read=options.read)
    return RunConfig(
        config,
        changed_recipe(named.recipe, options),
        options.data or named.data,
        classes=(),
        seed=options.seed,
        validation=0,
        recipe_name=f"{options.recipe}, corrected" if options.corrected else options.recipe,
        protocol=named.protocol,
        data_dir=None if options.data_dir is None else str(options.data_dir.absolute()),
    )


def changed_recipe(recipe: Recipe, options: TrainingOptions) -> Recipe:
    """The recipe with those of its values that the options give themselves."""
    names = ("epochs", "steps", "batch_size", "learning_rate", "patience")
    given = {name: getattr(options, name) for name in names if getattr(options, name, None) is not None}
    if "epochs" in given and "steps" in given:
        raise UnrolledError(
            f"--epochs {given['epochs']} and --steps {given['steps']} both say how long: give one of them"
        )
    if "epochs" in given:
        given["steps"] = None
    return dataclasses.replace(recipe, **given)


def fit_to_data(config: RunConfig, data: Dataset) -> RunConfig:
    """The run's configuration with what the data say: name, width of a step, classes, held-out examples."""
    network = config.network.changed(input_size=data.train.sequences.shape[2], classes=len(data.classes))
    return dataclasses.replace(
        config, network=network, data=data.name, classes=tuple(data.classes), validation=len(data.validation)
    )


def set_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads."""
    import torch

    if threads is None:
        return
    if threads < 1:
        raise UnrolledError(f"--threads is {threads}, expected at least 1")
    torch.set_num_threads(threads)


def check_device(name: str) -> str:
    """`name`, if torch can compute there."""
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UnrolledError(
            f"--device {name}: this torch cannot use it ({reason}); cpu always works"
        ) from error
    return name
