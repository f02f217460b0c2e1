"""What the options of `train` and `compare` ask for: a run folder, and the configuration of a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    from unrolled.cli.options import TrainingOptions
    from unrolled.cli.terminal import Terminal
    from unrolled.cli.train import TrainOptions
    from unrolled.data import Dataset
    from unrolled.training import Recipe, Run, RunConfig

# What may be said of a training that goes on: all else is in its config.json.
MAY_DIFFER = ("resume", "data_dir", "threads", "device", "checkpoint_every", "tensorboard")


def what_to_train(options: TrainOptions, console: Terminal) -> tuple[Path, RunConfig]:
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
