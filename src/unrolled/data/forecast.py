"""A data set of windows of series, and of what follows each: cut in time, never shuffled across it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from unrolled.data.collection import Collection
from unrolled.data.examples import Dataset, Examples
from unrolled.data.formats import read
from unrolled.data.numbers import Numbers
from unrolled.data.options import DataOptions
from unrolled.data.preparation import Preparation
from unrolled.data.season import find_season
from unrolled.data.sequences import Sequences
from unrolled.data.standardization import Standardization
from unrolled.data.windows import parts_in_time, windows
from unrolled.errors import UnrolledError, unknown_name

TEST_SHARE = 0.2
LEAST_CONTEXT = 24  # steps that a window has, if the series are that long
DEFAULT_HORIZON = 10  # where there is no season


def open_series(path: Path, options: DataOptions) -> Dataset:
    """The windows of the series in a file: the last fifth of each series is to test on.

    Without `options.label` every feature is predicted. Without `options.season` it is found in what is
    trained on, see `season.find_season`; without `options.horizon` one season is predicted, or 10 steps where
    there is none; without `options.context` two seasons are read, and 24 steps at least.

    Raises:
        UnrolledError: the series are too short, or a column is not there.
    """
    if options.test is not None or options.split_by is not None:
        raise UnrolledError(
            "a forecast is tested on the last fifth of each series: leave --test and --split-by out"
        )
    collection = read(path, dataclasses.replace(options, label=(), features=_columns(options)))
    series, features = collection.sequences, collection.features
    for name in options.label:
        if name not in features:
            raise unknown_name("column", name, features)
    names = options.label or features
    predicted = torch.tensor([features.index(name) for name in names])
    longest = int(series.lengths.argmax())
    seen = series[longest][: int(len(series[longest]) * (1 - TEST_SHARE)), int(predicted[0])]
    season = options.season or find_season(seen.double().numpy())
    horizon = options.horizon or (season if season > 1 else DEFAULT_HORIZON)
    context = options.context or max(2 * season, LEAST_CONTEXT)
    if context < season:
        raise UnrolledError(f"context is {context}, expected at least one season of {season} steps")
    parts = parts_in_time(series, context, horizon, TEST_SHARE)

    trained_on = Sequences(series.values, series.starts, parts.validation.clamp(min=1), series.file)
    preparation = Preparation(
        collection.reading,
        features,
        options.missing or ("previous" if collection.reading.get("marks_missing") else "error"),
        Standardization.fit(trained_on, features),
    )

    def part(first: Tensor, end: Tensor) -> Examples:
        found = windows(series, (first, end), context, horizon, predicted)
        return Examples(found.sequences, found.targets, preparation=preparation)

    return Dataset(
        str(path.absolute()),
        part(torch.zeros_like(parts.validation), parts.validation),
        part(parts.validation, parts.test),
        part(parts.test, parts.end),
        classes=(),
        notes=(*collection.notes, _note(collection, options, season, horizon, context)),
        task="forecast",
        numbers=Numbers.of_series(names, trained_on, predicted, horizon=horizon, season=season),
        preparation=preparation,
    )


def _columns(options: DataOptions) -> tuple[str, ...]:
    """The features to read: what is predicted is among them."""
    if not options.features:
        return ()
    return (*options.features, *(name for name in options.label if name not in options.features))


def _note(collection: Collection, options: DataOptions, season: int, horizon: int, context: int) -> str:
    count = len(collection.sequences)
    how = "given" if options.season else "found" if season > 1 else "none was found"
    return (
        f"{count} series: {context} steps are read and the next {horizon} predicted; a season is {season} "
        f"{'steps' if season > 1 else 'step'} ({how}); the last fifth of each series is to test on"
    )
