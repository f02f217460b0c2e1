"""Which examples a training takes in each step: a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.training.recipe import steps_per_epoch


def batches_of_rows(
    order: str, examples: int, batch_size: int, seed: int, first_step: int = 0
) -> Iterator[Tensor]:
    """The rows [B] of the examples of each step, without end, from the step `first_step` on.

    Beginning at a later step gives what would have come there: nothing has to be kept to go on.

        "shuffled"    every epoch in an order of its own, its last batch being what is left
        "next-batch"  as `next_batch` of TensorFlow 1's tutorials: an epoch's rest and the beginning of the
                      next one, shuffled anew, together make a whole batch
        "file"        as they stand in the file, over and over, without the rest of an epoch

    Args:
        order: one of `recipe.ORDERS`.
        examples: how many there are.
        batch_size: B; more than there are examples gives as many as there are.
        seed: of the shuffling.
        first_step: counted from 0.

    >>> [rows.tolist() for rows, _ in zip(batches_of_rows("file", 5, 2, seed=0, first_step=1), range(3))]
    [[2, 3], [0, 1], [2, 3]]
    """
    batch_size = min(batch_size, examples)
    per_epoch = steps_per_epoch(order, examples, batch_size)
    if order == "next-batch":
        yield from _next_batches(examples, batch_size, seed, first_step)
        return
    for epoch in count(first_step // per_epoch):
        rows = np.arange(examples)
        if order == "shuffled":
            np.random.default_rng((seed, epoch)).shuffle(rows)
        first = first_step % per_epoch if epoch == first_step // per_epoch else 0
        for step in range(first, per_epoch):
            yield torch.from_numpy(rows[step * batch_size : (step + 1) * batch_size])


def _next_batches(examples: int, batch_size: int, seed: int, first_step: int) -> Iterator[Tensor]:
    random = np.random.RandomState(seed)
    first, end = first_step * batch_size, 0  # places in the row of all epochs, one behind the other
    rows = np.arange(0)
    epoch: NDArray[Any] = np.arange(examples)
    while True:
        while end < first + batch_size:
            again = np.arange(examples)
            random.shuffle(again)
            epoch = epoch[again]  # what is shuffled is the present order
            rows = np.concatenate([rows, epoch])[-(examples + batch_size) :]
            end += examples
        start = len(rows) - (end - first)
        yield torch.from_numpy(rows[start : start + batch_size])
        first += batch_size
