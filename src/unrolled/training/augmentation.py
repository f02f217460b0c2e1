"""How strongly examples are changed while a network trains, as data.

`distortion` does it to pictures, `perturbation` to any sequences.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from unrolled.errors import UnrolledError, check_fields, is_number

if TYPE_CHECKING:
    from unrolled.data import Dataset

OF_PICTURES = ("shift", "rotation", "scale", "shear", "elastic", "flip")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How strongly examples are changed while training; all zeros leave them as they are.

    Each strength is a bound: every example draws its own amounts, evenly from minus the bound to it.

    Attributes of pictures:
        shift: in pixels, along each axis.
        rotation: in degrees.
        scale: the logarithm of a factor, along each axis; 0.1 is from 0.90 to 1.11.
        shear: pixels sideways for each pixel down.
        elastic: not a bound but the standard deviation, in pixels, of the displacements of 5 x 5 points, with
            smooth transitions between them.
        flip: not a bound but the probability that a picture is mirrored, left for right.
        sharp: not a bound but the probability that a picture is at most mirrored. All else blurs it, by
            interpolation: where single pixels count, a network that has seen nothing sharp is at a loss.

    Attributes of any sequences, of features with a mean of 0 and a deviation of 1, or of pixels from 0 to 1:
        noise: not a bound but the standard deviation of what is added to every number.
        affine: not a bound but how far from the identity a linear map is that stretches, turns and shears the
            features of a sequence, in all its steps alike.
        time_mask: the share of a sequence's steps, one behind the other, that become 0; at most 1.

    Raises:
        UnrolledError: a strength is not a finite number of at least 0, a probability is above 1, or more than
            all steps are masked.
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    flip: float = 0.0
    sharp: float = 0.0
    noise: float = 0.0
    affine: float = 0.0
    time_mask: float = 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not (is_number(value) and value >= 0):
                raise UnrolledError(
                    f"the {name} of the augmentation is {value!r}, expected a number of at least 0"
                )
        for name in ("flip", "sharp"):
            if (probability := getattr(self, name)) > 1:
                raise UnrolledError(
                    f"the {name} of the augmentation is {probability!r}, expected a probability"
                )
        if self.time_mask > 1:
            raise UnrolledError(
                f"the time_mask of the augmentation is {self.time_mask!r}, expected at most 1: all steps"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Augmentation:
        """The strengths that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("augmentation", values, cls)
        return cls(**values)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return self.distorts or self.perturbs

    @property
    def distorts(self) -> bool:
        """Whether there is anything to do to pictures."""
        return any(getattr(self, name) for name in OF_PICTURES)

    @property
    def perturbs(self) -> bool:
        """Whether there is anything to do to sequences of any kind."""
        return any((self.noise, self.affine, self.time_mask))


def about_pictures(augmentation: Augmentation, data: Dataset) -> str:
    """What to say where pictures are to be distorted, but there are none, or only their type says so."""
    from unrolled.data import DATASETS

    if not augmentation.distorts:
        return ""
    said = ", ".join(name for name in OF_PICTURES if getattr(augmentation, name))
    if data.train.pictures is None:
        kind = str(data.train.dtype).removeprefix("torch.")
        return (
            f"{said} are left out: the recipe has them for pictures, which are uint8, and {data.name} has "
            f"sequences of {kind}"
        )
    if data.train.preparation is None and data.name not in DATASETS:
        return f"{data.name} has sequences of uint8, which are pictures: the recipe distorts them ({said})"
    return ""


NO_AUGMENTATION = Augmentation()
