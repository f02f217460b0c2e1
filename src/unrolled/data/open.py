"""A data set from files: found out, read, split, and prepared."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.again import read_again
from unrolled.data.collection import Collection
from unrolled.data.dataset import MOST_VALIDATION, Dataset
from unrolled.data.examples import Examples
from unrolled.data.fit import check_complete, count_missing, fit_numbers, fit_preparation
from unrolled.data.formats import is_choice, other_half, pair, read
from unrolled.data.options import DataOptions
from unrolled.data.preparation import Preparation
from unrolled.data.sequences import Sequences
from unrolled.data.split import held_out
from unrolled.data.targets import class_numbers, find_classes, find_task, labelled_for, numbers, shown
from unrolled.errors import UnrolledError, check_count, unknown_name

TEST_SHARE = 5  # one of so many is held out to test on, where no others are
VALIDATION_SHARE = 10  # likewise, of the rest, to choose by

Rows = NDArray[np.int64]
NOTHING_SAID = DataOptions()


def open_data(
    path: str | os.PathLike[str], options: DataOptions = NOTHING_SAID, *, validation: int | None = None
) -> Dataset:
    """A data set from a file or a folder of any kind that `formats` knows.

    Where nothing is said of a test, a fifth of the sequences is held out for it; a tenth of the rest, but
    5,000 at most, is held out to choose by. Both have their part of each class, see `split.held_out`, and
    with `options.split_by` no group is on two sides. What is done to the features is fitted on what is
    trained on alone.

    Args:
        path: a file or a folder; of a folder with one file for training and one for testing, both are read.
        options: what cannot be found out.
        validation: how many to hold out to choose by.

    Raises:
        UnrolledError: a file is damaged or of no known kind, the options do not fit it, or there is too
            little in it.
    """
    path = Path(path)
    name = str(path.absolute())  # as it was asked for: a folder of two halves is one data set
    notes: list[str] = []
    if path.is_dir() and options.test is None and (halves := pair(path)):
        path, options = halves[0], dataclasses.replace(options, test=str(halves[1]))
    if options.task == "forecast":
        from unrolled.data.forecast import open_series

        return open_series(path, options)
    collection = read(path, options)
    task = find_task(collection, options.task)
    train_rows, test, test_rows, note = _find_test(collection, options, task)
    notes += [*collection.notes, *note]
    if options.test is None and (other := other_half(path)):
        notes.append(f"{other.name} lies beside {path.name} and is not read: --test {other} would test on it")
    _check_apart(collection, train_rows, test, test_rows, options)
    rest, validation_rows, note = _hold_out(collection, train_rows, validation, options, task)
    notes += note
    held = {"choose by": validation_rows} | ({"test on": test_rows} if test is collection else {})
    notes += _notes_of_groups(collection, held, options)
    classes = find_classes(collection) if task in ("classify", "tag") else ()
    preparation = fit_preparation(collection, collection.sequences.select(torch.from_numpy(rest)), options)
    if preparation.missing == "error":
        check_complete(collection, options)
        check_complete(test, options)
    elif missing := count_missing(collection) + (count_missing(test) if test is not collection else 0):
        rule = "the one before it" if preparation.missing == "previous" else "its feature's mean"
        notes.append(f"{missing:,} values are missing: {rule} stands in the place of each")

    def labels_of(source: Collection) -> Tensor | Sequences:
        return numbers(source) if task == "regress" else class_numbers(source, classes)

    def part(source: Collection, labels: Tensor | Sequences, rows: Rows) -> Examples:
        picked = torch.from_numpy(rows)
        return Examples(
            source.sequences.select(picked),
            labels.select(picked) if isinstance(labels, Sequences) else labels[picked],
            preparation=preparation,
        )

    labels = labels_of(collection)
    train = part(collection, labels, rest)
    scales = None
    if task == "regress" and isinstance(train.labels, Tensor):
        scales = fit_numbers(collection, train.labels)
    return Dataset(
        name,
        train,
        part(collection, labels, validation_rows),
        part(test, labels if test is collection else labels_of(test), test_rows),
        classes=classes,
        notes=tuple(notes),
        task=task,
        numbers=scales,
    )


def _find_test(
    collection: Collection, options: DataOptions, task: str
) -> tuple[Rows, Collection, Rows, list[str]]:
    """The rows to train on, the collection to test on and its rows, and what had to be assumed."""
    count, columns = len(collection.sequences), collection.columns
    if options.test is None and "part" in columns:
        parts = np.array(columns["part"])
        if not (parts == "test").all() and (parts == "test").any():
            return np.flatnonzero(parts != "test"), collection, np.flatnonzero(parts == "test"), []
    if options.test is None:
        wanted = max(1, count // TEST_SHARE)
        if count < 2:
            raise UnrolledError(
                f"{collection.path} holds {count} sequence, expected 2 at least: to train on and to test on"
            )
        test = held_out(count, wanted, classes=_strata(collection, task), groups=_groups(collection, options))
        if not len(test):
            raise UnrolledError(
                f"{collection.path}: each of the {count} classes has one sequence, expected two at least: to "
                "train on and to test on. Bring more, or name others to test on with --test"
            )
        return (
            np.setdiff1d(np.arange(count), test),
            collection,
            test,
            [f"{len(test)} of {count} sequences are held out to test on: --test names others"],
        )
    if is_choice(options.test):
        name, _, values = options.test.partition("=")
        if name not in columns:
            raise unknown_name("column of sequences", name, columns)
        chosen = np.isin(np.array(columns[name]), values.split(","))
        unknown = [value for value in values.split(",") if value not in columns[name]]
        if unknown or chosen.all():
            what = f"no sequence has {name} {unknown[0]!r}" if unknown else "nothing is left to train on"
            raise UnrolledError(
                f"--test {options.test}: {what}, expected some of {shown(dict.fromkeys(columns[name]))}"
            )
        return np.flatnonzero(~chosen), collection, np.flatnonzero(chosen), []
    test_collection = read_again(
        options.test,
        Preparation(collection.reading, collection.features),
        names=options.names,
        label=next(iter(options.label), None),
        columns=[options.split_by] if options.split_by else [],
        labelled=True,
    )
    if test_collection.features != collection.features:
        raise UnrolledError(
            f"{options.test} has the features {shown(test_collection.features)}, {collection.path} has "
            f"{shown(collection.features)}: expected the same"
        )
    test_collection = labelled_for(test_collection, task)
    return np.arange(count), test_collection, np.arange(len(test_collection.sequences)), []


def _check_apart(
    collection: Collection, rows: Rows, test: Collection, test_rows: Rows, options: DataOptions
) -> None:
    """Raise an UnrolledError if a group is both trained and tested on, although none is to be."""
    groups, others = _groups(collection, options), _groups(test, options)
    if groups is None or others is None:
        return
    both = {groups[row] for row in rows} & {others[row] for row in test_rows}
    if both:
        raise UnrolledError(
            f"--split-by {options.split_by}: {shown(sorted(both), 5)} would be on both sides, to train on "
            f"and to test on, by --test {options.test}: leave one of the two out"
        )


def _notes_of_groups(collection: Collection, held: dict[str, Rows], options: DataOptions) -> list[str]:
    """Which groups are held out, and what for."""
    groups = _groups(collection, options)
    if groups is None:
        return []
    return [
        f"held out to {why}: {options.split_by} {shown(dict.fromkeys(groups[row] for row in rows))}"
        for why, rows in held.items()
        if len(rows)
    ]


def _hold_out(
    collection: Collection, rows: Rows, validation: int | None, options: DataOptions, task: str
) -> tuple[Rows, Rows, list[str]]:
    """What is left to train on, what is held out to choose by, and what had to be assumed."""
    parts = np.array(collection.columns.get("part", ()))[rows] if "part" in collection.columns else None
    if parts is not None and validation is None and (parts == "validation").any():
        return rows[parts != "validation"], rows[parts == "validation"], []
    strata, groups = _strata(collection, task), _groups(collection, options)
    notes = []
    if validation is None:
        validation = min(len(rows) // VALIDATION_SHARE, MOST_VALIDATION)
        if validation and groups is not None and len({groups[row] for row in rows}) == 1:
            validation = 0
            notes.append(
                f"all sequences to train on have the {options.split_by} {groups[rows[0]]}: none is held out "
                "to choose by, and the last weights are taken"
            )
    check_count("validation", validation, least=0, most=len(rows) - 1)
    held = held_out(
        len(rows),
        validation,
        classes=None if strata is None else [strata[row] for row in rows],
        groups=None if groups is None else [groups[row] for row in rows],
    )
    return np.delete(rows, held), rows[held], notes


def _strata(collection: Collection, task: str) -> Sequence[str] | None:
    return collection.labels.tolist() if task == "classify" and collection.labels is not None else None


def _groups(collection: Collection, options: DataOptions) -> tuple[str, ...] | None:
    if options.split_by is None:
        return None
    if options.split_by not in collection.columns:
        raise unknown_name("column of sequences", options.split_by, collection.columns)
    return collection.columns[options.split_by]
