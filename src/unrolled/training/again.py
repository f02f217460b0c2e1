"""A run's network and files that it has not seen: read and prepared as those of its training were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data import Examples, Sequences
from unrolled.data.again import read_again
from unrolled.data.collection import Collection
from unrolled.data.targets import class_numbers, labelled_for, numbers
from unrolled.data.windows import windows
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.training.data_file import DataRecord
from unrolled.training.run import Run
from unrolled.training.run_config import RunConfig
from unrolled.training.tasks import Task, task_named


class Seen(NamedTuple):
    """Sequences of other files.

    Attributes:
        collection: as they were read.
        examples: what a network reads; without labels these are zeros.
    """

    collection: Collection
    examples: Examples


class Again:
    """A run that reads other files.

    Args:
        run: of data from files.

    Raises:
        UnrolledError: the run says nothing of how its files were read.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.record = DataRecord.load(run.folder)
        if self.record.preparation is None or not self.record.preparation.reading:
            raise UnrolledError(f"{run.folder} was not trained on files that could be read again")
        self.preparation = self.record.preparation

    @property
    def task(self) -> Task:
        """What the network was trained to say."""
        config = self.run.config
        return task_named(config.task, len(config.classes), self.record.numbers, self.preparation)

    def read(self, path: str | os.PathLike[str], *, labelled: bool = False) -> Seen:
        """The sequences of a file, or of a folder. Of a series to forecast: its end, or all with `labelled`.

        Raises:
            UnrolledError: it is of another kind than the training's files, damaged, or has no labels.
        """
        config = self.run.config
        forecasts = config.task == "forecast"
        collection = read_again(
            path,
            self.preparation,
            names=config.options.get("names"),
            label=next(iter(config.options.get("label", ())), None),
            labelled=labelled and not forecasts,
        )
        if forecasts:
            return self._windows(collection, labelled)
        if not labelled:
            return Seen(collection, unlabelled(collection.sequences, config, self.record, collection.names))
        if collection.labels is None:
            raise UnrolledError(f"{path} has no labels, expected those of {config.task}")
        _check_fits(collection.sequences, config, collection.names)
        collection = labelled_for(collection, config.task)
        labels = (
            numbers(collection) if config.task == "regress" else class_numbers(collection, config.classes)
        )
        return Seen(collection, Examples(collection.sequences, labels, preparation=self.preparation))

    def _windows(self, collection: Collection, labelled: bool) -> Seen:
        numbers = self.record.numbers
        if numbers is None or not numbers.context:
            raise UnrolledError(f"{self.run.folder} says nothing of what it forecasts")
        series = collection.sequences
        if labelled:
            found = windows(
                series,
                (torch.zeros_like(series.lengths), series.lengths),
                numbers.context,
                numbers.horizon,
                torch.tensor(numbers.features),
            )
            if not len(found.targets):
                raise UnrolledError(
                    f"{collection.path} has at most {int(series.lengths.max())} steps, expected at least "
                    f"{numbers.context + numbers.horizon}: to read and to compare with"
                )
            return Seen(collection, Examples(found.sequences, found.targets, preparation=self.preparation))
        names = [f"{collection.path}: series {name}" for name in collection.names]
        return Seen(collection, unlabelled(series, self.run.config, self.record, names))


def unlabelled(sequences: Sequences, config: RunConfig, record: DataRecord, names: Sequence[str]) -> Examples:
    """Sequences as a run reads them, with zeros for labels; of series to forecast their ends.

    Args:
        sequences: N of them.
        config: the run's.
        record: what it keeps of its data.
        names: what each is called in a message.

    Raises:
        UnrolledError: a series is shorter than a season, steps are of another width, or pictures of another
            size.
    """
    numbers = record.numbers
    _check_fits(sequences, config, names)
    if config.task == "forecast" and numbers is not None:
        short = sequences.lengths < numbers.season
        if short.any():
            row = int(short.nonzero()[0])
            raise UnrolledError(
                f"{names[row]} has {int(sequences.lengths[row])} steps, expected at least one season of "
                f"{numbers.season}"
            )
        most = numbers.context or int(sequences.lengths.max())
        lengths = sequences.lengths.clamp(max=most)
        starts = sequences.starts + sequences.lengths - lengths
        sequences = Sequences(sequences.values, starts, lengths, sequences.file)
    labels: Tensor | Sequences
    if numbers is not None:
        labels = torch.zeros(len(sequences), numbers.outputs)
    elif config.task == "tag":
        of_steps = torch.zeros(len(sequences.values), dtype=torch.int64)
        labels = Sequences(of_steps, sequences.starts, sequences.lengths)
    else:
        labels = torch.zeros(len(sequences), dtype=torch.int64)
    return Examples(sequences, labels, preparation=record.preparation)


def _check_fits(sequences: Sequences, config: RunConfig, names: Sequence[str]) -> None:
    """Raise an UnrolledError that names what a run's network cannot read."""
    network = config.network
    if sequences.width != network.input_size:
        raise UnrolledError(
            f"{names[0]} has {sequences.width} numbers a step, expected {network.input_size}: so many reads "
            f"the network {network.name}"
        )
    if not isinstance(network, NetworkConfig) or network.rows is None:
        return
    others = sequences.lengths != network.rows
    if others.any():
        row = int(others.nonzero()[0])
        raise UnrolledError(
            f"{names[row]} has {int(sequences.lengths[row])} steps of {sequences.width}, expected "
            f"{network.rows}: the network {network.name} reads {network.pictures} {network.order}: "
            "scale or crop it"
        )
