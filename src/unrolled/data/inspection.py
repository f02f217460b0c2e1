"""What a data set holds, in numbers, and what looks wrong in it."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data.dataset import PARTS, Dataset
from unrolled.data.examples import Examples
from unrolled.data.sequences import Sequences, as_float
from unrolled.data.targets import shown

FEW = 10  # examples of a class: fewer are hardly learned
RARE = 0.02  # of all examples: the share of a class, likewise
MAJORITY = 0.9  # of one class: whoever always says it is right so often
FAR_LONGER = 20  # times the median


class Feature(NamedTuple):
    """One of the I numbers of a step, over all parts.

    Attributes:
        name: what it is called.
        least, greatest, mean: of the values that are there, NaN without any.
        missing: how many are not.
        constant: whether it never changes.
    """

    name: str
    least: float
    greatest: float
    mean: float
    missing: int
    constant: bool


class Inspection(NamedTuple):
    """What was found.

    Attributes:
        task: what is to be learned.
        examples: how many each part has.
        lengths: steps of each sequence, of all parts, int64 [N].
        features: each of the I numbers of a step.
        classes: by name, how often each part has it.
        numbers: by name, (least, greatest, mean) of each number that is predicted.
        wrong: what looks wrong, in words.
        first: the first sequence that is trained on, float32 [T, I], as it was read.
    """

    task: str
    examples: dict[str, int]
    lengths: Tensor
    features: list[Feature]
    classes: dict[str, dict[str, int]]
    numbers: dict[str, tuple[float, float, float]]
    wrong: list[str]
    first: Tensor


def inspect(data: Dataset) -> Inspection:
    """Look at every value of a data set, some at a time.

    >>> from unrolled.data import load
    >>> found = inspect(load("sample"))
    >>> found.examples["train"], int(found.lengths.max()), len(found.features), found.classes["7"]["test"]
    (3600, 28, 28, 100)
    """
    parts: dict[str, Examples] = {part: getattr(data, part) for part in PARTS}
    lengths = torch.cat([examples.all_lengths() for examples in parts.values()])
    features = _features(data, parts)
    classes = _classes(data, parts) if data.classes else {}
    wrong = [
        *_about_features(features),
        *_about_classes(classes),
        *_about_lengths(lengths),
        *_about_copies(parts),
    ]
    return Inspection(
        data.task,
        {part: len(examples) for part, examples in parts.items()},
        lengths,
        features,
        classes,
        _numbers(data, parts),
        wrong,
        as_float(data.train.raw(0)),
    )


def _features(data: Dataset, parts: dict[str, Examples]) -> list[Feature]:
    width = data.train.width
    least = torch.full((width,), torch.inf)
    greatest, total = -least, torch.zeros(width, dtype=torch.float64)
    count, missing = torch.zeros(width, dtype=torch.int64), torch.zeros(width, dtype=torch.int64)
    for examples in parts.values():
        for block in examples.blocks():
            there = ~block.steps.isnan()
            least = least.minimum(block.steps.masked_fill(~there, torch.inf).amin(dim=0))
            greatest = greatest.maximum(block.steps.masked_fill(~there, -torch.inf).amax(dim=0))
            total += block.steps.nan_to_num(0.0, torch.inf, -torch.inf).double().sum(dim=0)
            count += there.sum(dim=0)
            missing += (~there).sum(dim=0)
    least = least.masked_fill(count == 0, torch.nan)
    greatest = greatest.masked_fill(count == 0, torch.nan)
    names = data.preparation.features if data.preparation else ()
    names = names or tuple(str(number) for number in range(width))
    columns = (least, greatest, total / count, missing, least == greatest)
    return [Feature(*values) for values in zip(names, *(column.tolist() for column in columns), strict=True)]


def _labels(examples: Examples) -> Tensor:
    """The classes of a part, of each sequence or of each step."""
    labels = examples.labels
    if isinstance(labels, Sequences):
        return torch.cat(list(labels.blocks())) if len(labels) else labels.values[:0]
    return labels


def _classes(data: Dataset, parts: dict[str, Examples]) -> dict[str, dict[str, int]]:
    counts = {
        part: torch.bincount(_labels(examples), minlength=len(data.classes)).tolist()
        for part, examples in parts.items()
    }
    return {
        name: {part: of_part[number] for part, of_part in counts.items()}
        for number, name in enumerate(data.classes)
    }


def _numbers(data: Dataset, parts: dict[str, Examples]) -> dict[str, tuple[float, float, float]]:
    if data.numbers is None:
        return {}
    labels = torch.cat([_labels(examples) for examples in parts.values()])
    labels = labels.view(-1, len(data.numbers.names)).double()  # of a forecast, of all its steps
    figures = (labels.amin(dim=0), labels.amax(dim=0), labels.mean(dim=0))
    return dict(zip(data.numbers.names, zip(*(f.tolist() for f in figures), strict=True), strict=True))


def _about_features(features: list[Feature]) -> list[str]:
    wrong = []
    constant = [feature.name for feature in features if feature.constant]
    if constant:
        wrong.append(f"{named(constant, 'feature')} never changes: it says nothing")
    empty = [feature.name for feature in features if feature.least != feature.least]
    if empty:
        wrong.append(f"{named(empty, 'feature')} has no value at all")
    missing = [feature.name for feature in features if feature.missing]
    if missing:
        count = sum(feature.missing for feature in features)
        wrong.append(f"{count:,} values are missing, of {named(missing, 'feature')}")
    infinite = [f.name for f in features if torch.inf in (f.greatest, -f.least)]
    if infinite:
        wrong.append(f"{named(infinite, 'feature')} is infinite somewhere")
    return wrong


def _about_classes(classes: dict[str, dict[str, int]]) -> list[str]:
    wrong = []
    for name, counts in classes.items():
        if not counts["train"]:
            wrong.append(f"the class {name} has no example to train on")
        elif not counts["test"]:
            wrong.append(f"the class {name} has no example to test on")
        if 0 < counts["train"] < min(FEW, RARE * sum(c["train"] for c in classes.values())):
            wrong.append(f"the class {name} has {counts['train']} to train on, which is hardly learned")
    tested = sum(counts["test"] for counts in classes.values())
    for name, counts in classes.items():
        if counts["test"] > MAJORITY * tested:
            wrong.append(
                f"{counts['test'] / tested:.1%} of the test is {name}: always to say so is right so often"
            )
    names = list(classes)
    if len(names) > 1 and names == [str(number) for number in range(1, len(names) + 1)]:
        wrong.append(f"the labels count from 1 to {len(names)}: they are taken as names of classes")
    return wrong


def _about_lengths(lengths: Tensor) -> list[str]:
    longest, median = int(lengths.max()), int(lengths.median())
    if longest > FAR_LONGER * median:
        return [f"the longest sequence has {longest:,} steps, half of all have {median:,} or fewer"]
    return []


def _about_copies(parts: dict[str, Examples]) -> list[str]:
    """Sequences that are on two sides of a split, to the last bit."""
    seen: dict[bytes, str] = {}
    twice: Counter[tuple[str, str]] = Counter()
    for part, examples in parts.items():
        for row in range(len(examples)):
            raw = examples.raw(row).contiguous()
            digest = blake2b(raw.view(-1).view(torch.uint8).numpy().data, digest_size=16).digest()
            before = seen.setdefault(digest, part)
            if before != part:
                twice[before, part] += 1
    return [
        f"{part} has {count:,} sequence{'s' if count > 1 else ''} that {before} has, too"
        for (before, part), count in twice.items()
    ]


def named(names: list[str], what: str, most: int = 5) -> str:
    """Some names.

    >>> named(["a", "b"], "feature"), named(list("abcdefgh"), "feature")
    ('the features a, b', 'the features a, b, c, d, e and 3 more')
    """
    return f"the {what}{'s' if len(names) > 1 else ''} {shown(names, most)}"
