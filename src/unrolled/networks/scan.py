"""The order in which the pixels of a picture become the steps of a sequence."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

PERMUTED = 92916  # the seed of the order that many papers on permuted MNIST use


def scanned(x: Tensor, scan: str) -> Tensor:
    """Pictures x [N, T, I] as the sequences that a scan makes of them.

        "rows"       as they are: [N, T, I], row t for step t
        "columns"    [N, I, T], from left to right
        "pixels"     [N, T I, 1], row after row, each from left to right
        "permuted"   the same pixels in an order that is one for all pictures, `permutation`

    >>> picture = torch.tensor([[[1, 2], [3, 4], [5, 6]]])
    >>> scanned(picture, "columns").tolist()
    [[[1, 3, 5], [2, 4, 6]]]
    >>> scanned(picture, "pixels").flatten().tolist()
    [1, 2, 3, 4, 5, 6]

    Reference: Le, Jaitly and Hinton 2015, A simple way to initialize recurrent networks of rectified linear
    units, section 4.2.
    """
    if scan == "rows":
        return x
    if scan == "columns":
        return x.transpose(1, 2)
    pixels = x.flatten(1)[:, :, None]
    return pixels if scan == "pixels" else pixels[:, permutation(pixels.shape[1]).to(x.device)]


@functools.cache
def permutation(pixels: int) -> Tensor:
    """Which pixel, counted row after row, each step of the scan "permuted" reads.

    >>> permutation(784)[:5].tolist()
    [319, 576, 323, 107, 355]
    """
    return torch.from_numpy(np.random.RandomState(PERMUTED).permutation(pixels))
