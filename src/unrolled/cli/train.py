"""`unrolled train`: one training, its progress, and the run folder that it leaves."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Patience, TrainingOptions
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.data import Dataset
    from unrolled.training import Recipe, RunConfig


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


def train(options: TrainOptions) -> None:
    """Train a network, test it, and leave a run folder with its weights and pictures.

    [bold]examples:[/bold]

        unrolled train
        unrolled train --network multi-layer-dynamic-mix --epochs 5
        unrolled train --data mnist --data-dir ~/mnist --run runs/full
        unrolled train --recipe seed-003
        unrolled train --recipe seed-001-net-12 --corrected
        unrolled train --tensorboard
        unrolled train --data ~/my-arrays
    """
    from rich.console import Console

    from unrolled import data as datasets
    from unrolled.cli.progress import TrainingProgress
    from unrolled.report import TensorBoardLog, save_pictures
    from unrolled.training import train_run
    from unrolled.training.run import check_free, next_free

    if options.run is not None:
        check_free(options.run)
    config = run_config(options, options.network)
    set_threads(options.threads)
    device = check_device(options.device)
    data = datasets.load(config.data, options.data_dir, validation=options.validation)
    config = fit_to_data(config, data)
    folder = options.run or next_free(Path("runs"), config.network.name)

    console = Console(soft_wrap=True, highlight=False)
    log = TensorBoardLog(folder, config) if options.tensorboard else None
    with TrainingProgress(console, config, data) as progress, log or contextlib.nullcontext():
        listeners: list[TrainingProgress | TensorBoardLog] = [progress, log] if log else [progress]
        outcome = train_run(
            folder,
            config,
            data,
            device=device,
            on_step=in_turn(listener.on_step for listener in listeners),
            on_epoch=in_turn(listener.on_epoch for listener in listeners),
            say=progress.say,
        )
        if log:
            log.on_test(outcome.test)
    lines = outcome.run.metrics()
    pictures = save_pictures(folder, lines, outcome.network.cpu(), data.test, outcome.test, config.classes)
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
