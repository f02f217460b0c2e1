"""The three parts of a data set, and what is to be learned from them."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from unrolled.data.examples import Examples
from unrolled.data.numbers import Numbers
from unrolled.data.preparation import Preparation
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError, check_count, unknown_name
from unrolled.tasks import OF_NUMBERS, TASKS

MOST_VALIDATION = 5000
PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to train on, to choose by and to test on.

    Attributes:
        name: what it is called.
        train, validation, test: its parts; only validation may be empty.
        classes: the name of each class, in the order of the labels; none where numbers are predicted.
        notes: what had to be assumed about it.
        task: what is to be learned: "classify", "tag", "regress" or "forecast".
        numbers: what there is to know of the numbers that are predicted; None where classes are.

    Raises:
        UnrolledError: no classes, nothing to train or test on, or labels that are not of the task.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    task: str = "classify"
    numbers: Numbers | None = None

    @property
    def preparation(self) -> Preparation | None:
        """What is done to every sequence, if anything is."""
        return self.train.preparation

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise unknown_name("task", self.task, TASKS)
        if self.task in OF_NUMBERS:
            self._check_task_of_numbers()
        elif not self.classes:
            raise UnrolledError(f"{self.name}: there are no classes, expected the name of at least one")
        elif self.numbers is not None:
            raise UnrolledError(f"{self.name}: numbers came, but {self.task} predicts classes: leave out one")
        for part in PARTS:
            examples: Examples = getattr(self, part)
            if len(examples) == 0 and part != "validation":
                raise UnrolledError(f"{self.name}: {part} has no examples, expected at least one")
            if self.numbers is not None:
                self._check_numbers(part, examples, self.numbers)
            else:
                self._check_classes(part, examples.labels)

    def _check_task_of_numbers(self) -> None:
        if self.classes:
            raise UnrolledError(
                f"{self.name}: {len(self.classes)} classes came, but {self.task} predicts numbers: leave "
                "them out, or name the task classify"
            )
        if self.numbers is None:
            raise UnrolledError(f"{self.name}: {self.task} predicts numbers: say which with `numbers`")
        if bool(self.numbers.horizon) != (self.task == "forecast"):
            raise UnrolledError(
                f"{self.name}: the horizon is {self.numbers.horizon}, expected "
                f"{'at least 1' if self.task == 'forecast' else '0'} to {self.task}"
            )
        width = self.train.width
        if self.numbers.features and max(self.numbers.features) >= width:
            raise UnrolledError(
                f"{self.name}: number {max(self.numbers.features)} of a step is to be forecast, expected "
                f"0 to {width - 1}"
            )

    def _check_numbers(self, part: str, examples: Examples, numbers: Numbers) -> None:
        labels = examples.labels
        if isinstance(labels, Sequences) or labels.dim() != 2 or labels.shape[1] != numbers.outputs:
            came = "a class for each step" if isinstance(labels, Sequences) else str([*labels.shape])
            raise UnrolledError(
                f"{self.name}: the labels of {part} are {came}, expected "
                f"[N, {numbers.outputs}] to {self.task}"
            )
        shortest = examples.shortest
        if numbers.horizon and len(examples) and shortest < numbers.season:
            raise UnrolledError(
                f"{self.name}: a sequence of {part} has {shortest} steps, expected at least the "
                f"{numbers.season} of a season: a forecast begins with what was there a season ago"
            )
        wrong = ~labels.isfinite()
        if wrong.any():
            row, number = wrong.nonzero()[0].tolist()
            raise UnrolledError(
                f"{self.name}: label {row} of {part} is {float(labels[row, number])}, expected finite numbers"
            )

    def _check_classes(self, part: str, labels: Tensor | Sequences) -> None:
        each_step = isinstance(labels, Sequences)
        values = labels.values if isinstance(labels, Sequences) else labels
        if each_step != (self.task == "tag") or values.dim() != 1:
            came = "for each step" if each_step else "for each sequence" if values.dim() == 1 else "numbers"
            raise UnrolledError(
                f"{self.name}: the labels of {part} are {came}, expected {TASKS[self.task]} to {self.task}"
            )
        wrong = (values < 0) | (values >= len(self.classes))
        if wrong.any():
            row = int(wrong.nonzero()[0])
            what = f"label {row} of {part}" if not each_step else f"the label of step {row} of {part}"
            raise UnrolledError(
                f"{self.name}: {what} is {int(values[row])}, expected 0 to {len(self.classes) - 1}"
            )

    def check_finite(self) -> None:
        """Raise an UnrolledError if a sequence of any part holds infinite numbers, or what is none."""
        for part in PARTS:
            getattr(self, part).check_finite(part)


def hold_out(name: str, train: Examples, validation: int | None) -> tuple[Examples, Examples]:
    """What is left to train on, and the first `validation` examples; None for a tenth, 5,000 at most.

    Raises:
        UnrolledError: nothing would be left.
    """
    if validation is None:
        validation = min(len(train) // 10, MOST_VALIDATION)
    try:
        count = check_count("validation", validation, least=0, most=len(train) - 1)
    except UnrolledError:
        raise UnrolledError(
            f"validation is {validation!r}, expected a whole number from 0 to {len(train) - 1}: "
            f"{name} has {len(train)} examples to train on"
        ) from None
    return train[count:], train[:count]
