"""Every parser of foreign files: good files to begin with, how they are damaged, and how they are read."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load, save

from attacks import innocent, mutate, runs, sequences
from attacks.mutate import Mutation
from attacks.service import parsed
from unrolled import data, onnx, tf1
from unrolled.cli.import_onnx import ImportOnnxOptions, import_exported
from unrolled.data.readers import folder as folder_reader
from unrolled.data.readers.log_mel import MelSettings
from unrolled.errors import UnrolledError
from unrolled.onnx.require import require
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.table import read_table
from unrolled.tf1.checkpoints.wire import bytes_field, write_varint
from unrolled.tf1.graphs.networks.definition import Graph
from unrolled.training import Run, train_run
from unrolled.training.checkpoint import _digest as digest_of
from unrolled.training.graph_files import GRAPH
from unrolled.training.run import CHECKPOINT, CONFIG, METRICS, WEIGHTS

Files = dict[str, bytes]
GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "checkpoints.zip"


@dataclasses.dataclass(frozen=True)
class Parser:
    """One of them.

    Attributes:
        seeds: makes good files, by their names, in an empty folder.
        mutations: of the file whose name ends so.
        read: reads them from a folder.
    """

    seeds: Callable[[Path], list[Files]]
    mutations: dict[str, list[Mutation]]
    read: Callable[[Path], object]


def files_of(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _idx(folder: Path) -> list[Files]:
    random = np.random.default_rng(0)
    for number, dtype in enumerate(("u1", "i1", "i2", "i4", "f4", "f8")):
        shape = [(3, 28, 28), (5,), (2, 3, 4)][number % 3]
        for ending in ("", ".gz"):
            data.write_idx(folder / f"{number}{ending}", random.integers(0, 99, shape).astype(dtype))
    return [{"idx": content} for content in files_of(folder).values()]


def _read_idx(folder: Path) -> object:
    path = folder / "idx"
    with _refused_or_read():
        data.read_digits(path)
    return data.read_idx(path)


def _npy(folder: Path) -> list[Files]:
    made = files_of(innocent.arrays(folder / "arrays"))
    return [made, {name: content for name, content in made.items() if name != "classes.txt"}]


def _read_arrays(folder: Path) -> object:
    opened = data.open_arrays(folder, validation=1)
    with _refused_or_read():
        opened.check_finite()
    return list(data.batches(opened.train, 4))


def _images(folder: Path) -> list[Files]:
    kinds = [("PNG", mode) for mode in ("L", "RGB", "RGBA", "LA", "P", "1", "I;16")]
    kinds += [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"), ("BMP", "1")]
    kinds += [("TIFF", mode) for mode in ("L", "RGB", "F", "CMYK", "1")] + [("WEBP", "RGB"), ("PPM", "L")]
    made = [innocent.encoded(format, mode) for format, mode in kinds]
    made += [innocent.encoded("JPEG", progressive=True), innocent.encoded("TIFF", compression="tiff_lzw")]
    made += [
        innocent.encoded("TIFF", compression="tiff_adobe_deflate"),
        innocent.encoded("WEBP", lossless=True),
    ]
    turned = Image.Exif()
    turned[0x0112] = 6
    made += [innocent.encoded("JPEG", exif=turned), innocent.encoded("PNG", exif=turned, side=28)]
    frames = [Image.new("P", (30, 30), shade) for shade in (0, 200)]
    for format in ("GIF", "PNG", "WEBP"):
        buffer = io.BytesIO()
        frames[0].save(buffer, format, save_all=True, append_images=frames[1:])
        made.append(buffer.getvalue())
    return [{"image": content} for content in made]


def _damage_image(content: bytes, dice: mutate.Dice) -> bytes:
    try:
        return (
            mutate.in_png(content, dice) if content.startswith(b"\x89PNG") else mutate.anyhow(content, dice)
        )
    except Exception:  # it is damaged already
        return mutate.anyhow(content, dice)


def _recordings(folder: Path) -> list[Files]:
    kinds = [("WAV", kind) for kind in ("PCM_16", "PCM_U8", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610")]
    kinds += [
        ("WAVEX", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AIFF", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
    ]
    kinds += [("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
    return [{"recording": innocent.sound(format, subtype=kind)} for format, kind in kinds]


def _damage_recording(content: bytes, dice: mutate.Dice) -> bytes:
    deep = {b"Ogg": mutate.in_ogg, b"RIF": mutate.in_riff}
    return deep.get(content[:3], mutate.anyhow)(content, dice)


def _read_recording(path: Path) -> object:
    settings = dataclasses.asdict(MelSettings().at(8000))
    return folder_reader.read_files([path], {"format": "folder", "kind": "recordings", "settings": settings})


def _pictures(folder: Path) -> list[Files]:
    """With a table that says what they are, and how a run has read them."""
    content = innocent.encoded("PNG", side=9)
    tables = {
        "metadata.csv": b'file_name,label,age\na.png,"a, cat",7\nb.png,dog,8\n',
        "metadata.tsv": b"path\tlabel\na.png\tcat\nb.png\tdog\n",
        "metadata.jsonl": b'{"file": "a.png", "label": "cat"}\n{"file": "b.png", "label": 3}\n',
    }
    reading = {"format": "folder", "kind": "pictures", "settings": {"by": "rows", "width": 9}}
    common = {"a.png": content, "b.png": content, "reading": json.dumps(reading).encode()}
    return [{**common, name: table} for name, table in tables.items()]


def _read_folder(folder: Path) -> object:
    with _refused_or_read():
        folder_reader.read(folder)
    try:
        reading = json.loads((folder / "reading").read_bytes())
    except (ValueError, RecursionError):
        return None
    return folder_reader.read_files([folder / "a.png"], reading)


@cache
def _run_data() -> data.Dataset:
    random = np.random.default_rng(0)

    def some(count: int) -> data.Examples:
        x = torch.from_numpy(random.normal(size=(count, 4, 3)).astype("f4"))
        return data.Examples(x, torch.arange(count) % 2)

    return data.Dataset("some", some(12), some(4), some(6), ("sine", "square"))


def _trained(folder: Path) -> list[Files]:
    """A run of a few steps, stopped in the middle."""
    run = innocent.run(folder / "made", width=3, classes=2)
    config = dataclasses.replace(Run.open(run).config, data="some", classes=("sine", "square"), validation=4)
    train_run(folder / "run", config, _run_data(), say=lambda line: None)
    return [files_of(folder / "run")]


def _redigested(content: bytes, dice: mutate.Dice) -> bytes:
    """In the numbers of a training's checkpoint, the digest then being right."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header["__metadata__"]
    tensors = load(content)
    name = dice.choice(list(tensors))
    if dice.random() < 0.4:
        numbers = metadata["numbers"]
        change = dice.randrange(4)
        tensors[name] = [
            tensors[name].long(),
            tensors[name] / 0,
            tensors[name][:1],
            tensors[name].to(torch.complex64),
        ][change]
    else:
        numbers = mutate.in_json(metadata["numbers"].encode(), dice).decode()
    return save(tensors, {**metadata, "numbers": numbers, "digest": digest_of(numbers, tensors)})


