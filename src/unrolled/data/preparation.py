"""What is done to every sequence before a network reads it: in training, and ever after."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from unrolled.data.missing import RULES, previous_value
from unrolled.data.standardization import Standardization
from unrolled.errors import UnrolledError, check_fields, unknown_name


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How files become what a network reads. It is part of a run, so that later files are read likewise.

    Attributes:
        reading: the format of the files and the settings of its reader.
        features: the name of each of the I numbers of a step.
        missing: what stands for a missing value: "previous", the one before it in its sequence, and at the
            beginning the feature's mean; "mean", the feature's mean over the training part; "error" where
            there must be none.
        standardization: of each feature, fitted on the training part; None where values stay as they are.

    Raises:
        UnrolledError: a value is of another type, or no rule of that name.
    """

    reading: dict[str, Any] = dataclasses.field(default_factory=dict)
    features: tuple[str, ...] = ()
    missing: str = "error"
    standardization: Standardization | None = None

    def __post_init__(self) -> None:
        if self.missing not in RULES:
            raise unknown_name("rule for missing values", self.missing, RULES)
        if not isinstance(self.reading, dict):
            raise UnrolledError(f"reading is {self.reading!r}, expected an object")
        features = self.features
        if not isinstance(features, (list, tuple)) or not all(isinstance(name, str) for name in features):
            raise UnrolledError(f"features is {features!r}, expected the name of each")
        object.__setattr__(self, "features", tuple(features))
        if self.missing != "error" and self.standardization is None:
            raise UnrolledError(f"missing is {self.missing!r} without the means that may be needed for it")

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the reader; none where `reading`, which may come from anywhere, has no object there."""
        settings = self.reading.get("settings")
        return settings if isinstance(settings, dict) else {}

    def check_width(self, width: int) -> None:
        """Raise an UnrolledError if steps of so many numbers are not those that it is of."""
        held = len(self.features) if self.standardization is None else len(self.standardization.mean)
        if held not in (0, width):
            raise UnrolledError(f"the preparation is of {held} features, but a step has {width}")

    def apply(self, x: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """What the network reads of x [..., T, I] float32, whole sequences as the reader found them.

        With `lengths` x [T, I] holds several, one behind the other.
        """
        if self.missing == "previous":
            x = previous_value(x, lengths)
        if self.standardization is not None:
            x = self.standardization.apply(x)
        return x if self.missing == "error" else x.masked_fill(x.isnan(), 0)  # which is the mean

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for data.json."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Preparation:
        """What `to_dict` made `values` of; unknown keys are refused."""
        check_fields("preparation", values, cls)
        scaling = values.get("standardization")
        if scaling is not None:
            values = {**values, "standardization": Standardization.from_dict(scaling)}
        return cls(**values)
