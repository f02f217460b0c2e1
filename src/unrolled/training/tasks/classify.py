"""A class for each sequence."""

from __future__ import annotations

from torch import Tensor

from unrolled.data import Batch
from unrolled.training.tasks.classes import ClassTask


class Classify(ClassTask):
    """A class for each sequence: a row is a sequence."""

    def asked(self, batch: Batch) -> Tensor:
        return batch.labels
