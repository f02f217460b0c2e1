"""The strokes of a picture: how much edge there is in each part of it, by its direction."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

DIRECTIONS, PARTS = 8, 4
LEAST = 1e-6  # of edges: a picture without any has no strokes


def strokes(x: Tensor) -> Tensor:
    r"""The roots of histograms of gradients, one for each of 4 x 4 parts of a picture: [N, 128].

        g = ∇(x * box)        e_dp = mean over p of |g| max(0, 1 - |8 angle(g) / 2π - d|)
        s_dp = sqrt(e_dp / mean of all e)

    Symbols: x [N, T, I] grey values from 0 to 1; box the mean of 3 x 3 pixels; d one of 8 directions, around
    the circle; p one of 16 parts. How strong the ink is makes no difference.

    >>> one = torch.zeros(1, 28, 28)
    >>> one[:, 4:24, 12:16] = 1
    >>> bool((strokes(one) == strokes(one / 2)).all())
    True

    Reference: Dalal and Triggs 2005, Histograms of oriented gradients for human detection.
    """
    smooth = F.pad(F.avg_pool2d(F.pad(x[:, None], [1] * 4), 3, 1), [1] * 4, mode="replicate")
    right = (smooth[:, :, 1:-1, 2:] - smooth[:, :, 1:-1, :-2]) / 2
    down = (smooth[:, :, 2:, 1:-1] - smooth[:, :, :-2, 1:-1]) / 2
    place = torch.atan2(down, right).remainder(2 * math.pi) * (DIRECTIONS / (2 * math.pi))
    first = place.floor()
    length, beyond = torch.hypot(right, down), place - first
    shares = x.new_zeros(len(x), DIRECTIONS, *x.shape[1:])
    for direction, share in ((first, 1 - beyond), (first + 1, beyond)):
        shares.scatter_add_(1, direction.long() % DIRECTIONS, length * share)
    edges = F.adaptive_avg_pool2d(shares, PARTS).flatten(1)
    return (edges / edges.mean(dim=1, keepdim=True).clamp(min=LEAST)).sqrt()
