"""Every parser of foreign files: good files to begin with, how they are damaged, and how they are read."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from attacks import innocent, mutate, parsed_models, parsed_runs, sequences
from attacks.parser import Files, Parser, files_of, refused_or_read
from attacks.service import parsed
from unrolled import data
from unrolled.data.readers import folder as folder_reader
from unrolled.data.readers.log_mel import MelSettings
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.table import read_table
from unrolled.training.graph_files import GRAPH
from unrolled.training.run import CHECKPOINT, CONFIG, METRICS, WEIGHTS


def _idx(folder: Path) -> list[Files]:
    random = np.random.default_rng(0)
    for number, dtype in enumerate(("u1", "i1", "i2", "i4", "f4", "f8")):
        shape = [(3, 28, 28), (5,), (2, 3, 4)][number % 3]
        for ending in ("", ".gz"):
            data.write_idx(folder / f"{number}{ending}", random.integers(0, 99, shape).astype(dtype))
    return [{"idx": content} for content in files_of(folder).values()]


def _read_idx(folder: Path) -> object:
    path = folder / "idx"
    with refused_or_read():
        data.read_digits(path)
    return data.read_idx(path)


def _npy(folder: Path) -> list[Files]:
    made = files_of(innocent.arrays(folder / "arrays"))
    return [made, {name: content for name, content in made.items() if name != "classes.txt"}]


def _read_arrays(folder: Path) -> object:
    opened = data.open_arrays(folder, validation=1)
    with refused_or_read():
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
    with refused_or_read():
        folder_reader.read(folder)
    try:
        reading = json.loads((folder / "reading").read_bytes())
    except (ValueError, RecursionError):
        return None
    return folder_reader.read_files([folder / "a.png"], reading)


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
        parsed_runs.trained,
        {
            CONFIG: [mutate.in_json, mutate.in_json, mutate.anyhow],
            METRICS: [mutate.in_json, mutate.anyhow],
            WEIGHTS: [mutate.in_tensors, mutate.anyhow],
        },
        parsed_runs.read_run,
    ),
    "imported": Parser(
        parsed_runs.imported,
        {
            CONFIG: [mutate.in_json, mutate.anyhow],
            GRAPH: [mutate.in_meta, mutate.in_meta, mutate.anyhow],
            WEIGHTS: [mutate.in_tensors, mutate.anyhow],
        },
        parsed_runs.read_imported,
    ),
    "checkpoint": Parser(
        parsed_runs.trained,
        {CHECKPOINT: [parsed_runs.redigested, parsed_runs.redigested, mutate.in_tensors, mutate.anyhow]},
        parsed_runs.read_checkpoint,
    ),
    "table": Parser(
        parsed_models.tables,
        {"table": [mutate.in_table, mutate.anyhow]},
        lambda folder: read_table((folder / "table").read_bytes()),
    ),
    "bundle": Parser(
        lambda folder: parsed_models.checkpoints(".index"), BUNDLE, parsed_models.read_variables
    ),
    "v1": Parser(
        lambda folder: parsed_models.version_1(),
        {"": [mutate.in_table, mutate.in_table, mutate.anyhow]},
        parsed_models.read_variables,
    ),
    "meta": Parser(
        parsed_models.metas,
        {".meta": [mutate.in_meta, mutate.in_meta, mutate.anyhow]},
        parsed_models.read_meta,
    ),
    "graph": Parser(
        parsed_models.graphs,
        {
            ".pb": [mutate.in_meta, mutate.in_meta, mutate.anyhow],
            ".meta": [mutate.in_meta, mutate.in_meta, mutate.anyhow],
        },
        parsed_models.read_graph,
    ),
    "onnx": Parser(
        parsed_models.onnx_files,
        {".onnx": [mutate.in_meta, mutate.in_message, mutate.in_message, mutate.anyhow]},
        parsed_models.read_onnx,
    ),
    "snappy": Parser(
        parsed_models.snappy,
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
