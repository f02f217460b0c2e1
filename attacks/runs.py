"""Run folders: configurations, metrics, weights and checkpoints that lie."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from attacks import graphs, innocent
from attacks.attack import Call, add, attack
from unrolled import tf1
from unrolled.tf1.checkpoints.wire import bytes_field, integer_field
from unrolled.training import Run
from unrolled.training.graph_files import GRAPH
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


def graph_run(folder: Path, factor: str = "w") -> Path:
    """A run that holds a graph: y [N, T, 3], of x [N, T, 3] times a variable [3]."""
    shape = {"x": [2**64 - 1, 2**64 - 1, 3], factor: [3]}
    nodes = [
        graphs.node(name, op, attributes=graphs.attribute("shape", sizes(shape[name])) + FLOAT)
        for name, op in (("x", "Placeholder"), (factor, "VariableV2"))
    ]
    nodes.append(graphs.node("y", "Mul", "x", factor))
    prefix = folder.parent / f"{folder.name}.ckpt"
    tf1.write_checkpoint(prefix, {factor: np.array([1, 2, 3], "f4")})
    definition = b"".join(bytes_field(1, node) for node in nodes)
    prefix.with_name(f"{prefix.name}.meta").write_bytes(bytes_field(2, definition))
    Run.of_graph(folder, tf1.import_graph(prefix, layout="N T I", output="y:0").network)
    return folder


def sizes(shape: list[int]) -> bytes:
    return bytes_field(7, b"".join(bytes_field(2, integer_field(1, size)) for size in shape))


FLOAT = graphs.attribute("dtype", integer_field(6, 1))


def with_graph(change: Callable[[Path], object], verb: str = "predict") -> Callable[[Path], Call]:
    """A run that holds a graph, in whose folder something is changed."""

    def make(folder: Path) -> Call:
        run = graph_run(folder / "run")
        change(run)
        np.save(folder / "x.npy", np.ones((2, 4, 3), "f4"))
        return (
            ["predict", str(folder / "x.npy"), "--run", str(run)] if verb == "predict" else [verb, str(run)]
        )

    return make


def redigested(run: Path) -> None:
    """The digests of the files as they are now."""
    values = json.loads((run / CONFIG).read_text())
    for name in values["network"]["digests"]:
        values["network"]["digests"][name] = hashlib.sha256((run / name).read_bytes()).hexdigest()
    (run / CONFIG).write_text(json.dumps(values))


def cut(name: str, lies: bool = False) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) * 2 // 3])
        if lies:
            redigested(run)

    return change


def taken_from(name: str, factor: str, lies: bool = False) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        other = graph_run(run.parent / "other", factor)
        (run / name).write_bytes((other / name).read_bytes())
        if lies:
            redigested(run)

    return change


def saying(**changes: Any) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        values = json.loads((run / CONFIG).read_text())
        values["network"].update(changes)
        (run / CONFIG).write_text(json.dumps(values))

    return change


add("a graph that is cut", with_graph(cut(GRAPH)), f"{GRAPH} is not the file that was imported")
add("a graph that is cut, and its digest lies", with_graph(cut(GRAPH, lies=True)), f"{GRAPH} is damaged")
add("a graph that is not there", with_graph(lambda run: (run / GRAPH).unlink()), f"has no {GRAPH}")
add("another graph", with_graph(taken_from(GRAPH, "v")), "is not the file that was imported")
add(
    "another graph, and its digest lies",
    with_graph(taken_from(GRAPH, "v", lies=True)),
    "another graph's variables",
)
add("variables of a graph that are cut", with_graph(cut(WEIGHTS)), WEIGHTS)
add(
    "another graph's variables",
    with_graph(taken_from(WEIGHTS, "v")),
    "variables .* v differs",
)
add("a graph without digests", with_graph(saying(digests={})), "says nothing of it")
add("a graph that is fed a terabyte", with_graph(saying(feeds={"x:0": "zeros 99999 99999 99"})), "zeros")
add("a graph that is fed words", with_graph(saying(feeds={"x:0": "rm -rf"})), "x:0 is fed 'rm -rf'")
add("a graph that is fed nowhere", with_graph(saying(input="z:0")), "unknown node 'z'")
add("a graph of numbers that lie as tokens", with_graph(saying(layout="N T 1")), "layout is 'N T 1'")
add("a graph of batches of a billion", with_graph(saying(sizes={"N": 10**9})), "the size N is 1000000000")
add(
    "a graph whose answer is no tensor of it",
    with_graph(saying(output="\0")),
    "unknown node",
)
add("a graph whose layout is none", with_graph(saying(layout=["N"])), "layout")
add("a report about a graph", with_graph(lambda run: None, "report"), "is a graph of TensorFlow 1")
