"""Examples in batches: one epoch of them, or the rows that someone asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from unrolled.data.examples import Batch, Examples
from unrolled.errors import check_count

AHEAD = 4  # batches that the disk may be busy with while one is used


def batches(
    examples: Examples, batch_size: int, *, generator: torch.Generator | None = None
) -> Iterator[Batch]:
    """Every example once: sequences [B, T, I], labels and lengths, the last batch being what is left.

    Pictures become float32 from 0 to 1, batch by batch: in memory they stay a quarter of that. Sequences of
    lengths of their own are padded to the longest of their batch.

    Args:
        examples: what to go through.
        batch_size: B, at least 1.
        generator: shuffles the examples, anew in each call; without it they come in order.

    Raises:
        UnrolledError: batch_size is not a whole number of at least 1.

    >>> examples = Examples(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5))
    >>> [labels.tolist() for _, labels, _ in batches(examples, 2)]
    [[0, 1], [2, 3], [4]]
    """
    batch_size = check_count("batch_size", batch_size)
    count = len(examples)
    there = examples.labels.device  # whatever torch's default device is
    if generator is None:
        order = torch.arange(count, device=there)
    else:
        order = torch.randperm(count, generator=generator, device=there)
    return batches_of(examples, (order[first : first + batch_size] for first in range(0, count, batch_size)))


def batches_of(examples: Examples, rows: Iterable[Tensor]) -> Iterator[Batch]:
    """The batches of these rows, one after the other: sequences, labels and lengths.

    Args:
        examples: what to take from.
        rows: for each batch the int64 [B] places of its examples, in any order, any of them repeatedly.
            It may be endless, and may be asked for some batches more than have been used.

    >>> examples = Examples(torch.zeros(5, 28, 28, dtype=torch.uint8), torch.arange(5))
    >>> [labels.tolist() for _, labels, _ in batches_of(examples, [torch.tensor([4, 0]), torch.tensor([4])])]
    [[4, 0], [4]]
    """
    waiting: deque[Tensor] = deque()
    for expected in rows:
        examples.expect(expected)
        waiting.append(expected)
        if len(waiting) > AHEAD:
            yield examples.take(waiting.popleft())
    yield from map(examples.take, waiting)
