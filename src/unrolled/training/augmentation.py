"""How strongly pictures are distorted while a network trains, as data: `distortion` does it."""

from __future__ import annotations

import dataclasses
from typing import Any

from unrolled.errors import UnrolledError, check_fields, is_number


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are distorted while training; all zeros leave them as they are.

    Each strength is a bound: every picture draws its own amounts, evenly from minus the bound to it.

    Attributes:
        shift: in pixels, along each axis.
        rotation: in degrees.
        scale: the logarithm of a factor, along each axis; 0.1 is from 0.90 to 1.11.
        shear: pixels sideways for each pixel down.
        elastic: not a bound but the standard deviation, in pixels, of the displacements of 5 x 5 points, with
            smooth transitions between them.

    Raises:
        UnrolledError: a strength is not a finite number of at least 0.
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not (is_number(value) and value >= 0):
                raise UnrolledError(
                    f"the {name} of the augmentation is {value!r}, expected a number of at least 0"
                )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Augmentation:
        """The strengths that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("augmentation", values, cls)
        return cls(**values)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return any(dataclasses.astuple(self))


NO_AUGMENTATION = Augmentation()
