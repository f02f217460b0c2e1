"""A training's state as a file: tensors by name, and numbers as JSON. Nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError
from unrolled.foreign import MissingFileError
from unrolled.training.progress import Progress
from unrolled.training.run_file import parse_json, shortened
from unrolled.training.state import TrainingState
from unrolled.training.tensors_file import TensorsFile

FORMAT = "unrolled checkpoint 1"


def save_checkpoint(path: str | os.PathLike[str], state: TrainingState) -> None:
    """Write the state; until it is whole, `path` stays what it was."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
    numbers = json.dumps(
        {
            "training": state.training,
            "progress": dataclasses.asdict(state.progress),
            "circumstances": state.circumstances,
        }
    )
    metadata = {"format": FORMAT, "numbers": numbers, "digest": _digest(numbers, tensors)}
    with atomic_path(Path(path)) as part:
        part.write_bytes(save(tensors, metadata))


def load_checkpoint(
    path: str | os.PathLike[str], check: Callable[[Mapping[str, Tensor]], None] = lambda shapes: None
) -> TrainingState:
    """The state in a file that `save_checkpoint` wrote.

    Args:
        path: the file.
        check: is shown the tensors by name, without their memory, before any is asked for.

    Raises:
        UnrolledError: there is none, it is something else, or a single bit of it is not what was written.
    """
    path = Path(path)
    try:
        file = TensorsFile(path)
    except MissingFileError as error:
        raise UnrolledError(f"{path} is not there") from error
    if file.metadata.get("format") != FORMAT:
        raise UnrolledError(
            f"{path} is not a checkpoint that this version can read: its format is "
            f"{file.metadata.get('format')!r:.100}, expected {FORMAT!r}"
        )
    check(file.shapes)
    tensors = file.load()
    numbers = file.metadata.get("numbers")
    if not isinstance(numbers, str) or file.metadata.get("digest") != _digest(numbers, tensors):
        raise UnrolledError(f"{path} is damaged: its digest is not that of what it holds")
    try:
        values: dict[str, Any] = parse_json(numbers)
        training, circumstances = values["training"], values.get("circumstances", {})
        if not all(isinstance(part, dict) for part in (training, circumstances)):
            raise TypeError("its training or its circumstances are no objects")
        if not all(isinstance(seen, list) for seen in circumstances.values()):
            raise TypeError("its circumstances are no lists")
        return TrainingState(training, _progress(values["progress"]), tensors, circumstances)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnrolledError(f"{path} is another version's: {shortened(error)}") from error


def _progress(values: dict[str, Any]) -> Progress:
    """How far a training has come; earlier versions counted right answers, one for each example."""
    if "right" in values and "score" not in values:
        values = {**values, "rows": values["seen"], "score": values["right"]}
        del values["right"]
    return Progress(**values)


def _digest(numbers: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(numbers.encode(errors="surrogatepass"))
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
