"""A run that is served: its network, how its sequences are prepared, and how its answers are worded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.networks import SequenceClassifier
from unrolled.training import Run
from unrolled.training.data_file import DataRecord
from unrolled.training.judge import ANSWERED, NOT_SURE, Judge
from unrolled.training.tasks import Task, task_named

Outputs = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Model:
    """A run, ready to answer.

    Attributes:
        name: what requests call it.
        run: what it is of.
        network: its network, in evaluation mode.
        judge: how sure it may be.
        record: how its sequences are prepared.
        identity: a digest of the network and its weights, which sessions' tokens hold.
    """

    name: str
    run: Run
    network: SequenceClassifier
    judge: Judge
    record: DataRecord
    identity: str

    @classmethod
    def open(cls, name: str, folder: Path) -> Model:
        """That of a run folder.

        Raises:
            UnrolledError: it is none, has no weights, or its network is an imported graph.
        """
        run = Run.open(folder)
        network = run.load_classifier()
        digest = hashlib.sha256(json.dumps(dataclasses.asdict(network.config), sort_keys=True).encode())
        for key, tensor in sorted(network.state_dict().items()):
            digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return cls(name, run, network, Judge.of(run), DataRecord.load(folder), digest.hexdigest())

    @property
    def width(self) -> int:
        """I, the numbers of a step."""
        return self.network.config.input_size

    @property
    def has_gaps(self) -> bool:
        """Whether a number of a whole sequence may be missing."""
        return self.record.preparation is not None and self.record.preparation.missing != "error"

    @property
    def task(self) -> Task:
        """What the network was trained to say."""
        config = self.run.config
        return task_named(config.task, len(config.classes), self.record.numbers, self.record.preparation)

    def described(self) -> dict[str, Any]:
        """What a client needs to know of it."""
        config, preparation = self.run.config, self.record.preparation
        return {
            "name": self.name,
            "task": config.task,
            "network": config.network.name,
            "data": Path(config.data).name,
            "step": self.width,
            "features": [] if preparation is None else list(preparation.features),
            "classes": list(config.classes),
            "numbers": list(config.numbers),
            "calibrated": self.judge.held_out > 0,
            "identity": self.identity,
        }

    def prepared(self, steps: Outputs) -> Outputs:
        """Steps [T, I] of a session as the network reads them: standardised, if the run's are."""
        preparation = self.record.preparation
        if preparation is None or preparation.standardization is None:
            return steps
        return preparation.standardization.apply(torch.from_numpy(steps)).numpy()

    def worded(self, outputs: Outputs) -> list[dict[str, Any]]:
        """What the network's outputs [T, O] after each of some steps say."""
        config, numbers = self.run.config, self.record.numbers
        if numbers is not None:
            units = outputs.astype(np.float64) * np.array(numbers.deviation) + np.array(numbers.mean)
            return [{"predicted": dict(zip(config.numbers, row, strict=True))} for row in units.tolist()]
        shares = outputs / np.float32(self.judge.temperature)
        shares -= np.maximum.reduce(shares, axis=1, keepdims=True)
        np.exp(shares, out=shares)
        shares /= np.add.reduce(shares, axis=1, keepdims=True)
        said = []
        for row in shares.tolist():
            best, other = _two_largest(row)
            said.append(
                {
                    "predicted": config.classes[best],
                    "confidence": row[best],
                    "runner_up": "" if other is None else config.classes[other],
                    "runner_up_confidence": 0.0 if other is None else row[other],
                    "status": ANSWERED if row[best] >= self.judge.sure else NOT_SURE,
                }
            )
        return said


def _two_largest(row: list[float]) -> tuple[int, int | None]:
    """Where the largest is and the next, the first of those that are equal.

    >>> _two_largest([1.0, 3.0, 3.0]), _two_largest([2.0, 1.0, 0.5]), _two_largest([1.0])
    ((1, 2), (0, 1), (0, None))
    """
    best = row.index(max(row))
    if len(row) == 1:
        return best, None
    rest = [*row[:best], *row[best + 1 :]]
    other = rest.index(max(rest))
    return best, other + (other >= best)
