"""What networks are trained to say, one file each."""

from __future__ import annotations

from unrolled.data import Dataset
from unrolled.training.tasks.classify import Classify
from unrolled.training.tasks.forecast import Forecast
from unrolled.training.tasks.regress import Regress
from unrolled.training.tasks.tag import Tag
from unrolled.training.tasks.task import Evaluation, Task

__all__ = ["Classify", "Evaluation", "Forecast", "Regress", "Tag", "Task", "task_of"]


def task_of(data: Dataset) -> Task:
    """The task of a data set.

    >>> from unrolled.data import load
    >>> task_of(load("sample")).outputs
    10
    """
    if data.numbers is not None:
        if data.task == "forecast":
            preparation = data.preparation
            return Forecast(data.numbers, None if preparation is None else preparation.standardization)
        return Regress(data.numbers)
    return (Tag if data.task == "tag" else Classify)(len(data.classes))
