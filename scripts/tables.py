"""Files of results, and tables in Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MISSING = "**missing**"
Figures = dict[str, Any]


def read(path: Path) -> Figures:
    """A file of results; an empty one if it is not there."""
    if not path.exists():
        return {}
    found: Figures = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(head: str, line: str, rows: Iterable[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join([f"| {head} |", f"|{line}|", *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def mean_and_range(accuracies: list[float]) -> str:
    mean = f"{100 * statistics.mean(accuracies):.2f}"
    if len(accuracies) == 1:
        return mean
    return f"{mean} ({100 * min(accuracies):.2f} to {100 * max(accuracies):.2f})"


def several(runs: list[Figures], key: str) -> str:
    """The values that a key has in some runs."""
    return ", ".join(sorted({str(run[key]) for run in runs if key in run})) or MISSING
