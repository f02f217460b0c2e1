"""What a training makes small."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def summed_loss(kind: str, logits: Tensor, labels: Tensor) -> Tensor:
    r"""The loss of a batch, summed over its examples, in nats.

        "cross-entropy"    log Σ_k exp z_k - z_y
        "log-of-softmax"   -Σ_k y_k log p_k,   p = softmax(z)

    Symbols: z [N, classes] logits; y the label, y_k 1 for it and 0 elsewhere.

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
    one_hot = F.one_hot(labels, logits.shape[1])
    return -(one_hot * logits.softmax(dim=1).log()).sum()
