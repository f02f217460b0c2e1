"""A long series as many examples: what has been, and what comes next."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError


class Windows(NamedTuple):
    """M windows of series, and what follows each.

    Attributes:
        sequences: of `context` steps each; windows overlap in the memory of the series.
        targets: [M, horizon * K]: the K numbers of the first step that follows, then of the second one ...
    """

    sequences: Sequences
    targets: Tensor


def windows(
    series: Sequences, part: tuple[Tensor, Tensor], context: int, horizon: int, numbers: Tensor
) -> Windows:
    """The windows of a part of each series: those whose next `horizon` steps lie in it.

    What has been may lie before the part. Windows before which, or after which, the series has too few steps
    are none, nor are those of whose targets one is missing (NaN).

    Args:
        series: N long ones.
        part: the first step of the part and the one behind its last, int64 [N] each.
        context, horizon: steps that are read, and that are predicted.
        numbers: which of the I numbers of a step are predicted, int64 [K].

    >>> series = Sequences.of([[[0.0], [1.0], [2.0], [3.0], [4.0]]])
    >>> ends = series.lengths
    >>> found = windows(series, (ends - 2, ends), context=2, horizon=1, numbers=torch.tensor([0]))
    >>> [found.sequences[i].flatten().tolist() for i in range(2)], found.targets.tolist()
    ([[1.0, 2.0], [2.0, 3.0]], [[3.0], [4.0]])
    """
    starts, targets = [], []
    for start, length, first, end in zip(
        series.starts.tolist(), series.lengths.tolist(), *(edge.tolist() for edge in part), strict=True
    ):
        origins = torch.arange(length)[max(first, context) : max(0, min(end, length) - horizon + 1)]
        if len(origins) == 0:
            continue
        following = series.values[start : start + length].index_select(1, numbers)
        following = following.to(torch.float32).unfold(0, horizon, 1)  # [T - horizon + 1, K, horizon]
        there = following.index_select(0, origins).transpose(1, 2).flatten(1)
        known = ~there.isnan().any(dim=1)
        starts.append(start + origins[known] - context)
        targets.append(there[known])
    there_are = torch.cat([torch.arange(0), *starts])
    lengths = torch.full_like(there_are, context)
    none = torch.zeros(0, horizon * len(numbers))
    return Windows(Sequences(series.values, there_are, lengths, series.file), torch.cat([none, *targets]))


class Parts(NamedTuple):
    """Where the parts of N series begin: the last steps are the test, those before them the validation."""

    validation: Tensor
    test: Tensor
    end: Tensor


def parts_in_time(series: Sequences, context: int, horizon: int, share: float) -> Parts:
    """Each series cut in time: its last `share` is to test on, a tenth of what is before that to choose by.

    Raises:
        UnrolledError: a series is too short to train on.
    """
    end = series.lengths
    held = (end * share).long().clamp(min=horizon)
    test = end - held
    validation = test - (test // 10).clamp(min=horizon)
    needed = context + horizon
    if (validation < needed).all():
        longest = int(end.max())
        raise UnrolledError(
            f"the longest series has {longest} steps, too few to train on windows of {context} and to "
            f"predict {horizon} beyond them, before a validation and a test part: expected {needed} steps "
            "before those; say --context, --horizon or --season with smaller numbers"
        )
    return Parts(validation, test, end)
