"""Run folders: configurations, metrics, weights and checkpoints that lie."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from attacks import innocent
from attacks.attack import Call, add, attack
from unrolled.training.run import CHECKPOINT, CONFIG, METRICS, WEIGHTS


def evaluate(folder: Path) -> list[str]:
    return ["evaluate", str(folder)]


def with_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], Call]:
    """A run whose configuration is changed."""

    def make(folder: Path) -> Call:
        run = innocent.run(folder / "run")
        values = json.loads((run / CONFIG).read_text())
        change(values)
        (run / CONFIG).write_text(json.dumps(values))
        return evaluate(run)

    return make


def with_file(name: str, content: bytes, verb: str = "evaluate") -> Callable[[Path], Call]:
    """A run one of whose files is this."""

    def make(folder: Path) -> Call:
        run = innocent.run(folder / "run")
        (run / name).write_bytes(content)
        return ["train", "--resume", str(run)] if verb == "resume" else [verb, str(run)]

    return make


CONFIGURED: dict[str, Callable[[dict[str, Any]], object]] = {
    "versions that are a number": lambda values: values.update(versions=3, unknown=1),
    "a machine that is a list": lambda values: values.update(machine=[1, 2], seed=None),
    "a seed of 70 bits": lambda values: values.update(seed=2**70),
    "a billion units": lambda values: values["network"].update(layers=[["gru", 10**9]]),
    "a million layers": lambda values: values["network"].update(layers=[["gru", 6]] * 1_000_000),
    "a billion classes": lambda values: values["network"].update(classes=10**9),
    "no network": lambda values: values.pop("network"),
    "a network that is a number": lambda values: values.update(network=3),
    "classes that are a number": lambda values: values.update(classes=3),
    "a width that is no number": lambda values: values["network"].update(input_size=float("nan")),
    "a negative width": lambda values: values["network"].update(layers=[["gru", -6]]),
}
for name, change in CONFIGURED.items():
    add(f"a run of {name}", with_config(change), CONFIG)

add(
    "a configuration a hundred thousand lists deep",
    with_file(CONFIG, b"[" * 100_000 + b"]" * 100_000),
    CONFIG,
)
add(
    "a configuration of a number of five thousand digits",
    with_file(CONFIG, b'{"seed": ' + b"9" * 5000 + b"}"),
    CONFIG,
)
add("a configuration that is not UTF-8", with_file(CONFIG, b"\xff\xfe"), CONFIG)
add("a configuration that is a list", with_file(CONFIG, b"[]"), CONFIG)
add("a configuration that is nothing", with_file(CONFIG, b""), CONFIG)
add("metrics that are a number", with_file(METRICS, b"3\n", "report"), METRICS)
add("metrics a hundred thousand lists deep", with_file(METRICS, b"[" * 100_000 + b"\n", "report"), METRICS)
add("metrics that are not UTF-8", with_file(METRICS, b"\xff\xfe\n", "report"), METRICS)


@attack(CONFIG)
def a_configuration_of_a_terabyte(folder: Path) -> Call:
    innocent.sparse(innocent.run(folder / "run") / CONFIG, 1 << 40)
    return evaluate(folder / "run")


@attack(METRICS)
def metrics_of_a_terabyte(folder: Path) -> Call:
    innocent.sparse(innocent.run(folder / "run") / METRICS, 1 << 40)
    return ["report", str(folder / "run")]


def with_weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], Call]:
    """A run one of whose weights is changed."""

    def make(folder: Path) -> Call:
        run = innocent.run(folder / "run")
        weights = load_file(run / WEIGHTS)
        weights["classifier.bias"] = change(weights["classifier.bias"])
        save_file(weights, run / WEIGHTS)
        return evaluate(run)

    return make


add("weights that are whole numbers", with_weights(lambda bias: bias.long()), WEIGHTS)
add("weights that are no numbers", with_weights(lambda bias: bias / 0 * 0), WEIGHTS)
add("weights of another shape", with_weights(lambda bias: bias[1:].contiguous()), WEIGHTS)
add("weights that are complex", with_weights(lambda bias: bias.to(torch.complex64)), WEIGHTS)


def tensors(header: bytes, data: bytes = b"") -> bytes:
    """A file of tensors with this header."""
    return struct.pack("<Q", len(header)) + header + data


add("weights whose header has an exabyte", with_file(WEIGHTS, struct.pack("<Q", 2**60) + b"{}"), WEIGHTS)
add("weights whose header is deep", with_file(WEIGHTS, tensors(b"[" * 50_000)), WEIGHTS)
add("weights that are nothing", with_file(WEIGHTS, tensors(b"{}")), WEIGHTS)


@attack(WEIGHTS)
def weights_of_a_terabyte(folder: Path) -> Call:
    start = tensors(b'{"w":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}')
    innocent.sparse(innocent.run(folder / "run") / WEIGHTS, len(start) + (1 << 40), start)
    return evaluate(folder / "run")


def checkpoint(numbers: str, digest: str | None = None) -> bytes:
    """A checkpoint of a training without tensors, by default with the digest of its numbers."""
    metadata = {
        "format": "unrolled checkpoint 1",
        "numbers": numbers,
        "digest": digest or hashlib.sha256(numbers.encode()).hexdigest(),
    }
    return tensors(json.dumps({"__metadata__": metadata}).encode())


NUMBERS = {
    "nothing": "",
    "a number": "3",
    "no progress": '{"training": {}, "progress": null}',
    "numbers a hundred thousand lists deep": "[" * 100_000,
    "an unknown progress": '{"training": {}, "progress": {"cursor": 7}}',
    "a training that is a list": '{"training": [], "progress": {}}',
}
for name, numbers in NUMBERS.items():
    add(f"a checkpoint of {name}", with_file(CHECKPOINT, checkpoint(numbers), "resume"), CHECKPOINT)
add("a checkpoint whose digest lies", with_file(CHECKPOINT, checkpoint("{}", "0" * 64), "resume"), CHECKPOINT)
add("a checkpoint of another format", with_file(CHECKPOINT, tensors(b"{}"), "resume"), CHECKPOINT)


@attack(CHECKPOINT)
def a_checkpoint_of_a_terabyte(folder: Path) -> Call:
    start = tensors(b'{"w":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}')
    innocent.sparse(innocent.run(folder / "run") / CHECKPOINT, len(start) + (1 << 40), start)
    return ["train", "--resume", str(folder / "run")]
