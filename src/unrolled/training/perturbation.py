"""Sequences a little changed, anew at each step, so that a network sees none twice."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.training.augmentation import Augmentation


def perturb(x: Tensor, lengths: Tensor | None, strengths: Augmentation) -> Tensor:
    r"""Change each sequence of a batch by amounts of its own, drawn from torch's generator.

        y_t = 0                  a <= t < a + w, with w = floor(m u L), a = floor(v (L - w + 1))
        y_t = A x_t + s e_t      all other t < L, with A = 1 + a G / sqrt(I)
        y_t = x_t                L <= t: padding stays what it is, and is never looked at

    Symbols: x, y [N, T, I] sequences, standardised, so that 0 is a feature's mean, or pictures, of pixels
    from 0, which is black, to 1; L a sequence's length; m the greatest share that is masked; u, v drawn
    evenly from 0 to 1; s the strength of the noise; a that of the linear map A; e [N, T, I] and G [N, I, I]
    drawn from a standard normal distribution.

    Args:
        x: the sequences.
        lengths: int64 [N]; None where all have T steps.
        strengths: how much is drawn at most.

    >>> x = torch.ones(1, 4, 2)
    >>> bool((perturb(x, None, Augmentation()) == x).all())
    True
    >>> perturb(x, torch.tensor([2]), Augmentation(noise=0.1))[0, 2:].tolist()
    [[1.0, 1.0], [1.0, 1.0]]

    Reference: for the mask Park et al. 2019, SpecAugment, arXiv:1904.08779, section 2.
    """
    if not strengths.perturbs or x.numel() == 0:
        return x
    count, time, width = x.shape
    steps = torch.arange(time, device=x.device)
    ends = torch.full((count, 1), time, device=x.device) if lengths is None else lengths.to(x.device)[:, None]
    real = steps < ends
    if strengths.affine:
        G = torch.randn(count, width, width, device=x.device, dtype=x.dtype)
        longest = int(ends.max())  # a product may add up otherwise where more steps are multiplied
        near = x[:, :longest]
        y = torch.baddbmm(near, near, G.mT, alpha=strengths.affine / width**0.5)
        x = torch.cat([torch.where(real[:, :longest, None], y, near), x[:, longest:]], dim=1)
    if strengths.noise:
        # As many are drawn as there are real steps: nothing depends on how far a batch is padded.
        e = torch.randn(int(real.sum()), width, device=x.device, dtype=x.dtype)
        x = x.index_put(tuple(real.nonzero(as_tuple=True)), strengths.noise * e, accumulate=True)
    if strengths.time_mask:
        u, v = torch.rand(2, count, 1, device=x.device)
        w = (strengths.time_mask * u * ends).floor()
        a = (v * (ends - w + 1)).floor().minimum(ends - w)  # a product with v may be rounded up
        x = x.masked_fill(((a <= steps) & (steps < a + w))[:, :, None], 0)
    return x
