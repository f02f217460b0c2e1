"""The record of a training, metrics.jsonl: a line for each epoch, and one for the test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.errors import UnrolledError, is_number
from unrolled.training.run_file import parse_json, shortened

METRICS = "metrics.jsonl"
COUNTS = ("epoch", "step", "test_examples")
OF_EPOCH = ("epoch", "step", "loss", "learning_rate", "seconds")


def parse_metrics(path: Path, text: str) -> list[dict[str, Any]]:
    """The lines of a record; a last one without an end is left out.

    What was measured, by which names, depends on the task: of an epoch or the test, all are numbers.

    Raises:
        UnrolledError: a line is no object, or of an epoch or of the test it does not say the numbers.
    """
    *lines, _ = text.split("\n")
    record = []
    for number, line in enumerate(lines, start=1):
        try:
            values = parse_json(line)
            if not isinstance(values, dict):
                raise ValueError("expected an object")
            _check(values, number)
        except ValueError as error:
            what = f"{shortened(error)}: line {number} is {shortened(line, 200)}"
            raise UnrolledError(f"{path} is damaged: {what}") from error
        record.append(values)
    return record


def is_of_test(line: Mapping[str, Any]) -> bool:
    """Whether a line is about the test, which ends a training."""
    return any(key.startswith("test_") for key in line)


def _check(values: dict[str, Any], number: int) -> None:
    of_epoch = "epoch" in values
    if not of_epoch and not is_of_test(values):
        return
    measured = tuple(key for key in values if key.startswith("test_") and key != "test_loss")
    needed = OF_EPOCH if of_epoch else measured
    for key in (*needed, *(key for key in values if key != "best")):
        value = values.get(key)
        if value is None and key not in needed:
            continue
        if key in COUNTS and not (type(value) is int and 0 < value < 2**53):
            raise ValueError(f"{key} is {value!r} in line {number}, expected a number of at least 1")
        if not is_number(value):
            raise ValueError(f"{key} is {value!r} in line {number}, expected a number")
    if not isinstance(values.get("best", False), bool):
        raise ValueError(f"best is {values['best']!r} in line {number}, expected true or false")
