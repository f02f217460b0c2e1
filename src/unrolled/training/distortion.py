"""Pictures a little distorted, anew at each step, so that a network sees no picture twice."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.training.augmentation import Augmentation

# Random displacements are drawn at so many points along each axis, and are smooth between them.
ELASTIC_POINTS = 5


def augment(x: Tensor, strengths: Augmentation, steps: str = "rows") -> Tensor:
    r"""Distort each picture of a batch by an amount of its own, drawn from torch's generator.

        y(p) = x(R K S p + t + e(p))        R = [cos a, -sin a; sin a, cos a],  K = [1, k; 0, 1]

    Symbols: x, y [N, T, I] pictures of T rows, zero beyond their edges and bilinear between their pixels;
    p a place from their middle; a the rotation, k the shear, S = diag(exp s) the scales, t the shift, and e
    the elastic displacement; a picture that is to be mirrored is it before all that, and of one that is to
    stay sharp nothing else is changed.

    Args:
        x: grey values; what is made of them stays between their least (or zero) and their greatest.
        strengths: how much is drawn at most.
        steps: what x has T of, "rows", or "columns": then x is [N, I, T] in the above.

    >>> digit = torch.zeros(1, 28, 28)
    >>> digit[0, 4:24, 14] = 1
    >>> bool((augment(digit, Augmentation()) == digit).all())
    True
    >>> bool((augment(digit, Augmentation(rotation=20)) == digit).all())
    False

    Reference: Simard, Steinkraus and Platt 2003, Best practices for convolutional neural networks applied to
    visual document analysis, section 2.
    """
    if not strengths.distorts or len(x) == 0:
        return x
    if steps == "columns":
        return augment(x.transpose(1, 2), strengths).transpose(1, 2)
    count, height, width = x.shape

    def some(probability: float) -> Tensor:
        return torch.rand(count, 1, 1, device=x.device, dtype=x.dtype) < probability

    if strengths.flip:
        x = x.flip(2).where(some(strengths.flip), x)
    # torch's coordinates go from -1 to 1 along each axis: `pixels` of them are one pixel.
    pixels = x.new_tensor([2 / width, 2 / height])

    def draw(*shape: int) -> Tensor:
        return 2 * torch.rand(count, *shape, device=x.device, dtype=x.dtype) - 1

    a, k = math.radians(strengths.rotation) * draw(), strengths.shear * draw()
    cos, sin = a.cos(), a.sin()
    turned_and_sheared = torch.stack([cos, k * cos - sin, sin, k * sin + cos], dim=1).view(count, 2, 2)
    linear = turned_and_sheared * (strengths.scale * draw(1, 2)).exp()
    # In these coordinates a step down is worth another length than one to the right.
    linear = linear * pixels[:, None] / pixels
    t = strengths.shift * pixels * draw(2)
    places = F.affine_grid(
        torch.cat([linear, t[:, :, None]], dim=2), [count, 1, height, width], align_corners=False
    )
    if strengths.elastic:
        points = torch.randn(count, 2, ELASTIC_POINTS, ELASTIC_POINTS, device=x.device, dtype=x.dtype)
        e = F.interpolate(points, size=(height, width), mode="bicubic", align_corners=True)
        places = places + strengths.elastic * pixels * e.permute(0, 2, 3, 1)
    y = F.grid_sample(x[:, None], places, align_corners=False)[:, 0]
    return x.where(some(strengths.sharp), y) if strengths.sharp else y
