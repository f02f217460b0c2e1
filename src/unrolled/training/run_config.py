"""What a run is of, as data: all that config.json says besides when and where. It needs no torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from unrolled.errors import UnrolledError, check_count, check_fields, unknown_name
from unrolled.networks.config import NetworkConfig
from unrolled.training.recipe import MOST, Recipe, check_seed

if TYPE_CHECKING:
    from unrolled.data import Dataset

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
        network: the network.
        recipe: how it was trained.
        data: the name of the data set.
        classes: the names of the classes, in the order of the logits.
        seed: of the weights, of dropout and of the order of the examples.
        validation: how many of the first training examples were held out to choose the best weights by; of a
            run that is not complete, how many were asked for, None for the data set's own choice.
        recipe_name: what the recipe is called; its values may have been changed.
        protocol: what was measured and printed, and when: "epochs", or a tutorial's, see `protocols`.
        data_dir: the folder that the data set's files were read from, if one was named.
        start: the run folder whose weights it started from, if it did.

    Raises:
        UnrolledError: a value is of another type or out of range.
    """

    network: NetworkConfig
    recipe: Recipe
    data: str
    classes: tuple[str, ...]
    seed: int
    validation: int | None
    recipe_name: str = "default"
    protocol: str = "epochs"
    data_dir: str | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        for name, kind in (("network", NetworkConfig), ("recipe", Recipe)):
            if not isinstance(getattr(self, name), kind):
                raise UnrolledError(f"{name} is {getattr(self, name)!r}, expected a {kind.__name__}")
        for name in ("data", "recipe_name", "data_dir", "start"):
            value = getattr(self, name)
            optional = name in ("data_dir", "start")
            if not ((value is None and optional) or (isinstance(value, str) and "\0" not in value)):
                raise UnrolledError(f"{name} is {value!r}, expected text")
        classes = self.classes
        if not isinstance(classes, (tuple, list)) or not all(isinstance(name, str) for name in classes):
            raise UnrolledError(f"classes is {classes!r}, expected the name of each class")
        object.__setattr__(self, "classes", tuple(classes))
        if self.is_complete and len(classes) != self.network.classes:
            raise UnrolledError(
                f"{len(classes)} classes have names, expected {self.network.classes}: "
                f"so many has the network {self.network.name}"
            )
        if not isinstance(self.protocol, str) or self.protocol not in PROTOCOL_NAMES:
            raise unknown_name("protocol", self.protocol, PROTOCOL_NAMES)
        object.__setattr__(self, "seed", check_seed(self.seed, self.recipe.order))
        if self.validation is not None or self.is_complete:
            object.__setattr__(
                self, "validation", check_count("validation", self.validation, least=0, most=MOST)
            )

    @property
    def is_complete(self) -> bool:
        """Whether the data have been read, and have said what they have to say of the run."""
        return bool(self.classes)

    def completed(self, data: Dataset) -> RunConfig:
        """This, with what the data say: their name, the width of a step, classes, held-out examples.

        A configuration that is complete stays as it is.
        """
        if self.is_complete:
            return self
        return dataclasses.replace(
            self,
            network=self.network.changed(input_size=data.train.sequences.shape[2], classes=len(data.classes)),
            data=data.name,
            classes=tuple(data.classes),
            validation=len(data.validation),
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
            "network": NetworkConfig.from_dict(values["network"]),
            "recipe": Recipe.from_dict(values["recipe"]),
        }
        return cls(**{**values, **parts})
