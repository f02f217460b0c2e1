"""What a training makes small."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

OF_NUMBERS: dict[str, Callable[..., Tensor]] = {
    "squared-error": F.mse_loss,
    "absolute-error": F.l1_loss,
    "huber": F.smooth_l1_loss,
}


def summed_loss(kind: str, logits: Tensor, labels: Tensor) -> Tensor:
    r"""The loss of a batch, summed over its examples: of classes in nats.

        "cross-entropy"    log Σ_k exp z_k - z_y
        "log-of-softmax"   -Σ_k y_k log p_k,   p = softmax(z)

    Symbols: z [N, classes] logits; y the label, y_k 1 for it and 0 elsewhere.

        "squared-error"    1/K Σ_k (z_k - y_k)²
        "absolute-error"   1/K Σ_k |z_k - y_k|
        "huber"            1/K Σ_k e²/2 where e = |z_k - y_k| is below 1, and e - 1/2 elsewhere

    Symbols: z, y [N, K] numbers, standardised.

    On paper the two are one. The second is what tutorials wrote: where a p_k underflows to 0 it takes its
    logarithm, and the loss is NaN, whether the answer is right or wrong.

    >>> import torch
    >>> from unrolled.training.recipe import LOSSES
    >>> z, right = torch.tensor([[200.0, 0.0, 0.0]]), torch.tensor([0])
    >>> [float(summed_loss(kind, z, right)) for kind in LOSSES]
    [0.0, nan]
    """
    if kind == "cross-entropy":
        return F.cross_entropy(logits, labels, reduction="sum")
    if kind in OF_NUMBERS:
        return OF_NUMBERS[kind](logits, labels, reduction="sum") / logits.shape[1]
    one_hot = F.one_hot(labels, logits.shape[1])
    return -(one_hot * logits.softmax(dim=1).log()).sum()
