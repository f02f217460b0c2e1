"""The options that say of data what cannot be found out."""

from __future__ import annotations

import dataclasses
import os
from typing import Annotated, Any

import typer

from unrolled.cli import completion


@dataclasses.dataclass(frozen=True)
class DataFlags:
    """What every verb that opens data is told of them: see `unrolled.data.DataOptions`."""

    test: Annotated[
        str | None,
        typer.Option(
            help="What to test on: a file or folder, or COLUMN=VALUE[,VALUE ...] of the same data; by "
            "default a fifth of each class.",
            show_default=False,
        ),
    ] = None
    task: Annotated[
        str | None,
        typer.Option(
            help="classify (a class for each sequence), tag (a class for each step), regress (numbers for "
            "each sequence) or forecast (the next steps); by default what the labels are.",
            show_default=False,
            autocompletion=completion.one_of(completion.tasks),
        ),
    ] = None
    form: Annotated[
        str | None,
        typer.Option(
            help="Of a table: long (a row for each step), wide (a row for each sequence) or series (a row "
            "for each step of one sequence).",
            autocompletion=completion.words(*completion.FORMS),
        ),
    ] = None
    id: Annotated[
        str | None, typer.Option(help="The column of a long table that says which sequence a row is of.")
    ] = None
    time: Annotated[str | None, typer.Option(help="The column that says in which order.")] = None
    label: Annotated[
        list[str] | None,
        typer.Option(help="The column to predict, or several: of a forecast by default every feature."),
    ] = None
    features: Annotated[
        list[str] | None,
        typer.Option(help="The columns to read, one each time; by default every other column of numbers."),
    ] = None
    split_by: Annotated[
        str | None,
        typer.Option(help="A column, such as a speaker or patient: none of its values is on two sides."),
    ] = None
    names: Annotated[
        str | None,
        typer.Option(help='What the names of files say, such as "{label}_{speaker}_{index}".'),
    ] = None
    by: Annotated[
        str | None,
        typer.Option(
            help="What the steps of a picture are: its rows or its columns.",
            autocompletion=completion.words(*completion.STEPS),
        ),
    ] = None
    bands: Annotated[
        int | None, typer.Option(help="Of recordings: bands of the log-mel frames; 40 by default.")
    ] = None
    missing: Annotated[
        str | None,
        typer.Option(
            help="What stands for a missing value: previous (the one before it), mean, or error; by "
            "default previous where a format knows missing values.",
            autocompletion=completion.words(*completion.RULES),
        ),
    ] = None
    standardize: Annotated[
        bool, typer.Option(help="Bring each feature to mean 0 and deviation 1 of what is trained on.")
    ] = True
    horizon: Annotated[int | None, typer.Option(help="Of a forecast: how many steps.")] = None
    season: Annotated[
        int | None,
        typer.Option(help="Of a forecast: after how many steps it begins again; by default it is found."),
    ] = None
    context: Annotated[
        int | None, typer.Option(help="Of a forecast: how many steps are read; by default two seasons.")
    ] = None

    def said(self) -> dict[str, Any]:
        """What was said of the data, by the names of `unrolled.data.DataOptions`; paths from the root on."""
        said = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(DataFlags)
            if getattr(self, field.name) != field.default
        }
        if self.test is not None and os.path.lexists(self.test):
            said["test"] = os.path.abspath(self.test)
        return said
