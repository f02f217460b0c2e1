"""Packed sequences and padded ones: the same rows in two layouts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


class Packing:
    """How the rows of a packed batch stand in a padded one.

    A packed batch holds, one step after the other, the rows of the sequences that are running; these stand in
    falling lengths, and `batch_sizes` [T] says how many run. So it holds the rows of the padded [T, N, ...]
    that are no padding, in the same order.

    >>> packing = Packing(torch.tensor([2, 1]))
    >>> packing.lengths.tolist(), packing.pad(torch.tensor([[1.0], [2.0], [3.0]])).squeeze(2).tolist()
    ([2, 1], [[1.0, 2.0], [3.0, 0.0]])
    """

    def __init__(self, batch_sizes: Tensor) -> None:
        running = torch.arange(int(batch_sizes[0]), device=batch_sizes.device) < batch_sizes[:, None]
        self.shape = running.shape
        self.rows = running.flatten().nonzero().squeeze(1)
        self.lengths = running.sum(0)

    def pad(self, data: Tensor) -> Tensor:
        """The rows [sum of lengths, K] as [T, N, K], with zeros in the padding."""
        if torch.is_autocast_enabled("cpu"):  # set to bfloat16, it has no copy of float16
            with torch.autocast("cpu", enabled=False):
                return self.pad(data)
        time, batch = self.shape
        padded = data.new_zeros(time * batch, data.shape[1]).index_copy(0, self.rows, data)
        return padded.view(time, batch, -1)

    def pack(self, padded: Tensor) -> Tensor:
        """The rows of [T, N, K] that are no padding; embedding() is the gather whose gradient is quick."""
        return F.embedding(self.rows, padded.flatten(0, 1))
