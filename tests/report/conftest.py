"""Run folders with numbers that are known by head."""

import functools
import json

import pytest
import torch

from unrolled.data import Dataset, Examples
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig

CLASSES = ("cat", "dog", "eel")


def epoch(number: int, validation: float | None = None, best: bool = True) -> dict:
    return {
        "epoch": number,
        "step": 5 * number,
        "loss": 1 / number,
        "accuracy": 1 - 0.5 / number,
        "validation_loss": None if validation is None else 1 - validation,
        "validation_accuracy": validation,
        "learning_rate": 0.01 * number,
        "seconds": 0.25 * number,
        "best": best,
    }


TEST = {"test_loss": 0.5, "test_accuracy": 0.75, "test_examples": 80, "seconds": 1.0}


def write_run(parent, name, *lines, weights=True, seed=0, data="pets", **recipe) -> Run:
    """A run folder of a small network, with these lines of metrics."""
    network = NetworkConfig("small", (("lstm", 7),), input_size=5, classes=3)
    config = RunConfig(network, Recipe(**recipe), data, CLASSES, seed=seed, validation=0)
    run = Run.create(parent / name, config)
    for line in lines:
        run.append_metrics(line)
    if weights:
        torch.manual_seed(seed)
        run.save_weights(SequenceClassifier(network).state_dict())
    return run


def make_pets() -> Dataset:
    generator = torch.Generator().manual_seed(3)
    sequences = torch.rand(40, 6, 5, generator=generator)
    labels = torch.randint(0, 3, (40,), generator=generator)
    examples = Examples(sequences, labels)
    return Dataset("pets", examples, examples[:0], examples, CLASSES)


@pytest.fixture
def make_run(tmp_path):
    """`make_run("name", *lines, ...)`: a run folder."""
    return functools.partial(write_run, tmp_path)


@pytest.fixture
def pets() -> Dataset:
    return make_pets()


@pytest.fixture
def change_config():
    """`change_config(run, classes=[])`: write other values into a run's config.json."""

    def change(run, **values):
        path = run.folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change
