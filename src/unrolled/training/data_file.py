"""What a run keeps of its data: how files were read, what was done to sequences, the scales of numbers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.atomic import atomic_path
from unrolled.data import Dataset, Numbers, Preparation
from unrolled.errors import UnrolledError, check_fields
from unrolled.foreign import MissingFileError
from unrolled.training.run import DATA
from unrolled.training.run_file import parse_json, read_text, shortened


class DataRecord(NamedTuple):
    """What later sequences need to be read as those of the training were.

    Attributes:
        preparation: what was done to every sequence; None if nothing was.
        numbers: what there is to know of the numbers that are predicted; None where classes are.
    """

    preparation: Preparation | None = None
    numbers: Numbers | None = None

    @classmethod
    def of(cls, data: Dataset) -> DataRecord:
        """That of a data set."""
        return cls(data.preparation, data.numbers)

    def save(self, folder: Path) -> None:
        """Write data.json into a run folder, if there is anything to say."""
        if self == DataRecord():
            return
        with atomic_path(folder / DATA) as path:
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
            path.write_text(text + "\n", encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for data.json."""
        return {
            "preparation": None if self.preparation is None else self.preparation.to_dict(),
            "numbers": None if self.numbers is None else dataclasses.asdict(self.numbers),
        }

    @classmethod
    def load(cls, folder: Path) -> DataRecord:
        """That of a run folder.

        Raises:
            UnrolledError: data.json is damaged.
        """
        path = folder / DATA
        try:
            values: Any = parse_json(read_text(path))
        except MissingFileError:
            return cls()
        except UnrolledError:
            raise
        except ValueError as error:
            raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error
        try:
            return cls.from_dict(values)
        except UnrolledError as error:
            raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error

    @classmethod
    def from_dict(cls, values: Any) -> DataRecord:
        """That of plain values, such as data.json holds.

        Raises:
            UnrolledError: they are damaged.
        """
        if not isinstance(values, dict) or set(values) != {"preparation", "numbers"}:
            raise UnrolledError("expected an object with preparation and numbers")
        preparation, numbers = values["preparation"], values["numbers"]
        try:
            if numbers is not None:
                check_fields("number", numbers, Numbers)
            return cls(
                None if preparation is None else Preparation.from_dict(preparation),
                None if numbers is None else Numbers(**numbers),
            )
        except TypeError as error:
            raise UnrolledError(str(error)) from error
