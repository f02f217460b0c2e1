"""What is measured, by its name in a run's record: how a report calls it, and how it writes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unrolled.training.tasks import KINDS

MAIN = {name: kind.metric for name, kind in KINDS.items()}
LABELS = {
    "macro_f1": "macro F1",
    "calibration_error": "expected calibration error",
    "chance_calibration_error": "the same by chance alone",
    "rmse": "RMSE",
    "mae": "MAE",
    "mase": "MASE",
    "naive_mase": "MASE of the seasonal naive forecast",
}
OF_TEST, OF_VALIDATION = "test_", "validation_"
NO_MEASURES = ("epoch", "step", "loss", "learning_rate", "seconds", "best")  # of an epoch's line


def label(name: str) -> str:
    """What a metric is called.

    >>> label("rmse"), label("accuracy"), label("something_else")
    ('RMSE', 'accuracy', 'something else')
    """
    return LABELS.get(name, name.replace("_", " "))


def shown(name: str, value: float) -> str:
    """A value of a metric: an accuracy and what is compared with it as a percentage.

    >>> shown("accuracy", 0.9871), shown("rmse", 12.3456), shown("accuracy", math.nan)
    ('98.71 %', '12.35', '–')
    """
    if math.isnan(value):
        return "–"
    return (
        f"{100 * value:.2f} %" if name == "accuracy" or name.endswith("calibration_error") else f"{value:.4g}"
    )


def of_test(line: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in the line of a record that is about the test.

    >>> of_test({"test_loss": 0.5, "test_rmse": 2.0, "test_examples": 80, "seconds": 1.0})
    {'rmse': 2.0}
    """
    names = (key.removeprefix(OF_TEST) for key in line if key.startswith(OF_TEST))
    return {name: line[OF_TEST + name] for name in names if name not in ("loss", "examples")}


def of_epoch(line: Mapping[str, Any]) -> list[str]:
    """The names of the metrics in the line of a record that is about an epoch, those while it learns first.

    >>> of_epoch({"epoch": 1, "loss": 0.5, "rmse": 2.0, "validation_rmse": None, "validation_mae": None})
    ['rmse', 'mae']
    """
    names = (key.removeprefix(OF_VALIDATION) for key in line)
    return [name for name in dict.fromkeys(names) if name not in NO_MEASURES]
