"""A run on disk: a folder with what was trained, how, and what came of it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

import unrolled
from unrolled.atomic import atomic_folder, atomic_path
from unrolled.errors import UnrolledError, check_fields, unknown_name
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import distributed
from unrolled.training.protocols import PROTOCOLS
from unrolled.training.recipe import Recipe
from unrolled.training.state import check_fits

CONFIG, METRICS, WEIGHTS, CHECKPOINT = (
    "config.json",
    "metrics.jsonl",
    "weights.safetensors",
    "checkpoint.safetensors",
)
CIRCUMSTANCES = ("versions", "machine", "processes")  # keys of config.json


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
        data_dir: the folder that the data set's files were read from, if one was named.
        start: the run folder whose weights it started from, if it did.
    """

    network: NetworkConfig
    recipe: Recipe
    data: str
    classes: tuple[str, ...]
    seed: int
    validation: int
    recipe_name: str = "default"
    protocol: str = "epochs"
    data_dir: str | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise unknown_name("protocol", self.protocol, PROTOCOLS)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The configuration that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("run option", values, cls)
        return cls(
            **{
                **values,
                "network": NetworkConfig.from_dict(values["network"]),
                "recipe": Recipe.from_dict(values["recipe"]),
                "data": str(values["data"]),
                "classes": tuple(values["classes"]),
                "seed": int(values["seed"]),
                "validation": int(values["validation"]),
            }
        )


def present_circumstances() -> dict[str, Any]:
    """What the last bits of a training may depend on, besides its configuration."""
    return {
        "versions": {
            "unrolled": unrolled.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "machine": {
            "system": platform.system(),
            "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
            "threads": torch.get_num_threads(),
        },
        "processes": distributed.world_size(),
    }


class Run:
    """A run folder.

        config.json              the network, the recipe, the data, the seed, versions and machine
        metrics.jsonl            one line for each epoch, and a last one for the test
        weights.safetensors      the best weights: what evaluating, predicting and serving use
        checkpoint.safetensors   all that a training needs to go on

    Every file is either whole or not there; of metrics.jsonl, every line.

    Attributes:
        folder: where it is.
        config: what it is of.
        circumstances: what its last bits may depend on besides: versions, machine, processes.
    """

    def __init__(self, folder: Path, config: RunConfig, circumstances: dict[str, Any]) -> None:
        self.folder = folder
        self.config = config
        self.circumstances = circumstances

    @classmethod
    def create(cls, folder: Path, config: RunConfig) -> Run:
        """Make the folder, which must not exist or be empty.

        Raises:
            UnrolledError: something is there, or the folder cannot be made.
        """
        check_free(folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            circumstances = present_circumstances()
            values = dataclasses.asdict(config) | circumstances
            text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
            # A new folder appears with its config inside, so that a run that was killed is one to resume.
            made = nullcontext(folder) if folder.is_dir() else atomic_folder(folder)
            with made as place, atomic_path(place / CONFIG) as path:
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UnrolledError(
                f"cannot make the run folder {folder}: {error.strerror}: choose another with --run"
            ) from error
        return cls(folder, config, circumstances)

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
            circumstances = {key: values.pop(key, None) for key in CIRCUMSTANCES}
            config = RunConfig.from_dict(values)
        except FileNotFoundError:
            raise UnrolledError(
                f"{folder} is not a run folder: it has no {CONFIG}; `unrolled train` makes one"
            ) from None
        except UnrolledError as error:
            raise UnrolledError(f"{path}: {error}{_written_by(circumstances)}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnrolledError(f"{path} is damaged: {type(error).__name__}: {error}") from error
        return cls(folder, config, circumstances)

    def changed_circumstances(self) -> list[str]:
        """What is not as it was when the run was begun, and may change the last bits of its weights."""

        def named(circumstances: dict[str, Any]) -> dict[str, Any]:
            machine, versions = circumstances["machine"] or {}, circumstances["versions"] or {}
            return {
                "torch": versions.get("torch"),
                "the processor": machine.get("processor"),
                "threads": machine.get("threads"),
                "processes": circumstances["processes"],
            }

        then, now = named(self.circumstances), named(present_circumstances())
        return [
            f"the run was begun with {name} {then[name]} and goes on with {now[name]}: last bits may differ"
            for name in now
            if then[name] not in (None, now[name])
        ]

    def append_metrics(self, values: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, none if there is no such file yet.

        A last line without an end was being written when the training was killed: it is left out.
        """
        path = self.folder / METRICS
        if not path.exists():
            return []
        try:
            *lines, _ = path.read_text(encoding="utf-8").split("\n")
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise UnrolledError(f"{path} is damaged: {error}") from error

    def clean_up(self, epoch: int) -> None:
        """Take away what a killed training left half-written, and the lines of what came after `epoch`."""
        for part in self.folder.glob(".*.part"):
            part.unlink()
        kept = [line for line in self.metrics() if line.get("epoch", epoch + 1) <= epoch]
        if (self.folder / METRICS).exists():
            with atomic_path(self.folder / METRICS) as path:
                path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def save_weights(self, weights: dict[str, Tensor]) -> None:
        """Write weights.safetensors."""
        with atomic_path(self.folder / WEIGHTS) as path:
            path.write_bytes(save({key: tensor.contiguous() for key, tensor in weights.items()}))

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
        try:
            check_fits(network.state_dict(), weights)
        except UnrolledError as error:
            raise UnrolledError(
                f"{path} holds another network than {self.config.network.name}, which {CONFIG} names: {error}"
            ) from error
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
        raise UnrolledError(f"no run in {parent}/: `unrolled train` makes one; one elsewhere must be named")
    return weights[-1].parent


def _written_by(circumstances: dict[str, Any]) -> str:
    """What to say of a configuration that another version of the package wrote."""
    version = (circumstances.get("versions") or {}).get("unrolled", unrolled.__version__)
    if version == unrolled.__version__:
        return ""
    return f" (unrolled {version} wrote it, and this is {unrolled.__version__})"
