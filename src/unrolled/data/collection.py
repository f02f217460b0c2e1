"""What a file or a folder holds, as it was found: before it is split, and before anything is done to it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.sequences import Sequences


@dataclasses.dataclass(frozen=True, eq=False)
class Collection:
    """N sequences, and what is said of them.

    Attributes:
        path: where they were found, for messages.
        sequences: N of them; float32 with NaN for a value that is missing, or uint8 for pictures.
        features: the name of each of the I numbers of a step.
        names: what each sequence is called: its id, the file, or the row, [N].
        labels: what is to be predicted, as the file says it: text ("7", "cat") or float64, one for each
            sequence [N], or, where `each_step`, one for each step [S] in the order of `sequences.values`;
            several numbers are [N, K]. None if nothing is said.
        each_step: whether there is a label for each step.
        label_names: the name of each label column.
        classes: the names of the classes in their order, if the file itself lists them.
        columns: what else is said of each sequence, as text [N], by name: a speaker, a part, an index.
        reading: how it was read: the format, and the settings that `predict` needs to read files likewise.
        notes: what had to be assumed.
    """

    path: str
    sequences: Sequences
    features: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.str_] | NDArray[np.float64] | None = None
    each_step: bool = False
    label_names: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    columns: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    reading: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
