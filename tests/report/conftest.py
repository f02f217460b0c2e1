"""Run folders with numbers that are known by head."""

import functools
import json

import numpy as np
import pytest
import torch

from unrolled.data import Dataset, Examples, Numbers, Preparation, Sequences, Standardization
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig, evaluate, task_of
from unrolled.training.contents import contents_of
from unrolled.training.data_file import DataRecord

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


PREPARATION = Preparation(
    {"format": "ts"},
    tuple(f"feature {place}" for place in range(5)),
    "previous",
    Standardization((0.1, 0.2, 0.3, 0.0, -1.0), (1.0, 0.5, 2.0, 1.0, 3.0)),
)
NUMBERS = {
    "regress": Numbers(("one", "two"), (3.0, -2.0), (2.0, 0.5)),
    "forecast": Numbers(("one",), (0.3,), (2.0,), horizon=4, features=(2,), season=2, scale=(0.7,)),
}
OF_TASKS = {"classify": ("a", "b", "c"), "tag": ("low", "high")}


def make_part(task: str, seed: int, garbage: float | None) -> Examples:
    """30 sequences of 2 to 9 steps; in an array with garbage beyond their ends, or in a list without any."""
    random = np.random.default_rng(seed)
    steps = [random.normal(size=(random.integers(2, 10), 5)).astype(np.float32) for _ in range(30)]
    lengths = torch.tensor([len(one) for one in steps])
    match task:
        case "classify":
            labels = torch.arange(30) % 3
        case "tag":
            signs = [torch.from_numpy((one[:, 2] > 0).astype(np.int64)) for one in steps]
            labels = Sequences.flat(torch.cat(signs), lengths)
        case "regress":
            labels = torch.tensor([[3.0 + one[:, 2].sum(), one[:, 1].max() - 2.0] for one in steps])
        case "forecast":
            labels = torch.tensor([[one[-1, 2], one[-2, 2], one[:, 2].mean(), 0.1] for one in steps])
    if garbage is None:
        return Examples(steps, labels, preparation=PREPARATION)
    dense = torch.full((30, 16, 5), garbage)
    for row, one in enumerate(steps):
        dense[row, : len(one)] = torch.from_numpy(one)
    return Examples(dense, labels, lengths, preparation=PREPARATION)


def make_task(task: str, garbage: float | None = None) -> Dataset:
    """A small data set of a task."""
    parts = [make_part(task, seed, garbage) for seed in range(3)]
    return Dataset(task, *parts, OF_TASKS.get(task, ()), task=task, numbers=NUMBERS.get(task))


def network_of(task: str) -> NetworkConfig:
    """A network for it."""
    data = make_task(task)
    outputs = len(data.classes) if data.numbers is None else data.numbers.outputs
    read = "steps" if task == "tag" else "final"
    return NetworkConfig("small", (("lstm", 6),), read=read, input_size=5, classes=outputs)


def write_task_run(parent, task: str, **values) -> Run:
    """A finished run of it, as a training would leave it."""
    data = make_task(task)
    config = RunConfig(network_of(task), Recipe(), task, (), seed=0, validation=None, **values)
    run = Run.create(parent / task, config.completed(data))
    run.contents = contents_of(data)
    run.save_config()
    DataRecord.of(data).save(run.folder)
    torch.manual_seed(1)
    network = SequenceClassifier(run.config.network)
    run.save_weights(network.state_dict())
    found = evaluate(network, data.test, task_of(data))
    main = next(iter(found.metrics))
    validation = {f"validation_{name}": 0.25 for name in found.metrics}
    line = {**epoch(1), **validation, main: 0.5}
    if main != "accuracy":
        del line["accuracy"], line["validation_accuracy"]
    run.append_metrics(line)
    measured = {f"test_{name}": value for name, value in found.metrics.items()}
    run.append_metrics({"test_loss": found.loss, **measured, "test_examples": 30, "seconds": 1.0})
    return run
