"""The sound of test examples that were recordings: the file that each came from is found by its frames."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign
from unrolled.page.model import encoded
from unrolled.training import Run
from unrolled.training.again import Again
from unrolled.training.data_file import DataRecord

LONGEST = 1 << 16  # samples of one sound: 8 s of speech at 8 kHz
LOUDEST = 32767


def is_of_recordings(run: Run) -> bool:
    """Whether the run was trained on recordings."""
    preparation = DataRecord.load(run.folder).preparation
    return preparation is not None and preparation.reading.get("kind") == "recordings"


def sounds_of(run: Run, frames: Sequence[Tensor]) -> list[dict[str, Any] | None]:
    """Of each sequence the name of its file and its samples, or None where it isn't found or cannot be read.

    Args:
        run: one that was trained on recordings which are still where they were.
        frames: sequences [T, I] as the reader made them, before they were prepared.
    """
    again = Again(run)
    files: dict[bytes, str] = {}
    for place in filter(None, (run.config.data, run.config.options.get("test"))):
        if os.path.exists(place):
            collection = again.read(place).collection
            for name, sequence in zip(collection.names, collection.sequences, strict=True):
                files.setdefault(sequence.numpy().tobytes(), name)
    return [_sound(files.get(each.numpy().tobytes())) for each in frames]


def _sound(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    import soundfile

    try:
        with open_foreign(path) as file:
            samples, rate = soundfile.read(io.BytesIO(file.read()), dtype="float32", always_2d=True)
    except (UnrolledError, soundfile.LibsndfileError, OSError):
        return None  # it has gone since, or its name was no text: the frames are shown all the same
    mono = samples[:LONGEST].mean(axis=1).clip(-1, 1)
    return {
        "file": os.path.basename(path),
        "rate": int(rate),
        "samples": encoded(np.rint(mono * LOUDEST).astype("<i2")),
    }
