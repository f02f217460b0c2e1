"""The .ts files of the UEA and UCR archives, which aeon and sktime read and write."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.collection import Collection
from unrolled.data.readers.spool import Spool, as_float32
from unrolled.data.readers.targets import NO_LABEL, label_text
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

MOST_LINE = 1 << 28  # bytes: a line is read as a whole
# Steps with their times: (0,1.5),(1,2.5). A time may be text with a colon in it.
PAIR = re.compile(r"\(\s*([^(),]*),([^(),]*)\)")
PAIRS = re.compile(rf"\s*{PAIR.pattern}(\s*,\s*{PAIR.pattern})*\s*")


@dataclasses.dataclass
class Header:
    """What the lines that begin with @ say.

    Attributes:
        classes: the names of the classes, in their order; None if there are none.
        target: whether a number is to be predicted.
        dimensions: how many values a step has, if that is said.
        times: whether each value comes with its time.
    """

    classes: tuple[str, ...] | None = None
    target: bool = False
    dimensions: int | None = None
    times: bool = False

    @property
    def labelled(self) -> bool:
        return self.target or self.classes is not None


def read_ts(path: str | os.PathLike[str], *, labelled: bool = True) -> Collection:
    r"""Read the sequences of a .ts file: a line for each, its dimensions one behind the other.

        1.5,2.5,3.5:10,20,30:cat        three steps of two values, of the class cat

    `?` and NaN are values that are missing; where all values are from a step on, the sequence ends there. A
    dimension that is only `?` is missing as a whole. Times, where there are any, are not used.

    Args:
        path: the file. Lines are read one by one: what is held is the values alone.
        labelled: whether labels are looked at, if there are any.

    Returns:
        Sequences [T, I] with the names of the rows, "1" onwards. Labels are text with `classes` as the file
        lists them, or float64 [N] after `@targetLabel true`.

    Raises:
        UnrolledError: the file cannot be read, or a line is damaged; the message says which.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two.ts")
    >>> with open(path, "w") as file:
    ...     _ = file.write("@classLabel true cat dog\n@data\n1,2,3:7,8,9:cat\n4,?:5,6:dog\n")
    >>> two = read_ts(path)
    >>> two.sequences[0].tolist(), two.labels.tolist(), two.classes
    ([[1.0, 7.0], [2.0, 8.0], [3.0, 9.0]], ['cat', 'dog'], ('cat', 'dog'))

    Reference: aeon, "The .ts file format".
    """
    header, spool = Header(), None
    lengths: list[int] = []
    labels: list[str] = []
    cut = 0
    begun = False
    for place, line in _lines(path):
        if line.startswith("@") and not begun:
            begun = _read_setting(header, place, line)
            continue
        begun = True  # some files have no @data
        dimensions, label = _split(header, place, line, labelled)
        steps = _steps(header, place, dimensions)
        if spool is None:
            spool = Spool(steps.shape[1])
        if steps.shape[1] != spool.width:
            raise UnrolledError(f"{place} has {steps.shape[1]} dimensions, expected {spool.width} as before")
        there = np.asarray(~np.isnan(steps).all(axis=1))
        length = len(steps) - int(there[::-1].argmax()) if there.any() else 0
        if not length:
            raise UnrolledError(f"{place} has no value, expected a sequence")
        cut += length < len(steps)
        spool.append(steps[:length])
        lengths.append(length)
        labels.append(label)
    if spool is None:
        raise UnrolledError(f"{path} holds no sequences, expected a line for each after @data")
    steps_, file = spool.finish()
    width = spool.width
    notes = [f"{cut} of {len(lengths)} sequences end in steps without values, which are left out"] * bool(cut)
    notes += ["the times of the steps are not used"] * header.times
    said: NDArray[np.str_] | NDArray[np.float64] | None = None
    if labelled and header.labelled:
        said = np.array(labels, np.float64) if header.target else np.array(labels, np.str_)
    return Collection(
        path=os.fspath(path),
        sequences=Sequences.flat(steps_, torch.tensor(lengths), file),
        features=tuple(f"ch{i}" for i in range(width)) if width > 1 else ("value",),
        names=tuple(str(row + 1) for row in range(len(lengths))),
        labels=said,
        label_names=(("target",) if header.target else ("class",)) if header.labelled else (),
        classes=header.classes,
        reading={"format": "ts"},
        notes=tuple(notes),
    )


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """The lines that say something, and where they are."""
    with open_foreign(path) as file:
        number = 0
        try:
            while raw := file.readline(MOST_LINE):
                number += 1
                place = f"{path}, line {number},"
                if len(raw) == MOST_LINE:
                    raise UnrolledError(f"{place} has {MOST_LINE:,} bytes or more: it is something else")
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    if raw.startswith(b"#"):
                        continue
                    raise UnrolledError(f"{place} is not text in UTF-8: {error.reason}") from None
                if line and not line.startswith("#"):
                    yield place, line
        except OSError as error:
            raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error


def _read_setting(header: Header, place: str, line: str) -> bool:
    """Take what a line says into the header; whether the data begin after it."""
    key, *values = line[1:].split() or [""]
    key = key.lower()
    if key in ("timestamps", "classlabel", "targetlabel"):
        if not values or values[0].lower() not in ("true", "false"):
            raise UnrolledError(f"{place} says {line!r}, expected @{key} true or @{key} false")
        true = values[0].lower() == "true"
        if key == "timestamps":
            header.times = true
        elif key == "targetlabel":
            header.target = true
        elif true:
            header.classes = tuple(dict.fromkeys(map(label_text, values[1:])))
    elif key in ("dimensions", "dimension"):
        if not values or not values[0].isdecimal() or not 0 < int(values[0][:9]) < 1 << 24:
            raise UnrolledError(f"{place} says {line!r}, expected a number of dimensions")
        header.dimensions = int(values[0][:9])
    if header.target and header.classes is not None:
        raise UnrolledError(f"{place} makes the label both a class and a number, expected one of them")
    return key == "data"


def _split(header: Header, place: str, line: str, labelled: bool) -> tuple[list[str], str]:
    """The dimensions of a line, and its label."""
    # A time may hold colons: there, those that part dimensions are outside of brackets.
    dimensions = (re.sub(r"\)\s*:", ")\n", line) if header.times else line.replace(":", "\n")).split("\n")
    label = dimensions.pop().strip() if header.labelled else ""
    if labelled and header.labelled:
        label = label_text(label)
        if label.lower() in NO_LABEL or not dimensions:
            raise UnrolledError(f"{place} has no label, expected one behind the last colon")
        if header.classes and label not in header.classes:
            known = ", ".join(header.classes)
            raise UnrolledError(
                f"{place} is of the class {label!r}, expected one that the header lists: {known}"
            )
        if header.target and not _finite(label):
            raise UnrolledError(f"{place} has the label {label!r}, expected a number")
    if header.dimensions not in (None, len(dimensions)):
        raise UnrolledError(
            f"{place} has {len(dimensions)} dimensions, expected {header.dimensions} as the header says"
        )
    return dimensions, label


def _steps(header: Header, place: str, dimensions: list[str]) -> NDArray[np.float32]:
    """The steps [T, I] of a line."""
    if header.times:
        for number, text in enumerate(dimensions):
            if text.strip() != "?" and not PAIRS.fullmatch(text):
                raise UnrolledError(
                    f"{place} dimension {number + 1}: expected (time,value),(time,value) after "
                    "@timeStamps true"
                )
        dimensions = [",".join(v for _, v in PAIR.findall(text)) or text for text in dimensions]
    values = [_values(place, number, text) for number, text in enumerate(dimensions)]
    most = max(map(len, values))
    for number, text in enumerate(dimensions):
        if len(values[number]) < most and text.strip() == "?":
            values[number] = np.full(most, np.nan)
        elif len(values[number]) != most:
            longest = [len(one) for one in values].index(most)
            raise UnrolledError(
                f"{place} has {len(values[number])} values in dimension {number + 1} and {most} in dimension "
                f"{longest + 1}, expected as many in each"
            )
    return as_float32(
        np.stack(values, 1), lambda row, column: f"{place} value {row + 1} of dimension {column + 1}"
    )


def _values(place: str, dimension: int, text: str) -> NDArray[np.float64]:
    parts = text.split(",")
    if "_" not in text:  # which Python allows inside a number
        try:
            return np.fromiter(map(float, parts), np.float64, len(parts))
        except ValueError:
            pass
    values = np.full(len(parts), np.nan)
    for step, part in enumerate(parts):
        try:
            if part.strip() != "?":
                values[step] = float(part.replace("_", "x"))
        except ValueError:
            raise UnrolledError(
                f"{place} value {step + 1} of dimension {dimension + 1} is {part.strip()!r}, expected a "
                "number, or ? where it is missing"
            ) from None
    return values


def _finite(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
