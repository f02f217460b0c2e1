"""What is done to every value before a network reads it: features brought to one scale."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError, check_fields, is_number


@dataclasses.dataclass(frozen=True)
class Standardization:
    r"""Each feature by its mean and its standard deviation.

        x' = (x - mean) / deviation

    Fit it to the examples that are trained on alone, and use it for all.

    Attributes:
        mean, deviation: of each of the I features; the deviation of one that never changes is 1.

    Raises:
        UnrolledError: not as many of both, or numbers that nothing can be scaled by.

    >>> Standardization((2.0, 5.0), (4.0, 1.0)).apply(torch.tensor([[6.0, 5.0]])).tolist()
    [[1.0, 0.0]]
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "deviation"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.mean) != len(self.deviation):
            raise UnrolledError(
                f"{len(self.mean)} means and {len(self.deviation)} deviations, expected one of each for "
                "every feature"
            )
        for name, least in (("mean", -math.inf), ("deviation", 0)):
            for place, value in enumerate(getattr(self, name)):
                if not (is_number(value) and value > least):
                    what = "a finite number" if name == "mean" else "a number above 0"
                    raise UnrolledError(f"the {name} of feature {place} is {value!r}, expected {what}")

    @classmethod
    def fit(cls, blocks: Iterable[Tensor]) -> Standardization:
        """The one of all these steps, in blocks [S, I] of any sizes, in float64; what is missing has no part.

        >>> Standardization.fit([torch.tensor([[1.0, 7.0], [2.0, 7.0]]), torch.tensor([[6.0, 7.0]])])
        Standardization(mean=(3.0, 7.0), deviation=(2.160246899469287, 1.0))
        """
        count, mean, squares = (torch.zeros((), dtype=torch.float64) for _ in range(3))
        for block in blocks:
            # Two blocks' means and squared deviations together (Chan, Golub and LeVeque 1983, equation 2.1).
            values = block.double()
            more = (~values.isnan()).sum(dim=0)
            total = (count + more).clamp(min=1)
            theirs = values.nansum(dim=0) / more.clamp(min=1)
            between = theirs - mean
            within = (values - theirs).square().nansum(dim=0)
            squares = squares + within + between.square() * (count * more / total)
            mean = mean + between * (more / total)
            count = count + more
        if count.dim() == 0 or not count.any():
            raise UnrolledError("there are no steps to be standardised by, expected at least one")
        deviation = (squares / count.clamp(min=1)).sqrt()
        # A feature that never changes may still differ from its mean in the last bit.
        constant = deviation <= 1e-12 * mean.abs()
        return cls(tuple(mean.tolist()), tuple(deviation.masked_fill(constant, 1.0).tolist()))

    @classmethod
    def from_dict(cls, values: Any) -> Standardization:
        """What `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("standardization", values, cls)
        lists = [values.get(field.name) for field in dataclasses.fields(cls)]
        if not all(isinstance(numbers, (list, tuple)) for numbers in lists):
            raise UnrolledError(
                f"standardization is {values!r}, expected a mean and a deviation of each feature"
            )
        return cls(**values)

    def apply(self, x: Tensor) -> Tensor:
        """The values [..., I] as they are to be read."""
        mean, deviation = (x.new_tensor(values) for values in (self.mean, self.deviation))
        return (x - mean).div_(deviation)
