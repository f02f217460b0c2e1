"""What a path does not say of itself."""

from __future__ import annotations

import dataclasses
from typing import Any

from unrolled.data.missing import RULES
from unrolled.errors import UnrolledError, check_count, check_fields, unknown_name
from unrolled.tasks import TASKS

FORMS = ("long", "wide", "series")
STEPS = ("rows", "columns")


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """How data in files are to be read, split and prepared; what is not said is found out.

    Attributes:
        test: what to test on: a file or folder, or COLUMN=VALUE[,VALUE ...] of the same data.
        task: "classify", a class for each sequence; "tag", one for each step; "regress", numbers for each
            sequence; "forecast", the next steps.
        form: of a table: "long", a row for each step; "wide", a row for each sequence; "series", a row for
            each step of one sequence.
        id: the column of a long table that says which sequence a row is of.
        time: the column that says in which order.
        label: the columns that are to be predicted.
        features: the columns that are read.
        split_by: a column whose values, such as speakers, are each on one side of every split.
        names: what the names of files say, such as "{label}_{speaker}_{index}".
        by: what the steps of a picture are: its "rows" or its "columns".
        bands: of a recording: how many bands of log-mel frames.
        missing: what stands for a missing value, see `Preparation`.
        standardize: whether features are standardised; not done to pictures.
        horizon, season, context: of a forecast, in steps: how far, after how many a series begins again, and
            how many are read.

    Raises:
        UnrolledError: a value is none of those.
    """

    test: str | None = None
    task: str | None = None
    form: str | None = None
    id: str | None = None
    time: str | None = None
    label: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    split_by: str | None = None
    names: str | None = None
    by: str | None = None
    bands: int | None = None
    missing: str | None = None
    standardize: bool = True
    horizon: int | None = None
    season: int | None = None
    context: int | None = None

    def __post_init__(self) -> None:
        choices = {"task": TASKS, "form": FORMS, "by": STEPS, "missing": RULES}
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if value is None:
                continue
            if name in choices:
                if value not in choices[name]:
                    raise unknown_name(name, value, choices[name])
            elif name in ("label", "features"):
                if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
                    raise UnrolledError(f"{name} is {value!r}, expected names of columns")
                object.__setattr__(self, name, tuple(value))
            elif name in ("bands", "horizon", "season", "context"):
                object.__setattr__(self, name, check_count(name, value, most=2**24))
            elif name == "standardize":
                if not isinstance(value, bool):
                    raise UnrolledError(f"{name} is {value!r}, expected true or false")
            elif not isinstance(value, str) or "\0" in value:
                raise UnrolledError(f"{name} is {value!r}, expected text")
        of_forecasts = [name for name in ("horizon", "season", "context") if getattr(self, name) is not None]
        if of_forecasts and self.task != "forecast":
            raise UnrolledError(f"{of_forecasts[0]} is given, which goes with the task forecast alone")

    def given(self) -> dict[str, Any]:
        """Those that say something."""
        values = dataclasses.asdict(self)
        return {
            field.name: values[field.name]
            for field in dataclasses.fields(self)
            if values[field.name] != field.default
        }

    @classmethod
    def from_dict(cls, values: Any) -> DataOptions:
        """What `given` made `values` of; unknown keys are refused."""
        check_fields("data option", values, cls)
        return cls(**values)
