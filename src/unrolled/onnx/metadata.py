"""What an ONNX file says of itself: the run, its classes, what was done to its data; and a run of that."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import zlib
from collections.abc import Mapping
from typing import Any

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError
from unrolled.foreign import MissingFileError, read_foreign
from unrolled.networks import SequenceClassifier
from unrolled.training import Run, RunConfig
from unrolled.training.data_file import DataRecord
from unrolled.training.judge import Judge
from unrolled.training.run import CALIBRATION, DATA, LIKENESS
from unrolled.training.run_file import MOST_TEXT, parse_json, read_text, shortened

LENGTHS = (
    "outputs past a length are zero; a length of 0 leaves the initial state; what stands in the padding, NaN "
    "included, touches nothing; lengths are from 0 to T, and T is at least 1"
)
TEXTS = ("data", "task", "recipe_name", "protocol")  # as they are; everything else is JSON
# Of a run's configuration, what a file does not say: network and type of the weights it says anyway, and
# folders are its maker's.
LEFT_OUT = ("network", "weights", "data_dir", "start")


def of_run(run: Run) -> dict[str, Any]:
    """What later sequences need to be read as those of the training were, and answers to be understood."""
    values: dict[str, Any] = {"run": run.folder.resolve().name}
    config = dataclasses.asdict(run.config)
    values |= {
        name: value for name, value in config.items() if name not in LEFT_OUT and value not in (None, (), {})
    }
    record = DataRecord.load(run.folder)
    if record.preparation is not None:
        values["preparation"] = record.preparation.to_dict()
    if record.numbers is not None:
        values["scales"] = dataclasses.asdict(record.numbers)
    Judge.of(run)  # which finds what is damaged
    try:
        values["calibration"] = parse_json(read_text(run.folder / CALIBRATION))
        values["likeness"] = _packed(read_foreign(run.folder / LIKENESS, MOST_TEXT))
    except MissingFileError:
        pass
    return values


def write(model: Any, values: Mapping[str, Any]) -> None:
    """Put them into a model: text as it is, everything else as JSON."""
    for key, value in values.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def of_model(model: Any) -> dict[str, str]:
    """What a model says, as it stands there.

    Raises:
        UnrolledError: it says something twice.
    """
    said = {entry.key: entry.value for entry in model.metadata_props}
    if len(said) < len(model.metadata_props):
        raise UnrolledError("its metadata say something twice: the file is damaged")
    return said


def value_of(said: Mapping[str, str], name: str) -> Any:
    """One of the values, None if it is not said.

    Raises:
        UnrolledError: it is no JSON, or too long.
    """
    text = said.get(name)
    if text is None or name in TEXTS:
        return text
    try:
        if len(text) > MOST_TEXT:
            raise ValueError(f"it has {len(text):,} letters, expected {MOST_TEXT:,} at most")
        return parse_json(text)
    except ValueError as error:
        raise UnrolledError(f"{name} is damaged: {shortened(error)}") from None


def make_run(
    said: Mapping[str, str], usual: RunConfig, network: SequenceClassifier, folder: str | os.PathLike[str]
) -> Run:
    """A run folder of a network and of what its file said.

    Args:
        said: the metadata.
        usual: what the run is of, where the file says nothing.
        network: with the weights.
        folder: the run's, see `Run.create`.

    Raises:
        UnrolledError: the metadata are damaged, or do not fit the network; or there can be no such folder.
    """
    fields = {field.name for field in dataclasses.fields(RunConfig)} - set(LEFT_OUT)
    own = {name: value_of(said, name) for name in sorted(fields & set(said))}
    given = dataclasses.asdict(usual)
    if "task" in own:
        given["classes"] = ()  # or the numbers that it predicts would be called classes
    record = DataRecord.from_dict(
        {"preparation": value_of(said, "preparation"), "numbers": value_of(said, "scales")}
    )
    run = Run.create(folder, RunConfig.from_dict({**given, **own}))
    try:
        run.save_weights(network.state_dict())
        record.save(run.folder)
        if "calibration" in said:
            with atomic_path(run.folder / CALIBRATION) as path:
                path.write_text(json.dumps(value_of(said, "calibration"), indent=2) + "\n", encoding="utf-8")
        if "likeness" in said:
            with atomic_path(run.folder / LIKENESS) as path:
                path.write_bytes(_unpacked(said["likeness"]))
        _check_fit(run)
    except UnrolledError as error:
        run.discard()
        raise UnrolledError(str(error).replace(f"{run.folder}{os.sep}", "")) from error
    return run


def _check_fit(run: Run) -> None:
    """Raise an UnrolledError if something in a run folder does not fit its network."""
    Judge.of(run)
    record = DataRecord.load(run.folder)
    if record.preparation is not None:
        record.preparation.check_width(run.config.network.input_size)
    if record.numbers is not None and record.numbers.outputs != run.config.network.classes:
        raise UnrolledError(
            f"{DATA} scales {record.numbers.outputs} numbers, but the network {run.config.network.name} "
            f"gives {run.config.network.classes}"
        )


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _unpacked(text: str) -> bytes:
    """The inverse of `_packed`, of what may unpack to no end."""
    try:
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(base64.b64decode(text, validate=True), MOST_TEXT)
        if not unpacking.eof:
            raise ValueError(f"it is cut, or unpacks to more than {MOST_TEXT:,} bytes")
    except (ValueError, binascii.Error, zlib.error) as error:
        raise UnrolledError(f"likeness is damaged: {shortened(error)}") from None
    return content
