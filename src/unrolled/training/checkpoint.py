"""A training's state as a file: tensors by name, and numbers as JSON. Nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import Tensor

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError
from unrolled.training.progress import Progress
from unrolled.training.state import TrainingState

FORMAT = "unrolled checkpoint 1"


def save_checkpoint(path: Path, state: TrainingState) -> None:
    """Write the state; until it is whole, `path` stays what it was."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    numbers = json.dumps({"training": state.training, "progress": dataclasses.asdict(state.progress)})
    metadata = {"format": FORMAT, "numbers": numbers, "digest": _digest(numbers, tensors)}
    with atomic_path(path) as part:
        part.write_bytes(save(tensors, metadata))


def load_checkpoint(path: Path) -> TrainingState:
    """The state in a file that `save_checkpoint` wrote.

    Raises:
        UnrolledError: there is none, it is something else, or a single bit of it is not what was written.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise UnrolledError(f"{path} is damaged: {error}") from error
    if metadata.get("format") != FORMAT:
        raise UnrolledError(
            f"{path} is not a checkpoint that this version can read: its format is "
            f"{metadata.get('format')!r}, expected {FORMAT!r}"
        )
    numbers = metadata.get("numbers", "")
    if metadata.get("digest") != _digest(numbers, tensors):
        raise UnrolledError(f"{path} is damaged: its digest is not that of what it holds")
    try:
        values: dict[str, Any] = json.loads(numbers)
        return TrainingState(values["training"], Progress(**values["progress"]), tensors)
    except (ValueError, KeyError, TypeError) as error:
        raise UnrolledError(f"{path} is another version's: {error}") from error


def _digest(numbers: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(numbers.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
