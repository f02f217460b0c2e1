"""What the options of `train` and `compare` ask for: the configuration of a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.cli.completion import NAMED_DATA
from unrolled.errors import UnrolledError
from unrolled.names import pasteable

if TYPE_CHECKING:
    from unrolled.cli.options import TrainingOptions
    from unrolled.networks.config import NetworkChanges, NetworkConfig
    from unrolled.training import Recipe, Run, RunConfig

# What may be said of a training that goes on: all else is in its config.json.
MAY_DIFFER = ("resume", "data_dir", "threads", "device", "checkpoint_every", "tensorboard")


def check_only_resumed(options: TrainingOptions, folder: Path, record: str = "config.json") -> None:
    """Raise an UnrolledError if an option says otherwise than the record of what is to go on."""
    others = [
        f"--{'from' if field.name == 'start' else field.name.replace('_', '-')}"
        for field in dataclasses.fields(options)
        if field.name not in MAY_DIFFER and getattr(options, field.name) != field.default
    ]
    if others:
        raise UnrolledError(
            f"--resume goes on as {folder}/{record} says: leave out {', '.join(others)}, "
            "or train anew without --resume"
        )


def check_unfinished(run: Run) -> None:
    """Raise an UnrolledError if a run has been tested and drawn."""
    from unrolled.report.pictures import pictures_of
    from unrolled.training.metrics_file import is_of_test
    from unrolled.training.tasks import KINDS

    lines, pictures = run.metrics(), pictures_of(run.config.task)
    if lines and is_of_test(lines[-1]) and all((run.folder / f"{name}.png").exists() for name in pictures):
        task = KINDS[run.config.task]
        value = lines[-1].get(f"test_{task.metric}")
        came = "" if value is None else f", with a test {task.label} of {task.shown(value)}"
        raise UnrolledError(
            f"{run.folder} is finished{came}: "
            f"`unrolled train --from {pasteable(run.folder)}` starts a new training with its weights"
        )


def run_config(options: TrainingOptions, network: str | None = None) -> RunConfig:
    """What a run is of, from the recipe that the options name and from what they change; the data then
    complete it.
    """
    from unrolled import networks
    from unrolled.training import RunConfig, lookup

    name = options.recipe or default_recipe(options)
    named = lookup(name, corrected=options.corrected)
    config = changed_network(named.network if network is None else networks.lookup(network), options)
    return RunConfig(
        config,
        changed_recipe(named.recipe, options),
        named.data if options.data is None else options.data,
        classes=(),
        seed=options.seed,
        validation=options.validation,
        recipe_name=f"{name}, corrected" if options.corrected else name,
        protocol=named.protocol,
        data_dir=None if options.data_dir is None else str(options.data_dir.absolute()),
        options=options.said(),
    )


def default_recipe(options: TrainingOptions) -> str:
    """The recipe for data that have a name, for one's own, or for series."""
    if options.data is None or options.data in NAMED_DATA:
        return "default"
    return "forecast" if options.task == "forecast" else "sequences"


def changed_network(config: NetworkConfig, options: TrainingOptions) -> NetworkConfig:
    """The network with what the options give themselves of what surrounds its layers."""
    said: NetworkChanges = {}
    if options.read is not None:
        said["read"] = options.read
    if options.scan is not None:
        said["scan"] = options.scan
    return config.changed(**said) if said else config


def changed_recipe(recipe: Recipe, options: TrainingOptions) -> Recipe:
    """The recipe with those of its values that the options give themselves."""
    names = ("epochs", "steps", "batch_size", "learning_rate", "patience", "precision")
    given = {name: getattr(options, name) for name in names if getattr(options, name, None) is not None}
    if "epochs" in given and "steps" in given:
        raise UnrolledError(
            f"--epochs {given['epochs']} and --steps {given['steps']} both say how long: give one of them"
        )
    if recipe.by_size and given.keys() & {"epochs", "steps", "batch_size"}:
        recipe = recipe.sized(0)
    if "epochs" in given:
        given["steps"] = None
    if "patience" in given:
        given["keep"] = "best"  # of which it is to be told when there is no better one
    perturbations = ("noise", "affine", "time_mask")
    strengths = {name: getattr(options, name) for name in perturbations if getattr(options, name) is not None}
    if strengths:
        given["augmentation"] = dataclasses.replace(recipe.augmentation, **strengths)
    return dataclasses.replace(recipe, **given)