def _read_run(folder: Path) -> object:
    run = Run.open(folder)
    with _refused_or_read():
        run.metrics()
    return run.load_network()


def _imported(folder: Path) -> list[Files]:
    """A run that holds a graph."""
    return [files_of(runs.graph_run(folder / "run"))]


def _read_imported(folder: Path) -> object:
    """Its graph, whose digest is right again, and what it says."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError):
        runs.redigested(folder)
    network = Run.open(folder).load_network()
    feeds = {name: np.ones((2, 4, 3), "f4") for name in network.graph.placeholders}
    return network.graph.run(network.config.output, feeds, seconds=0.05)


def _read_checkpoint(folder: Path) -> object:
    return train_run(folder, Run.open(folder).config, _run_data(), resume=True, say=lambda line: None)


def _golden(*endings: str, without: str = "\n") -> list[Files]:
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


def _version_1() -> list[Files]:
    old = [files for files in _golden() if not any(file.endswith(".index") for file in files)]
    return [{name: content for name, content in files.items() if not name.endswith(".meta")} for files in old]


def _tables(folder: Path) -> list[Files]:
    tables = [
        content for files in _golden(".index") for name, content in files.items() if name.endswith(".index")
    ]
    tables += [
        content
        for files in _version_1()
        for content in files.values()
        if content.endswith(b"\x24\x75\x47\xdb")
    ]
    return [{"table": content} for content in tables]


def _snappy(folder: Path) -> list[Files]:
    text = b"a literal of some length, and then " * 2
    packed = write_varint(len(text) + 64) + bytes([(len(text) - 1) << 2 if len(text) < 61 else 0xF0])
    packed += (bytes([len(text) - 1]) if len(text) >= 61 else b"") + text + b"\xfe\x23\0"
    assert decompress(packed)[: len(text)] == text
    return [{"block": packed}, {"block": write_varint(9) + b"\x08abc\x09\x03"}]


def _metas(folder: Path) -> list[Files]:
    made = _golden(".meta")
    tf1.write_checkpoint(folder / "model.ckpt", innocent.variables())
    node = bytes_field(1, b"rnn/basic_lstm_cell/kernel") + bytes_field(2, b"VariableV2")
    (folder / "model.ckpt.meta").write_bytes(bytes_field(2, bytes_field(1, node)))
    return [*made, {name: content for name, content in files_of(folder).items() if name != "checkpoint"}]


def _read_meta(folder: Path) -> object:
    graph = Graph.read(folder / "model.ckpt.meta")
    variables = tf1.read_checkpoint(folder / "model.ckpt")
    return tf1.find_model(variables, graph).network()


def _graphs(folder: Path) -> list[Files]:
    """Graphs that TensorFlow wrote, frozen and with their variables, without those that take long."""
    found: dict[str, Files] = {}
    with zipfile.ZipFile(GOLDEN.with_name("graphs.zip")) as archive:
        for name in archive.namelist():
            place, _, file = name.rpartition("/")
            if file == "graph.pb" or file.startswith("model.ckpt"):
                found.setdefault(place, {})[file] = archive.read(name)
    return [files for files in found.values() if sum(map(len, files.values())) < 1 << 18]


def _read_graph(folder: Path) -> object:
    """Load a graph, and run what it seems to be there for."""
    frozen = folder / "graph.pb"
    graph = tf1.Graph.load(frozen if frozen.exists() else folder / "model.ckpt")
    feeds = {
        name: np.ones([3 if size < 0 else min(size, 9) for size in shape or (3, 4)], "u1")
        for name, shape in graph.placeholders.items()
    }
    fetches = [*graph.ends[:3], *(f"{name}:0" for name in list(graph.nodes)[-40:])]
    for name in fetches:
        with _refused_or_read():
            graph.run(name, feeds, seconds=0.05)
    return graph


def _onnx(folder: Path) -> list[Files]:
    """Models that PyTorch, tf2onnx and this package exported; onnx is loaded before memory is held short."""
    require()
    run = Run.open(innocent.run(folder / "run"))
    for name, how in (("one", {}), ("step", {"stream": True, "fp16": True})):
        onnx.export(run, folder / f"{name}.onnx", **how)
    foreign = sorted(GOLDEN.with_name("onnx").glob("*.onnx"))
    return [{"model.onnx": path.read_bytes()} for path in (*foreign, *sorted(folder.glob("*.onnx")) * 5)]


def _read_onnx(folder: Path) -> object:
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
    with _refused_or_read(), torch.no_grad():
        model(**feeds)
    return onnx.find_network(model, "found")


def _read_variables(folder: Path) -> object:
    variables = tf1.read_checkpoint(folder / "model.ckpt")
    return tf1.find_model(variables, options={"forget_bias": 1.0}).network()


class _refused_or_read:  # noqa: N801
    """A block in which an UnrolledError is as good as an answer."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: object, trace: object) -> bool:
        return kind is not None and issubclass(kind, UnrolledError)


