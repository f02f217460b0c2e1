"""Models of other makers, TensorFlow 1's and ONNX files: good ones, and how they are read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch

from attacks import innocent
from attacks.parser import Files, files_of, refused_or_read
from unrolled import onnx, tf1
from unrolled.cli.import_onnx import ImportOnnxOptions, import_exported
from unrolled.onnx.require import require
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.wire import bytes_field, write_varint
from unrolled.tf1.graphs.networks.definition import Graph
from unrolled.training import Run

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "checkpoints.zip"


def checkpoints(*endings: str, without: str = "\n") -> list[Files]:
    """Checkpoints that TensorFlow wrote."""
    found: dict[str, Files] = {}
    with zipfile.ZipFile(GOLDEN) as archive:
        for name in archive.namelist():
            folder, _, file = name.rpartition("/")
            if file.startswith("model.ckpt"):
                found.setdefault(folder, {})[file] = archive.read(name)
    return [
        files
        for files in found.values()
        if all(any(file.endswith(ending) for file in files) for ending in endings)
        and not any(file.endswith(without) for file in files)
    ]


def version_1() -> list[Files]:
    old = [files for files in checkpoints() if not any(file.endswith(".index") for file in files)]
    return [{name: content for name, content in files.items() if not name.endswith(".meta")} for files in old]


def tables(folder: Path) -> list[Files]:
    tables = [
        content
        for files in checkpoints(".index")
        for name, content in files.items()
        if name.endswith(".index")
    ]
    tables += [
        content
        for files in version_1()
        for content in files.values()
        if content.endswith(b"\x24\x75\x47\xdb")
    ]
    return [{"table": content} for content in tables]


def snappy(folder: Path) -> list[Files]:
    text = b"a literal of some length, and then " * 2
    packed = write_varint(len(text) + 64) + bytes([(len(text) - 1) << 2 if len(text) < 61 else 0xF0])
    packed += (bytes([len(text) - 1]) if len(text) >= 61 else b"") + text + b"\xfe\x23\0"
    assert decompress(packed)[: len(text)] == text
    return [{"block": packed}, {"block": write_varint(9) + b"\x08abc\x09\x03"}]


def metas(folder: Path) -> list[Files]:
    made = checkpoints(".meta")
    tf1.write_checkpoint(folder / "model.ckpt", innocent.variables())
    node = bytes_field(1, b"rnn/basic_lstm_cell/kernel") + bytes_field(2, b"VariableV2")
    (folder / "model.ckpt.meta").write_bytes(bytes_field(2, bytes_field(1, node)))
    return [*made, {name: content for name, content in files_of(folder).items() if name != "checkpoint"}]


def read_meta(folder: Path) -> object:
    graph = Graph.read(folder / "model.ckpt.meta")
    variables = tf1.read_checkpoint(folder / "model.ckpt")
    return tf1.find_model(variables, graph).network()


def graphs(folder: Path) -> list[Files]:
    """Graphs that TensorFlow wrote, frozen and with their variables, without those that take long."""
    found: dict[str, Files] = {}
    with zipfile.ZipFile(GOLDEN.with_name("graphs.zip")) as archive:
        for name in archive.namelist():
            place, _, file = name.rpartition("/")
            if file == "graph.pb" or file.startswith("model.ckpt"):
                found.setdefault(place, {})[file] = archive.read(name)
    return [files for files in found.values() if sum(map(len, files.values())) < 1 << 18]


def read_graph(folder: Path) -> object:
    """Load a graph, and run what it seems to be there for."""
    frozen = folder / "graph.pb"
    graph = tf1.Graph.load(frozen if frozen.exists() else folder / "model.ckpt")
    feeds = {
        name: np.ones([3 if size < 0 else min(size, 9) for size in shape or (3, 4)], "u1")
        for name, shape in graph.placeholders.items()
    }
    fetches = [*graph.ends[:3], *(f"{name}:0" for name in list(graph.nodes)[-40:])]
    for name in fetches:
        with refused_or_read():
            graph.run(name, feeds, seconds=0.05)
    return graph


def onnx_files(folder: Path) -> list[Files]:
    """Models that PyTorch, tf2onnx and this package exported; onnx is loaded before memory is held short."""
    require()
    run = Run.open(innocent.run(folder / "run"))
    for name, how in (("one", {}), ("step", {"stream": True, "fp16": True})):
        onnx.export(run, folder / f"{name}.onnx", **how)
    foreign = sorted(GOLDEN.with_name("onnx").glob("*.onnx"))
    return [{"model.onnx": path.read_bytes()} for path in (*foreign, *sorted(folder.glob("*.onnx")) * 5)]


def read_onnx(folder: Path) -> object:
    """Load a model, run it on what it says it takes, and look for its network; or read what was exported."""
    options = ImportOnnxOptions(folder / "model.onnx", run=folder / "imported")
    exported = onnx.read_exported(options.model)
    if exported is not None:
        return list(import_exported(options, exported))
    model = onnx.load(options.model)
    feeds = {
        name: torch.ones(
            [3 if isinstance(size, str) else min(size, 9) for size in expected.shape or ()],
            dtype=expected.dtype,
        )
        for name, expected in model.inputs.items()
    }
    with refused_or_read(), torch.no_grad():
        model(**feeds)
    return onnx.find_network(model, "found")


def read_variables(folder: Path) -> object:
    variables = tf1.read_checkpoint(folder / "model.ckpt")
    return tf1.find_model(variables, options={"forget_bias": 1.0}).network()
