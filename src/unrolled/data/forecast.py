"""A data set of windows of series, and of what follows each: cut in time, never shuffled across it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from unrolled.data.collection import Collection
from unrolled.data.dataset import Dataset
from unrolled.data.examples import Examples
from unrolled.data.fit import fit_preparation
from unrolled.data.formats import TABLES, read, suffix
from unrolled.data.numbers import Numbers
from unrolled.data.options import DataOptions
from unrolled.data.preparation import Preparation
from unrolled.data.season import find_season
from unrolled.data.sequences import Sequences
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
    collection = read_series(path, options)
    series, features = collection.sequences, collection.features
    for name in options.label:
        if name not in features:
            raise unknown_name("column", name, features)
    names = options.label or features
    predicted = torch.tensor([features.index(name) for name in names])
    season = options.season or _season_of_longest(series, int(predicted[0]))
    horizon = options.horizon or (season if season > 1 else DEFAULT_HORIZON)
    context = options.context or max(2 * season, LEAST_CONTEXT)
    if context < season:
        raise UnrolledError(f"context is {context}, expected at least one season of {season} steps")
    parts = parts_in_time(series, context, horizon, TEST_SHARE)

    long_enough = parts.validation > 0
    trained_on = Sequences(
        series.values, series.starts[long_enough], parts.validation[long_enough], series.file
    )
    preparation = fit_preparation(collection, trained_on, options)

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
        numbers=_numbers(names, trained_on, predicted, preparation, horizon, season, context),
    )


def read_series(path: Path, options: DataOptions) -> Collection:
    """The series in a file. What is predicted is among what is read."""
    features = options.features
    if features:
        features = (*features, *(name for name in options.label if name not in features))
    form = options.form
    if form is None and options.id is None and suffix(path) in TABLES and not path.is_dir():
        form = "series"
    return read(path, dataclasses.replace(options, label=(), features=features, form=form))


def _season_of_longest(series: Sequences, feature: int) -> int:
    longest = series[int(series.lengths.argmax())][:, feature]
    return find_season(longest[: int(len(longest) * (1 - TEST_SHARE))].double().numpy())


def _numbers(
    names: Sequence[str],
    trained_on: Sequences,
    predicted: Tensor,
    preparation: Preparation,
    horizon: int,
    season: int,
    context: int,
) -> Numbers:
    """What is predicted, in the units of what is read, and what the seasonal naive forecast makes of it."""
    features = predicted.tolist()
    scaling = preparation.standardization
    apart = torch.cat(
        [
            (one[season:] - one[:-season]).abs()
            for one in (trained_on[row][:, predicted].double() for row in range(len(trained_on)))
        ]
    )
    scale = apart.nanmean(dim=0).nan_to_num(0.0)
    return Numbers(
        tuple(names),
        tuple(scaling.mean[feature] if scaling else 0.0 for feature in features),
        tuple(scaling.deviation[feature] if scaling else 1.0 for feature in features),
        horizon=horizon,
        features=tuple(features),
        season=season,
        context=context,
        scale=tuple(scale.masked_fill(scale == 0, 1.0).tolist()),  # of what repeats itself without an error
    )


def _note(collection: Collection, options: DataOptions, season: int, horizon: int, context: int) -> str:
    count = len(collection.sequences)
    how = "given" if options.season else "found" if season > 1 else "none was found"
    return (
        f"{count} series: {context} steps are read and the next {horizon} predicted; a season is {season} "
        f"{'steps' if season > 1 else 'step'} ({how}); the last fifth of each series is to test on"
    )