BUNDLE = {
    ".index": [mutate.in_table, mutate.in_table, mutate.anyhow],
    "-00001": [mutate.anyhow],
    "-00003": [mutate.anyhow],
}
PARSERS = {
    "idx": Parser(_idx, {"idx": [mutate.anyhow, mutate.repacked]}, _read_idx),
    "npy": Parser(
        _npy,
        {".npy": [mutate.in_npy_header, mutate.in_npy_header, mutate.anyhow], ".txt": [mutate.anyhow]},
        _read_arrays,
    ),
    "images": Parser(
        _images, {"image": [_damage_image, mutate.anyhow]}, lambda folder: data.read_digits(folder / "image")
    ),
    "recordings": Parser(
        _recordings,
        {"recording": [_damage_recording, mutate.anyhow]},
        lambda folder: _read_recording(folder / "recording"),
    ),
    "folder": Parser(
        _pictures,
        {".png": [_damage_image], "reading": [mutate.in_json], "": [mutate.anyhow]},
        _read_folder,
    ),
    "run": Parser(
        _trained,
        {
            CONFIG: [mutate.in_json, mutate.in_json, mutate.anyhow],
            METRICS: [mutate.in_json, mutate.anyhow],
            WEIGHTS: [mutate.in_tensors, mutate.anyhow],
        },
        _read_run,
    ),
    "imported": Parser(
        _imported,
        {
            CONFIG: [mutate.in_json, mutate.anyhow],
            GRAPH: [mutate.in_meta, mutate.in_meta, mutate.anyhow],
            WEIGHTS: [mutate.in_tensors, mutate.anyhow],
        },
        _read_imported,
    ),
    "checkpoint": Parser(
        _trained, {CHECKPOINT: [_redigested, _redigested, mutate.in_tensors, mutate.anyhow]}, _read_checkpoint
    ),
    "table": Parser(
        _tables,
        {"table": [mutate.in_table, mutate.anyhow]},
        lambda folder: read_table((folder / "table").read_bytes()),
    ),
    "bundle": Parser(lambda folder: _golden(".index"), BUNDLE, _read_variables),
    "v1": Parser(
        lambda folder: _version_1(), {"": [mutate.in_table, mutate.in_table, mutate.anyhow]}, _read_variables
    ),
    "meta": Parser(_metas, {".meta": [mutate.in_meta, mutate.in_meta, mutate.anyhow]}, _read_meta),
    "graph": Parser(
        _graphs,
        {
            ".pb": [mutate.in_meta, mutate.in_meta, mutate.anyhow],
            ".meta": [mutate.in_meta, mutate.in_meta, mutate.anyhow],
        },
        _read_graph,
    ),
    "onnx": Parser(
        _onnx, {".onnx": [mutate.in_meta, mutate.in_message, mutate.in_message, mutate.anyhow]}, _read_onnx
    ),
    "snappy": Parser(
        _snappy,
        {"block": [mutate.in_snappy, mutate.anyhow]},
        lambda folder: decompress((folder / "block").read_bytes()),
    ),
    **{
        name: Parser(seeds, {"": sequences.DAMAGE[name]}, read)
        for name, (seeds, read) in sequences.READERS.items()
    },
    "body": Parser(
        parsed.bodies, {"body": [mutate.in_json, mutate.in_json, mutate.anyhow]}, parsed.read_body
    ),
    "message": Parser(parsed.messages, {"message": [mutate.anyhow]}, parsed.read_message),
    "frames": Parser(parsed.frames, {"frames": [mutate.anyhow]}, parsed.read_frames),
    "token": Parser(
        parsed.tokens,
        {"token": [parsed.resigned, parsed.resigned, mutate.anyhow], ".session": [mutate.anyhow]},
        parsed.read_token,
    ),
}
