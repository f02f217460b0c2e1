"""A run on disk: a folder with what was trained, how, and what came of it.

What a folder says can be read without torch, which `train` waits for only when its folder is there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import unrolled
from unrolled.atomic import atomic_folder, atomic_path, clear_leftovers, is_leftover
from unrolled.errors import UnrolledError
from unrolled.foreign import MissingFileError
from unrolled.training.lock import LOCK, RunLock
from unrolled.training.metrics_file import METRICS as METRICS
from unrolled.training.metrics_file import parse_metrics
from unrolled.training.run_config import NO_DATA, RunConfig
from unrolled.training.run_file import parse_json, read_text, shortened

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.networks import SequenceClassifier
    from unrolled.tf1.graphs.networks.graph_network import GraphNetwork
    from unrolled.training.contents import Contents

CONFIG, WEIGHTS, CHECKPOINT = "config.json", "weights.safetensors", "checkpoint.safetensors"
DATA = "data.json"
CALIBRATION, LIKENESS = "calibration.json", "likeness.safetensors"
# What a training makes; the configuration goes last, since a folder without it is no run.
MADE = (METRICS, WEIGHTS, CHECKPOINT, DATA, CALIBRATION, LIKENESS, CONFIG)
TENSORBOARD = "tensorboard"
CIRCUMSTANCES = ("versions", "machine", "processes")  # keys of config.json
CONTENTS = "contents"  # likewise

PathLike = str | os.PathLike[str]


class Run:
    """A run folder.

        config.json              the network, the recipe, the data and their digests, the seed, versions and
                                 machine
        metrics.jsonl            one line for each epoch, and a last one for the test
        graph.meta               in the place of a network of cells: TensorFlow 1's graph, which was imported
        weights.safetensors      the best weights: what evaluating, predicting and serving use
        checkpoint.safetensors   all that a training needs to go on
        data.json                how files were read and what was done to sequences, if anything was
        calibration.json         the temperature of confidences, and from when on nothing is answered
        likeness.safetensors     what the training's examples are like

    Every file is either whole or not there; of metrics.jsonl, every line.

    Attributes:
        folder: where it is.
        config: what it is of.
        circumstances: what its last bits may depend on besides: versions, machine, processes.
        contents: what its data were, None before they were read, and of runs of earlier versions.
        lock: the right to train in it, if it is held: see `held`.
    """

    def __init__(
        self,
        folder: PathLike,
        config: RunConfig,
        circumstances: dict[str, Any],
        contents: Contents | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.config = config
        self.circumstances = circumstances
        self.contents = contents
        self.lock: RunLock | None = None
        self._made: list[Path] = []  # folders that `create` made, the innermost first

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "lock": None}  # a lock is its process's own

    @classmethod
    def create(cls, folder: PathLike, config: RunConfig) -> Run:
        """Make the folder, which must not exist or be empty.

        Raises:
            UnrolledError: something is there, or the folder cannot be made.
        """
        folder = Path(folder)
        check_free(folder)
        run = cls(folder, config, _circumstances(config))
        try:
            above = [parent for parent in folder.parents if not parent.exists()]
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.is_dir():
                with RunLock(folder):
                    check_free(folder)  # again: now nobody else can make a run of it
                    run.save_config()
            else:
                # A new folder appears with its config inside, so that a run that was killed is one to resume.
                with atomic_folder(folder) as place:
                    run._write_config(place / CONFIG)
                run._made = [folder, *above]
        except OSError as error:
            check_free(folder)  # has another one made it meanwhile?
            raise UnrolledError(
                f"cannot make the run folder {folder}: {error.strerror}: choose another with --run"
            ) from error
        return run

    @classmethod
    def of_graph(cls, folder: PathLike, network: GraphNetwork, data: str = NO_DATA) -> Run:
        """Make a folder for a graph of TensorFlow 1, see `tf1.import_graph`.

        Args:
            data: the name of the data set that it reads, if it is known.

        Raises:
            UnrolledError: as `create`, or a variable is text.
        """
        from unrolled.training.graph_files import described
        from unrolled.training.recipe import Recipe

        config = described(network)
        run = cls.create(
            folder,
            RunConfig(
                config,
                Recipe(),
                data=data,
                classes=tuple(str(number) for number in range(config.classes)),
                seed=0,
                validation=0,
                task="tag" if config.read == "steps" else "classify",
            ),
        )
        run.save_graph(network)
        return run

    @classmethod
    def open(cls, folder: PathLike) -> Run:
        """The run in `folder`.

        Raises:
            UnrolledError: there is no run, or its configuration is damaged.
        """
        folder = Path(folder)
        if not folder.is_dir():
            found = "that is a file; " if folder.exists() else ""
            raise UnrolledError(f"no run folder {folder}: {found}`unrolled train` makes one")
        path = folder / CONFIG
        try:
            values = parse_json(read_text(path))
            if not isinstance(values, dict):
                raise ValueError(f"{type(values).__name__} came, expected an object")
        except MissingFileError:
            raise UnrolledError(
                f"{folder} is not a run folder: it has no {CONFIG}; `unrolled train` makes one"
            ) from None
        except UnrolledError:
            raise
        except ValueError as error:
            raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error
        circumstances = {key: values.pop(key) for key in CIRCUMSTANCES if key in values}
        contents = values.pop(CONTENTS, None)
        try:
            if not isinstance(contents, dict | None):
                raise UnrolledError(f"{CONTENTS} is {contents!r}, expected an object")
            return cls(folder, RunConfig.from_dict(values), circumstances, contents)
        except UnrolledError as error:
            raise UnrolledError(f"{path}: {shortened(error)}{_written_by(circumstances)}") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Have the right to train in the folder, alone, as long as the block lasts.

        Raises:
            UnrolledError: another training has it, or the folder cannot be written into.
        """
        try:
            lock = RunLock(self.folder)
        except OSError as error:
            raise UnrolledError(
                f"cannot write into {self.folder}: {error.strerror or error}; nothing has changed"
            ) from error
        with lock:
            self.lock = lock
            try:
                yield
            finally:
                self.lock = None

    def check_there(self) -> None:
        """Raise an UnrolledError if the folder is held and is no longer where it was."""
        if self.lock is not None:
            self.lock.check()

    def save_config(self) -> None:
        """Write config.json."""
        with atomic_path(self.folder / CONFIG) as path:
            self._write_config(path)

    def _write_config(self, path: Path) -> None:
        values = dataclasses.asdict(self.config) | self.circumstances
        if self.contents is not None:
            values[CONTENTS] = self.contents
        path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def append_metrics(self, values: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        self.check_there()
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, none if there is no such file yet.

        A last line without an end was being written when the training was killed: it is left out.

        Raises:
            UnrolledError: a line is damaged.
        """
        path = self.folder / METRICS
        try:
            return parse_metrics(path, read_text(path))
        except MissingFileError:
            return []

    def clean_up(self, epoch: int) -> None:
        """Take away what a killed training left half-written, and the lines of what came after `epoch`."""
        for name in MADE:
            clear_leftovers(self.folder / name)
        kept = [line for line in self.metrics() if line.get("epoch", epoch + 1) <= epoch]
        if (self.folder / METRICS).exists():
            with atomic_path(self.folder / METRICS) as path:
                path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def discard(self) -> None:
        """Remove what a training makes; the folders too that `create` made, if nothing else is in them."""
        for name in MADE:
            clear_leftovers(self.folder / name)
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / TENSORBOARD, ignore_errors=True)
        (self.folder / LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in self._made:
                folder.rmdir()

    def save_weights(self, weights: dict[str, Tensor]) -> None:
        """Write weights.safetensors."""
        from safetensors.torch import save

        self.check_there()
        with atomic_path(self.folder / WEIGHTS) as path:
            path.write_bytes(save({key: tensor.contiguous() for key, tensor in weights.items()}))

    def load_weights(self) -> dict[str, Tensor]:
        """The weights, of the shapes of the run's network, which is made nowhere before they are seen to fit.

        Raises:
            UnrolledError: there are none yet, they are damaged, or they are another network's.
        """
        from unrolled.training.outline import outline_of
        from unrolled.training.state import check_finite, check_fits
        from unrolled.training.tensors_file import TensorsFile

        path, network = self.folder / WEIGHTS, self.config.cells
        expected = outline_of(self.config).state_dict()
        try:
            file = TensorsFile(path)
        except MissingFileError:
            raise UnrolledError(
                f"{self.folder} has no {WEIGHTS}: its training did not finish an epoch"
            ) from None
        try:
            check_fits(expected, file.shapes, cast=True)
        except UnrolledError as error:
            raise UnrolledError(
                f"{path} holds another network than {network.name}, which {CONFIG} names: {error}"
            ) from error
        weights = {name: tensor.to(expected[name].dtype) for name, tensor in file.load().items()}
        try:
            check_finite(weights)
        except UnrolledError as error:
            raise UnrolledError(f"{path} is damaged: {error}") from error
        return weights

    def save_graph(self, network: GraphNetwork) -> None:
        """Write the graph and its variables: `graph.meta` and `weights.safetensors`."""
        from unrolled.training.graph_files import files_of

        self.check_there()
        for name, content in files_of(network).items():
            with atomic_path(self.folder / name) as path:
                path.write_bytes(content)

    def load_network(self) -> SequenceClassifier | GraphNetwork:
        """The trained network, in evaluation mode.

        Raises:
            UnrolledError: there are no weights yet, they are damaged, or they are another network's.
        """
        from unrolled.networks.graph_config import GraphConfig

        if isinstance(self.config.network, GraphConfig):
            from unrolled.training.graph_files import read_network

            return read_network(self.folder, self.config.network)
        return self.load_classifier()

    def load_classifier(self) -> SequenceClassifier:
        """As `load_network`, of a network that is made of cells; any other is an UnrolledError."""
        from unrolled.networks import SequenceClassifier
        from unrolled.training.outline import outline_of

        weights = self.load_weights()
        if self.config.weights == "float32":
            network = SequenceClassifier(self.config.cells)
            network.load_state_dict(weights)
            return network.eval()
        network = outline_of(self.config)
        network.load_state_dict(weights, assign=True)
        return network


def check_free(folder: PathLike) -> None:
    """Raise an UnrolledError if a new run cannot go into `folder`."""
    folder = Path(folder)
    if "\0" in str(folder):
        raise UnrolledError(f"{str(folder)!r} is no path: it has a NUL in it")
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise UnrolledError(f"{folder} is a file: choose another folder with --run")
    # What a killed process left that was about to make a run here is not in the way.
    names = [name for name in os.listdir(folder) if name != LOCK and not is_leftover(name, of=CONFIG)]
    if names:
        what = "already holds a run" if CONFIG in names else "is not empty"
        raise UnrolledError(f"{folder} {what}: choose another folder with --run, or remove it")


def next_free(parent: PathLike, name: str) -> Path:
    """The first of parent/name-1, parent/name-2, ... that is not there yet.

    >>> str(next_free("nowhere", "../a b"))
    'nowhere/a-b-1'
    """
    safe = re.sub(r"[^\w.-]+", "-", name).strip(".-")[:100] or "run"  # a name may say anything
    number = 1
    while os.path.lexists(folder := Path(parent) / f"{safe}-{number}"):
        number += 1
    return folder


def newest(parent: PathLike) -> Path:
    """The run folder below `parent` whose weights were written last.

    Raises:
        UnrolledError: there is none.
    """
    weights = sorted(Path(parent).glob(f"*/{WEIGHTS}"), key=lambda path: path.stat().st_mtime)
    if not weights:
        raise UnrolledError(f"no run in {parent}/: `unrolled train` makes one; one elsewhere must be named")
    return weights[-1].parent


def _circumstances(config: RunConfig) -> dict[str, Any]:
    if config.is_complete:
        from unrolled.training.circumstances import present_circumstances

        return present_circumstances()
    return {"versions": {"unrolled": unrolled.__version__, "python": platform.python_version()}}


def _written_by(circumstances: dict[str, Any]) -> str:
    """What to say of a configuration that another version of the package wrote."""
    versions = circumstances.get("versions")
    version = versions.get("unrolled") if isinstance(versions, dict) else None
    if not isinstance(version, str) or version == unrolled.__version__:
        return ""
    return f" (unrolled {shortened(version, 40)} wrote it, and this is {unrolled.__version__})"
