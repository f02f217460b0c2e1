"""What a run was to be of, and whether the one in a folder is of that: network, recipe, data, seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typer.main import get_group

from unrolled import data as datasets
from unrolled.cli.main import app
from unrolled.cli.train import TrainOptions
from unrolled.cli.what_to_train import run_config
from unrolled.errors import UnrolledError
from unrolled.training import Run, RunConfig
from unrolled.training.contents import contents_of, differences
from unrolled.training.run_file import shortened

NAMED = ("mnist", "fashion-mnist")  # what lies in a folder of data sets


def of_line(words: Sequence[str]) -> RunConfig:
    """What `unrolled train` begins when it is told these words; the data then complete it."""
    context = get_group(app).commands["train"].make_context("train", list(words))
    said = {name: None if value == () else value for name, value in context.params.items()}
    options = TrainOptions(**said)
    config = run_config(options, options.network)
    return dataclasses.replace(config, network=options.described(config.cells))


def data_of(config: RunConfig, folder: str | Path | None) -> datasets.Dataset:
    """The data of a run that is to be, those with a name from a folder of data sets."""
    return datasets.load(
        config.data,
        folder if config.data in NAMED else None,
        validation=config.validation,
        options=datasets.DataOptions.from_dict(config.options),
    )


def check_run(run: Run, asked: RunConfig, data: datasets.Dataset, what: str) -> None:
    """Raise an UnrolledError if a run, over or not, is another one than was asked for.

    Args:
        run: the run.
        asked: what it was to be of, as the data have not completed it.
        data: those that were asked for.
        what: was asked for, in words.
    """
    expected = asked.completed(data) if run.config.is_complete else asked
    apart = {"data_dir"}
    others = differences(run.contents, contents_of(data)) if run.contents is not None else []
    if run.contents is not None and not others:
        apart |= {"data", "options"}  # the same bytes, wherever they lay
    came = [line for name, line in _differing(run.config, expected) if name not in apart]
    came += [f"the data asked for are others: {'; '.join(others)}"][: len(others)]
    if came:
        raise UnrolledError(f"{run.folder} is not of {what}: {'; '.join(came)}: remove it, and train anew")


def _differing(came: Any, expected: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """The names of the fields that differ, each with what to say of it."""
    for field in dataclasses.fields(came):
        one, other = getattr(came, field.name), getattr(expected, field.name)
        if type(one) is type(other) and dataclasses.is_dataclass(one):
            yield from _differing(one, other, f"{field.name}.")
        elif one != other:
            name = above + field.name
            yield name, f"{name} is {shortened(repr(one))}, expected {shortened(repr(other))}"
