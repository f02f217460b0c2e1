"""What the shell offers when Tab is pressed after an option or in an argument's place: names, and runs.

Nothing here needs torch: a shell waits for it. Where nothing is offered, the shell offers files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

NAMED_DATA = ("sample", "mnist", "fashion-mnist")  # as `unrolled.data.DATASETS`, which needs torch

Offer = Callable[[str], list[str]]
# What every shell takes as one word as it stands: a name with other characters is not offered.
PLAIN = re.compile(r"[\w./+@%=-]+")
# As `unrolled.data.options` has them, which needs torch.
FORMS, STEPS, RULES = ("long", "wide", "series"), ("rows", "columns"), ("previous", "mean", "error")
DEVICES = ("cpu", "cuda", "mps")


def one_of(names: Callable[[], Iterable[str]]) -> Offer:
    """Offer those of the names that begin with what has been typed."""

    def offer(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return offer


def words(*names: str) -> Offer:
    """Offer these."""
    return one_of(lambda: names)


def networks() -> Iterable[str]:
    from unrolled.networks.catalogue import CATALOGUE

    return CATALOGUE


def recipes() -> Iterable[str]:
    from unrolled.training.recipes import RECIPES

    return RECIPES


def cells() -> Iterable[str]:
    from unrolled.networks.config import CELLS

    return CELLS


def reads() -> Iterable[str]:
    from unrolled.networks.config import READS

    return READS


def scans() -> Iterable[str]:
    from unrolled.networks.config import SCANS

    return SCANS


def tasks() -> Iterable[str]:
    from unrolled.tasks import TASKS

    return TASKS


def data(incomplete: str) -> list[str]:
    """The data sets that have names, unless a file here begins alike."""
    if incomplete and any(name.startswith(incomplete) for name in _listed(".")):
        return []
    return [name for name in NAMED_DATA if name.startswith(incomplete)]


def runs() -> Iterable[str]:
    """The run folders in runs/, and those of comparisons in it."""
    return _folders("config.json", "*", "*/*")


def comparisons() -> Iterable[str]:
    """The folders of comparisons in runs/."""
    return _folders("comparison.json", "*")


def runs_and_comparisons() -> Iterable[str]:
    return [*comparisons(), *runs()]


def _folders(holding: str, *patterns: str) -> list[str]:
    try:
        found = [path.parent for each in patterns for path in Path("runs").glob(f"{each}/{holding}")]
    except OSError:
        return []
    return [name for name in sorted(map(str, found)) if PLAIN.fullmatch(name)]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
