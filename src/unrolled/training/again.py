"""A run's network and files that it has not seen: read and prepared as those of its training were."""

from __future__ import annotations

import os
from typing import NamedTuple

import torch

from unrolled.data import Examples, Sequences
from unrolled.data.again import read_again
from unrolled.data.collection import Collection
from unrolled.data.targets import class_numbers, labelled_for, numbers
from unrolled.data.windows import windows
from unrolled.errors import UnrolledError
from unrolled.training.data_file import DataRecord
from unrolled.training.run import Run
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
        sequences = collection.sequences
        if forecasts:
            return self._windows(collection, labelled)
        if labelled and collection.labels is None:
            raise UnrolledError(f"{path} has no labels, expected those of {config.task}")
        if labelled:
            collection = labelled_for(collection, config.task)
        if config.task == "regress":
            assert self.record.numbers is not None
            labels = (
                numbers(collection) if labelled else torch.zeros(len(sequences), self.record.numbers.outputs)
            )
            return Seen(collection, Examples(sequences, labels, preparation=self.preparation))
        if labelled:
            named = class_numbers(collection, config.classes)
        elif config.task == "tag":
            none = torch.zeros(len(sequences.values), dtype=torch.int64)
            named = Sequences(none, sequences.starts, sequences.lengths)
        else:
            named = torch.zeros(len(sequences), dtype=torch.int64)
        return Seen(collection, Examples(sequences, named, preparation=self.preparation))

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
        short = series.lengths < numbers.season
        if short.any():
            row = int(short.nonzero()[0])
            raise UnrolledError(
                f"{collection.path}: series {collection.names[row]} has {int(series.lengths[row])} steps, "
                f"expected at least one season of {numbers.season}"
            )
        lengths = series.lengths.clamp(max=numbers.context)
        ends = Sequences(series.values, series.starts + series.lengths - lengths, lengths, series.file)
        none = torch.zeros(len(ends), numbers.outputs)
        return Seen(collection, Examples(ends, none, preparation=self.preparation))
