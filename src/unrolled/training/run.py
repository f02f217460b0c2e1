"""A run on disk: a folder with what was trained, how, and what came of it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import unrolled
from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training.protocols import PROTOCOLS
from unrolled.training.recipe import Recipe

CONFIG, METRICS, WEIGHTS, LAST_WEIGHTS = (
    "config.json",
    "metrics.jsonl",
    "weights.safetensors",
    "last.safetensors",
)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run is of.

    Attributes:
        network: the network.
        recipe: how it was trained.
        data: the name of the data set.
        classes: the names of the classes, in the order of the logits.
        seed: of the weights, of dropout and of the order of the examples.
        validation: how many of the first training examples were held out to choose the best weights by.
        recipe_name: what the recipe is called; its values may have been changed.
        protocol: what was measured and printed, and when: "epochs", or a tutorial's, see `protocols`.
    """

    network: NetworkConfig
    recipe: Recipe
    data: str
    classes: tuple[str, ...]
    seed: int
    validation: int
    recipe_name: str = "default"
    protocol: str = "epochs"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise unknown_name("protocol", self.protocol, PROTOCOLS)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        return cls(
            network=NetworkConfig.from_dict(values["network"]),
            recipe=Recipe.from_dict(values["recipe"]),
            data=str(values["data"]),
            classes=tuple(values["classes"]),
            seed=int(values["seed"]),
            validation=int(values["validation"]),
            recipe_name=str(values.get("recipe_name", "default")),
            protocol=str(values.get("protocol", "epochs")),
        )


class Run:
    """A run folder.

        config.json           the network, the recipe, the data, the seed, versions and machine
        metrics.jsonl         one line for each epoch, and a last one for the test
        weights.safetensors   the best weights: what evaluating, predicting and serving use
        last.safetensors      the weights after the last epoch

    Every file is either whole or not there.
    """

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config

    @classmethod
    def create(cls, folder: Path, config: RunConfig) -> Run:
        """Make the folder, which must not exist or be empty.

        Raises:
            UnrolledError: something is there, or the folder cannot be made.
        """
        check_free(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            values = dataclasses.asdict(config)
            values["versions"] = {
                "unrolled": unrolled.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            }
            values["machine"] = {
                "system": platform.system(),
                "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
                "threads": torch.get_num_threads(),
            }
            with atomic_path(folder / CONFIG) as path:
                path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise UnrolledError(
                f"cannot make the run folder {folder}: {error.strerror}: choose another with --run"
            ) from error
        return cls(folder, config)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run in `folder`.

        Raises:
            UnrolledError: there is no run, or its configuration is damaged.
        """
        if not folder.is_dir():
            raise UnrolledError(f"no run folder {folder}: `unrolled train` makes one")
        path = folder / CONFIG
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            config = RunConfig.from_dict(values)
        except FileNotFoundError:
            raise UnrolledError(
                f"{folder} is not a run folder: it has no {CONFIG}; `unrolled train` makes one"
            ) from None
        except UnrolledError as error:
            raise UnrolledError(f"{path}: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnrolledError(f"{path} is damaged: {type(error).__name__}: {error}") from error
        return cls(folder, config)

    def append_metrics(self, values: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, none if there is no such file yet."""
        path = self.folder / METRICS
        if not path.exists():
            return []
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except ValueError as error:
            raise UnrolledError(f"{path} is damaged: {error}") from error

    def save_weights(self, weights: dict[str, Tensor], name: str = WEIGHTS) -> None:
        """Write weights under `name` in the folder."""
        with atomic_path(self.folder / name) as path:
            save_file({key: tensor.contiguous() for key, tensor in weights.items()}, path)

    def load_network(self) -> SequenceClassifier:
        """The trained network, in evaluation mode.

        Raises:
            UnrolledError: there are no weights yet, they are damaged, or they are another network's.
        """
        path = self.folder / WEIGHTS
        network = SequenceClassifier(self.config.network)
        try:
            weights = load_file(path)
        except FileNotFoundError:
            raise UnrolledError(
                f"{self.folder} has no {WEIGHTS}: its training did not finish an epoch"
            ) from None
        except (OSError, safetensors.SafetensorError) as error:
            raise UnrolledError(f"{path} is damaged: {error}") from error
        _check_weights(path, self.config.network.name, network.state_dict(), weights)
        network.load_state_dict(weights)
        return network.eval()


def check_free(folder: Path) -> None:
    """Raise an UnrolledError if a new run cannot go into `folder`."""
    if folder.is_dir() and any(folder.iterdir()):
        what = "already holds a run" if (folder / CONFIG).exists() else "is not empty"
        raise UnrolledError(f"{folder} {what}: choose another folder with --run, or remove it")
    if folder.exists() and not folder.is_dir():
        raise UnrolledError(f"{folder} is a file: choose another folder with --run")


def next_free(parent: Path, name: str) -> Path:
    """The first of parent/name-1, parent/name-2, ... that is not there yet."""
    number = 1
    while (folder := parent / f"{name}-{number}").exists():
        number += 1
    return folder


def newest(parent: Path) -> Path:
    """The run folder below `parent` whose weights were written last.

    Raises:
        UnrolledError: there is none.
    """
    weights = sorted(parent.glob(f"*/{WEIGHTS}"), key=lambda path: path.stat().st_mtime)
    if not weights:
        raise UnrolledError(f"no run in {parent}/: `unrolled train` makes one, or name one with --run")
    return weights[-1].parent


def _check_weights(path: Path, name: str, expected: dict[str, Tensor], came: dict[str, Tensor]) -> None:
    def fail(key: str, came_there: str, expected_there: str) -> UnrolledError:
        return UnrolledError(
            f"{path} holds another network than {name}, which {CONFIG} names: {key} is {came_there}, "
            f"expected {expected_there}"
        )

    for key, tensor in expected.items():
        if key not in came:
            raise fail(key, "missing", f"{list(tensor.shape)}")
        if came[key].shape != tensor.shape:
            raise fail(key, f"{list(came[key].shape)}", f"{list(tensor.shape)}")
    for key, tensor in came.items():
        if key not in expected:
            raise fail(key, f"{list(tensor.shape)}", "no such weights")
