"""Run folders, of a training stopped in the middle and of an imported graph, and how they are read."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save

from attacks import innocent, mutate, runs
from attacks.parser import Files, files_of, refused_or_read
from unrolled import data
from unrolled.training import Run, train_run
from unrolled.training.checkpoint import _digest as digest_of


@cache
def run_data() -> data.Dataset:
    random = np.random.default_rng(0)

    def some(count: int) -> data.Examples:
        x = torch.from_numpy(random.normal(size=(count, 4, 3)).astype("f4"))
        return data.Examples(x, torch.arange(count) % 2)

    return data.Dataset("some", some(12), some(4), some(6), ("sine", "square"))


def trained(folder: Path) -> list[Files]:
    """A run of a few steps, stopped in the middle."""
    run = innocent.run(folder / "made", width=3, classes=2)
    config = dataclasses.replace(Run.open(run).config, data="some", classes=("sine", "square"), validation=4)
    train_run(folder / "run", config, run_data(), say=lambda line: None)
    return [files_of(folder / "run")]


def redigested(content: bytes, dice: mutate.Dice) -> bytes:
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


def read_run(folder: Path) -> object:
    run = Run.open(folder)
    with refused_or_read():
        run.metrics()
    return run.load_network()


def imported(folder: Path) -> list[Files]:
    """A run that holds a graph."""
    return [files_of(runs.graph_run(folder / "run"))]


def read_imported(folder: Path) -> object:
    """Its graph, whose digest is right again, and what it says."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError):
        runs.redigested(folder)
    network = Run.open(folder).load_network()
    feeds = {name: np.ones((2, 4, 3), "f4") for name in network.graph.placeholders}
    return network.graph.run(network.config.output, feeds, seconds=0.05)


def read_checkpoint(folder: Path) -> object:
    return train_run(folder, Run.open(folder).config, run_data(), resume=True, say=lambda line: None)
