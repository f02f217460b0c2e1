"""What networks are trained to say, one file each."""

from __future__ import annotations

from unrolled.data import Dataset
from unrolled.training.tasks.classify import Classify
from unrolled.training.tasks.forecast import Forecast
from unrolled.training.tasks.regress import Regress
from unrolled.training.tasks.tag import Tag
from unrolled.training.tasks.task import Evaluation, Task

__all__ = ["KINDS", "Classify", "Evaluation", "Forecast", "Regress", "Tag", "Task", "task_of"]

# By their names, as `unrolled.tasks` has them.
KINDS: dict[str, type[Task]] = {"classify": Classify, "tag": Tag, "regress": Regress, "forecast": Forecast}


def task_of(data: Dataset) -> Task:
    """The task of a data set.

    >>> from unrolled.data import load
    >>> task_of(load("sample")).outputs
    10
    """
    if data.numbers is not None:
        if data.task == "forecast":
            return Forecast(data.numbers, data.train.scaling)
        return Regress(data.numbers)
    return (Tag if data.task == "tag" else Classify)(len(data.classes))
