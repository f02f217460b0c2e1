"""The test examples that a page holds, few enough to keep it small: some of each class, and some misread."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from unrolled.data import Dataset, Examples
from unrolled.networks import SequenceClassifier
from unrolled.page.model import encoded
from unrolled.page.sounds import is_of_recordings, sounds_of
from unrolled.training import Run, evaluate
from unrolled.training.metrics import flat_labels
from unrolled.training.tasks import task_of

LOOKED_AT = 1000  # of the test examples, the first ones
RIGHT, MISREAD = 12, 6  # examples in a page, at most; of each class one at least, up to so many
MOST_CLASSES = 30
MOST_NUMBERS = 1 << 17  # in all of them
LONGEST = 400  # steps of an example


def examples_of(run: Run, network: SequenceClassifier, data: Dataset) -> list[dict[str, Any]]:
    """Test examples as plain values: what a network reads, what is true, and what they are called.

    Args:
        run: which was trained on them.
        network: the run's, which says which are misread.
        data: what it was trained on.
    """
    test = data.test[: min(LOOKED_AT, len(data.test))]
    chosen: list[dict[str, Any]] = []
    rows, numbers = [], 0
    for row in _chosen(network, data, test):
        steps = test.sequence(row)[:LONGEST]
        if numbers + steps.numel() <= MOST_NUMBERS:
            numbers += steps.numel()
            rows.append(row)
            chosen.append(_example(data, test, row, steps))
    if is_of_recordings(run):
        for example, sound in zip(chosen, sounds_of(run, [test.raw(row) for row in rows]), strict=True):
            example["sound"] = sound
    return chosen


def _chosen(network: SequenceClassifier, data: Dataset, test: Examples) -> list[int]:
    if data.task != "classify":
        return list(range(min(RIGHT, len(test))))
    labels = flat_labels(test)
    right = evaluate(network, test, task_of(data)).predictions == labels
    first = [
        (labels == number).logical_and(right).nonzero().flatten().tolist()[:2]
        for number in range(min(len(data.classes), MOST_CLASSES))
    ]
    one_each = [rows[0] for rows in first if rows]
    second = [rows[1] for rows in first if len(rows) > 1]
    misread = (~right).nonzero().flatten().tolist()[:MISREAD]
    return one_each + second[: max(0, RIGHT - len(one_each))] + misread


def _example(data: Dataset, test: Examples, row: int, steps: torch.Tensor) -> dict[str, Any]:
    bytewise = test.dtype == torch.uint8 and test.preparation is None
    raw = test.raw(row)[: len(steps)]
    values = raw.numpy() if bytewise else steps.numpy().astype("<f4")
    return {
        "name": f"test example {row}",
        "true": _true(data, test, row, len(steps)),
        "steps": len(steps),
        "form": "bytes" if bytewise else "floats",
        "values": encoded(np.asarray(values)),
    }


def _true(data: Dataset, test: Examples, row: int, steps: int) -> Any:
    """The number of the class, of each step's, or the numbers that come."""
    if data.task == "tag":
        places = flat_labels(test[row : row + 1])
        return places[:steps].tolist()
    label = test.labels[row]
    return int(label) if data.task == "classify" else label.tolist()
