"""What attacks are made from: a picture, a folder of arrays, a run, a checkpoint, all small and good."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

from unrolled import networks, tf1
from unrolled.data import save_arrays, write_idx
from unrolled.training import Recipe, Run, RunConfig


def picture(path: Path) -> Path:
    """A digit one, dark on light."""
    page = np.full((60, 40), 230, np.uint8)
    page[15:45, 18:23] = 30
    Image.fromarray(page).save(path)
    return path


def encoded(format: str, mode: str = "L", side: int = 40, **options: object) -> bytes:
    """The bytes of a picture of a digit one."""
    page = np.full((side, side), 230, np.uint8)
    page[side // 4 : -side // 4, side // 2 - 2 : side // 2 + 3] = 30
    buffer = io.BytesIO()
    Image.fromarray(page).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def sound(format: str, samples: int = 2000, **options: object) -> bytes:
    """The bytes of a recording of a tone in noise."""
    time = np.arange(samples) / 8000
    noise = np.random.default_rng(0).normal(size=samples) / 20
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(2 * np.pi * 440 * time) / 3 + noise, 8000, format=format, **options)
    return buffer.getvalue()


def arrays(folder: Path) -> Path:
    """A folder of arrays: 12 sequences of 4 steps of 3 numbers to train on, and 6 to test on, two classes."""
    random = np.random.default_rng(0)
    pieces = [(random.normal(size=(6, 4, 3)).astype("f4"), [0, 1, 0, 1, 0, 1]) for _ in range(2)]
    save_arrays(folder, train=pieces, test=pieces[:1], classes=["sine", "square"])
    return folder


def mnist(folder: Path) -> Path:
    """MNIST's four files, of zeros: 20 pictures to train on, and 3 to test on."""
    for part, count in (("train", 20), ("t10k", 3)):
        write_idx(folder / f"{part}-images-idx3-ubyte", np.zeros((count, 28, 28), np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.zeros(count, np.uint8))
    return folder


def run(folder: Path, width: int = 28, classes: int = 10) -> Path:
    """A run of a network that nobody has trained."""
    config = networks.lookup("single-layer-dynamic-gru").changed(
        input_size=width, classes=classes, layers=(("gru", 6),)
    )
    recipe = Recipe(batch_size=4, epochs=1)
    names = tuple(map(str, range(classes)))
    made = Run.create(folder, RunConfig(config, recipe, "sample", names, seed=0, validation=0))
    made.save_weights(networks.SequenceClassifier(config).state_dict())
    return folder


def variables() -> dict[str, np.ndarray]:
    """Those of an LSTM of 3 that reads 5 numbers, of a dense layer behind it and of an optimizer."""
    random = np.random.default_rng(0)
    shapes = {
        "rnn/basic_lstm_cell/kernel": (8, 12),
        "rnn/basic_lstm_cell/bias": (12,),
        "dense/kernel": (3, 4),
        "dense/bias": (4,),
        "dense/bias/Adam": (4,),
    }
    arrays = {name: random.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    return arrays | {"global_step": np.array(7), "note": np.array(b"text", object)}


def checkpoint(prefix: Path) -> Path:
    """Those variables as a checkpoint of version 2."""
    tf1.write_checkpoint(prefix, variables())
    return prefix


def sparse(path: Path, size: int, start: bytes = b"", end: bytes = b"") -> Path:
    """A file of so many bytes that takes hardly any of the disk."""
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(size)
        file.seek(size - len(end))
        file.write(end)
    assert os.path.getsize(path) == size
    return path


torch.set_num_threads(1)
