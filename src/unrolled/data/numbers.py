"""What there is to know of numbers that are predicted: what they are called, and their scales."""

from __future__ import annotations

import dataclasses

from unrolled.errors import UnrolledError, check_count, is_number


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The K numbers that are predicted for each sequence, or at each of the `horizon` steps that follow it.

    Labels and predictions are in the numbers' own units; a network learns them standardised,
    (y - mean) / deviation.

    Attributes:
        names: of each.
        mean, deviation: of each, over the examples that are trained on; 1 for the deviation of one that
            never changes.
        horizon: of a forecast, how many steps it is of: its labels are [N, horizon K], the K numbers of the
            first step first. 0 for numbers of a sequence as a whole.
        features: of a forecast, which of the I numbers of a step each name is.
        season: of a forecast, after how many steps a series is taken to repeat: 1 for what stays as it is.
        context: of a forecast, how many steps of a series are read; 0 if that is not known.
        scale: of a forecast, for each name the mean absolute error that the seasonal naive forecast of one
            step makes within the series that are trained on: what MASE is measured by.

    Raises:
        UnrolledError: they do not fit each other, or nothing can be scaled by them.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    horizon: int = 0
    features: tuple[int, ...] = ()
    season: int = 1
    scale: tuple[float, ...] = ()
    context: int = 0

    def __post_init__(self) -> None:
        for name in ("names", "mean", "deviation", "features", "scale"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "horizon", check_count("horizon", self.horizon, least=0))
        object.__setattr__(self, "season", check_count("season", self.season))
        object.__setattr__(self, "context", check_count("context", self.context, least=0))
        if not self.names:
            raise UnrolledError("there are no numbers to predict, expected the name of at least one")
        forecast = ("features", "scale") if self.horizon else ()
        for name in ("mean", "deviation", *forecast):
            if len(getattr(self, name)) != len(self.names):
                raise UnrolledError(
                    f"the {name} of the numbers has {len(getattr(self, name))} values, expected "
                    f"{len(self.names)}: one for each of {', '.join(self.names)}"
                )
        for feature in self.features:
            check_count("a feature that is forecast", feature, least=0)
        for name, above in (("mean", False), ("deviation", True), ("scale", True)):
            for value in getattr(self, name):
                if not is_number(value) or (above and value <= 0):
                    what = "a number above 0" if above else "a finite number"
                    raise UnrolledError(f"a {name} of the numbers is {value!r}, expected {what}")

    @property
    def outputs(self) -> int:
        """How many numbers are predicted for a sequence.

        >>> Numbers(("load", "price"), (0, 0), (1, 1), horizon=24, features=(0, 1), scale=(1, 1)).outputs
        48
        """
        return len(self.names) * max(1, self.horizon)
