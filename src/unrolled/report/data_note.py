"""What a run says of its data: what they were, how they were read, and what was done to them."""

from __future__ import annotations

from typing import Any, NamedTuple

from unrolled.report.summary import RunSummary, flatten
from unrolled.tasks import TASKS
from unrolled.training.contents import PARTS

MOST_ROWS = 100  # features and numbers that are listed
MISSING = {
    "error": "there must be none",
    "previous": "the value before it in its sequence; at the beginning the feature's mean",
    "mean": "the feature's mean over the training part",
}


class Scale(NamedTuple):
    """A feature, or a number that is predicted, and what it was standardised by; None if it was not."""

    name: str
    mean: float | None
    deviation: float | None


class DataNote(NamedTuple):
    """What a page says of the data of one run or of several.

    Attributes:
        facts: what there is to know, by name.
        features, numbers: the numbers of a step, and those that are predicted.
    """

    facts: dict[str, Any]
    features: tuple[Scale, ...]
    numbers: tuple[Scale, ...]


def note_data(summary: RunSummary) -> DataNote:
    """What a run's folder says of its data."""
    config, (preparation, numbers) = summary.run.config, summary.record
    facts: dict[str, Any] = {
        "data": config.data,
        "task": f"{config.task}: {TASKS[config.task]}",
        **_split(summary),
        **{f"option {name}": value for name, value in config.options.items()},
    }
    features: tuple[Scale, ...] = ()
    if preparation is not None:
        read = flatten(preparation.reading, "reading: ")
        facts |= {name: value for name, value in read.items() if value not in (None, "", [], ())}
        scaling = preparation.standardization
        facts["missing values"] = MISSING[preparation.missing]
        facts["standardisation"] = (
            "none" if scaling is None else "each feature by its mean and deviation over the training part"
        )
        count = len(preparation.features) or (0 if scaling is None else len(scaling.mean))
        facts["features"] = count
        means = (None,) * count if scaling is None else scaling.mean
        deviations = (None,) * count if scaling is None else scaling.deviation
        names = preparation.features or tuple(map(str, range(count)))
        features = tuple(map(Scale, names, means, deviations))[:MOST_ROWS]
    if numbers is not None and numbers.horizon:
        facts |= {
            "steps that are predicted": numbers.horizon,
            "steps of a season": numbers.season,
            "mean absolute error of the seasonal naive forecast within the training part": dict(
                zip(numbers.names, numbers.scale, strict=True)
            ),
        }
    scales = () if numbers is None else tuple(map(Scale, numbers.names, numbers.mean, numbers.deviation))
    return DataNote(facts, features, scales[:MOST_ROWS])


def _split(summary: RunSummary) -> dict[str, Any]:
    """How many examples each part has, and how long the longest is."""
    contents = summary.run.contents
    if not isinstance(contents, dict):
        return {}
    facts = {}
    for part in PARTS:
        held = contents.get(part)
        if isinstance(held, dict) and isinstance(held.get("examples"), int):
            facts[f"{part} examples"] = held["examples"]
            if held["examples"] and isinstance(held.get("steps"), int):
                facts[f"steps of the longest of {part}"] = held["steps"]
    return facts
