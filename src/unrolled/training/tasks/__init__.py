"""What networks are trained to say, one file each."""

from __future__ import annotations

from unrolled.data import Dataset, Numbers, Preparation
from unrolled.training.tasks.classify import Classify
from unrolled.training.tasks.forecast import Forecast
from unrolled.training.tasks.regress import Regress
from unrolled.training.tasks.tag import Tag
from unrolled.training.tasks.task import Evaluation, Task

__all__ = ["KINDS", "Classify", "Evaluation", "Forecast", "Regress", "Tag", "Task", "task_named", "task_of"]

# By their names, as `unrolled.tasks` has them.
KINDS: dict[str, type[Task]] = {"classify": Classify, "tag": Tag, "regress": Regress, "forecast": Forecast}


def task_of(data: Dataset) -> Task:
    """The task of a data set.

    >>> from unrolled.data import load
    >>> task_of(load("sample")).outputs
    10
    """
    return task_named(data.task, len(data.classes), data.numbers, data.preparation)


def task_named(name: str, classes: int, numbers: Numbers | None, preparation: Preparation | None) -> Task:
    """The task of that name, with what it has to know."""
    if numbers is not None:
        if name == "forecast":
            return Forecast(numbers, None if preparation is None else preparation.standardization)
        return Regress(numbers)
    return (Tag if name == "tag" else Classify)(classes)
