"""A class for each step."""

from __future__ import annotations

from torch import Tensor

from unrolled.data import Batch, Examples
from unrolled.data.examples import NO_CLASS
from unrolled.training.tasks.classes import ClassTask


class Tag(ClassTask):
    """A class for each step: a row is a step, and padding has none. Long sequences weigh more."""

    @property
    def reads_steps(self) -> bool:
        return True

    def count(self, examples: Examples, rows: Tensor) -> int:
        if examples.lengths is None:
            return len(rows) * examples.steps
        return int(examples.lengths.index_select(0, rows).sum())

    def said(self, outputs: Tensor, batch: Batch) -> Tensor:
        return outputs.flatten(0, 1) if batch.lengths is None else outputs[batch.labels != NO_CLASS]

    def asked(self, batch: Batch) -> Tensor:
        return batch.labels[batch.labels != NO_CLASS]
