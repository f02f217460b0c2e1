"""What is learned from the sequences that are trained on before a network is: the scales of things."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.data.collection import Collection
from unrolled.data.numbers import Numbers
from unrolled.data.options import DataOptions
from unrolled.data.preparation import Preparation
from unrolled.data.sequences import Sequences, as_float
from unrolled.data.standardization import Standardization
from unrolled.errors import UnrolledError


def fit_preparation(collection: Collection, trained_on: Sequences, options: DataOptions) -> Preparation:
    """What is done to the features of a collection, fitted on those of its sequences that are trained on.

    Raises:
        UnrolledError: a rule for missing values is asked for that needs means, and there are none.
    """
    scaling = None
    if options.standardize and trained_on.dtype != torch.uint8:
        scaling = Standardization.fit(as_float(steps) for steps in trained_on.blocks())
    if scaling is None and options.missing in ("previous", "mean"):
        what = "--no-standardize leaves none" if not options.standardize else "pictures have none"
        raise UnrolledError(
            f"--missing {options.missing} needs the mean of each feature, and {what}: leave one of them out"
        )
    missing = options.missing or ("error" if scaling is None else "previous")
    return Preparation(collection.reading, collection.features, missing, scaling)


def check_complete(collection: Collection, options: DataOptions) -> None:
    """Raise an UnrolledError that names the first value that is missing, where none may be."""
    for row, steps in enumerate(collection.sequences):
        if steps.is_floating_point() and steps.isnan().any():
            step, number = steps.isnan().nonzero()[0].tolist()
            feature = collection.features[number]
            rule = "say --missing previous" if options.standardize else "leave --no-standardize out"
            raise UnrolledError(
                f"{collection.path}: {feature} of {collection.names[row]} is missing at its step {step + 1}: "
                f"fill it in, or {rule}, which stands the value before it in its place"
            )


def count_missing(collection: Collection) -> int:
    """How many values are missing."""
    sequences = collection.sequences
    if not sequences.dtype.is_floating_point:
        return 0
    return sum(int(steps.isnan().sum()) for steps in sequences.blocks())


def fit_numbers(collection: Collection, labels: Tensor) -> Numbers:
    """The scales of the numbers that are predicted, from labels [N, K] of what is trained on."""
    mean, deviation = labels.double().mean(dim=0), labels.double().std(dim=0, correction=0)
    names = collection.label_names or tuple(f"number {place}" for place in range(labels.shape[1]))
    return Numbers(names, tuple(mean.tolist()), tuple(deviation.masked_fill(deviation == 0, 1.0).tolist()))
