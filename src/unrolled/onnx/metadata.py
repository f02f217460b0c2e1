"""What an ONNX file says of itself: the run, its classes, what was done to its data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from unrolled.training import Run
from unrolled.training.data_file import DataRecord

LENGTHS = (
    "outputs past a length are zero; a length of 0 leaves the initial state; what stands in the padding, NaN "
    "included, touches nothing; lengths are from 0 to T, and T is at least 1"
)


def of_run(run: Run) -> dict[str, Any]:
    """What later sequences need to be read as those of the training were, and answers to be understood."""
    record = DataRecord.load(run.folder)
    values: dict[str, Any] = {
        "run": run.folder.resolve().name,
        "task": run.config.task,
        "data": run.config.data,
    }
    for name in ("classes", "numbers"):
        if getattr(run.config, name):
            values[name] = list(getattr(run.config, name))
    if record.preparation is not None:
        values["preparation"] = record.preparation.to_dict()
    if record.numbers is not None:
        values["scales"] = dataclasses.asdict(record.numbers)
    return values


def write(model: Any, values: Mapping[str, Any]) -> None:
    """Put them into a model: text as it is, everything else as JSON."""
    for key, value in values.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
