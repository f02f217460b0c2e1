"""What a run is of, as data: all that config.json says besides when and where. It needs no torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from unrolled.errors import UnrolledError, check_count, check_fields, unknown_name
from unrolled.networks.config import NetworkConfig
from unrolled.networks.graph_config import GraphConfig
from unrolled.tasks import OF_NUMBERS, TASKS
from unrolled.training.recipe import MOST, Recipe, check_seed

if TYPE_CHECKING:
    from unrolled.data import Dataset

WEIGHTS = ("float32", "bfloat16", "int8")
NO_DATA = "none"  # of an imported network, in the place of the data's name

# What `protocols` measures and prints: here, so that a configuration can be read without torch.
PROTOCOL_NAMES = (
    "epochs",
    "seed-000",
    "seed-001",
    "seed-002",
    "seed-002-multi-lstm",
    "seed-003",
    "seed-004",
)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run is of.

    A run that was begun before its data were read has no classes yet: see `is_complete`.

    Attributes:
        network: the network, made of cells, or a graph as it was imported.
        recipe: how it was trained.
        data: the name of the data set.
        classes: the names of the classes, in the order of the logits; none where numbers are predicted.
        seed: of the weights, of dropout and of the order of the examples.
        validation: how many of the first training examples were held out to choose the best weights by; of a
            run that is not complete, how many were asked for, None for the data set's own choice.
        recipe_name: what the recipe is called; its values may have been changed.
        protocol: what was measured and printed, and when: "epochs", or a tutorial's, see `protocols`.
        data_dir: the folder that the data set's files were read from, if one was named.
        start: the run folder whose weights it started from, if it did.
        task: what was learned, one of `tasks.TASKS`.
        numbers: the names of the numbers that are predicted; none where classes are.
        options: what was said of the data, see `unrolled.data.DataOptions`.
        weights: what the recurrent ones are, one of WEIGHTS: what was trained is float32, see `quantize_run`.

    Raises:
        UnrolledError: a value is of another type or out of range.
    """

    network: NetworkConfig | GraphConfig
    recipe: Recipe
    data: str
    classes: tuple[str, ...]
    seed: int
    validation: int | None
    recipe_name: str = "default"
    protocol: str = "epochs"
    data_dir: str | None = None
    start: str | None = None
    task: str = "classify"
    numbers: tuple[str, ...] = ()
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    weights: str = "float32"

    def __post_init__(self) -> None:
        for name, kinds in (("network", (NetworkConfig, GraphConfig)), ("recipe", (Recipe,))):
            if not isinstance(getattr(self, name), kinds):
                raise UnrolledError(f"{name} is {getattr(self, name)!r}, expected a {kinds[0].__name__}")
        for name in ("data", "recipe_name", "data_dir", "start"):
            value = getattr(self, name)
            optional = name in ("data_dir", "start")
            if not ((value is None and optional) or (isinstance(value, str) and "\0" not in value)):
                raise UnrolledError(f"{name} is {value!r}, expected text")
        if not isinstance(self.task, str) or self.task not in TASKS:
            raise unknown_name("task", self.task, TASKS)
        if not isinstance(self.weights, str) or self.weights not in WEIGHTS:
            raise unknown_name("kind of weights", self.weights, WEIGHTS)
        if not isinstance(self.options, dict):
            raise UnrolledError(f"options is {self.options!r}, expected what was said of the data")
        self._check_names("classes", self.classes)
        self._check_names("numbers", self.numbers)
        if not isinstance(self.protocol, str) or self.protocol not in PROTOCOL_NAMES:
            raise unknown_name("protocol", self.protocol, PROTOCOL_NAMES)
        object.__setattr__(self, "seed", check_seed(self.seed, self.recipe.order))
        if self.validation is not None or self.is_complete:
            object.__setattr__(
                self, "validation", check_count("validation", self.validation, least=0, most=MOST)
            )

    def _check_names(self, kind: str, names: Any) -> None:
        one = {"classes": "class", "numbers": "number"}[kind]
        if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
            raise UnrolledError(f"{kind} is {names!r}, expected the name of each {one}")
        object.__setattr__(self, kind, tuple(names))
        if names and (kind == "numbers") != (self.task in OF_NUMBERS):
            raise UnrolledError(f"{kind} have names, but {self.task} predicts none: leave them out")
        outputs = self.network.classes
        # A forecast gives each number once for every step.
        fit = outputs % len(names) == 0 if self.task == "forecast" and names else outputs == len(names)
        if names and not fit:
            raise UnrolledError(
                f"{len(names)} {kind} have names, expected {outputs}: so many has the network "
                f"{self.network.name}"
            )

    @property
    def cells(self) -> NetworkConfig:
        """The network, where it is made of cells.

        Raises:
            UnrolledError: it is a graph.
        """
        if isinstance(self.network, GraphConfig):
            raise UnrolledError(
                f"the network {self.network.name} is a graph of TensorFlow 1, which was imported as it is: "
                "`unrolled evaluate` and `unrolled predict` can run it, and nothing else"
            )
        return self.network

    def check_float(self, what: str) -> None:
        """Raise an UnrolledError if the recurrent weights are not float32, as a run must have to `what`."""
        if self.weights != WEIGHTS[0]:
            raise UnrolledError(
                f"its recurrent weights are {self.weights}, and a run must have {WEIGHTS[0]} to {what}: take "
                "the one that it was made of"
            )

    @property
    def is_complete(self) -> bool:
        """Whether the data have been read, and have said what they have to say of the run."""
        return bool(self.classes or self.numbers)

    def completed(self, data: Dataset) -> RunConfig:
        """This, with what the data say: their name and task, the width of a step, classes, held-out examples.

        A configuration that is complete stays as it is.
        """
        if self.is_complete:
            return self
        outputs = len(data.classes) if data.numbers is None else data.numbers.outputs
        network = self.cells.changed(input_size=data.train.width, classes=outputs)
        _check_scan(network, data)
        if data.task == "forecast" and data.numbers is not None:
            network = network.changed(centre=data.numbers.season)
        return dataclasses.replace(
            self,
            network=network.changed(read="steps") if data.task == "tag" else network,
            recipe=self.recipe.sized(len(data.train)) if self.recipe.by_size else self.recipe,
            data=data.name,
            classes=tuple(data.classes),
            validation=len(data.validation),
            task=data.task,
            numbers=() if data.numbers is None else data.numbers.names,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The configuration that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("run option", values, cls)
        needed = ("network", "recipe", "data", "classes", "seed", "validation")
        missing = [name for name in needed if name not in values]
        if missing:
            raise UnrolledError(f"it has no {missing[0]!r}")
        parts = {
            "network": _network(values["network"]),
            "recipe": Recipe.from_dict(values["recipe"]),
        }
        return cls(**{**values, **parts})


def _network(values: Any) -> NetworkConfig | GraphConfig:
    is_graph = isinstance(values, dict) and "digests" in values
    return (GraphConfig if is_graph else NetworkConfig).from_dict(values)


def _check_scan(network: NetworkConfig, data: Dataset) -> None:
    """Raise an UnrolledError if a network reads columns or pixels of what are no pictures of one size."""
    if network.scan == "rows":
        return
    if network.scan == data.train.pictures == "columns":
        raise UnrolledError(
            f"{data.name} is read by columns, of which network {network.name} reads the columns: rows, in "
            "the end. Leave out --by columns or --scan columns"
        )
    sizes = {
        length
        for part in (data.train, data.validation, data.test)
        for length in (part.shortest, part.steps)
        if len(part)
    }
    if len(sizes) > 1 or network.rows not in (None, *sizes):
        came = " to ".join(map(str, sorted({min(sizes), max(sizes)})))
        square = "square " * (network.rows is not None)
        raise UnrolledError(
            f"network {network.name} reads pictures {network.order}, but the sequences of {data.name} have "
            f'{came} steps of {network.input_size}: expected {square}pictures of one size, or the scan "rows"'
        )
