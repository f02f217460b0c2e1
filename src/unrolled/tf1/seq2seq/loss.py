"""The loss of batches of sequences of logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def sequence_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Callable[..., Tensor] | None = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of sequences, as `tf.contrib.seq2seq.sequence_loss`.

    Averages divide by the sum of the weights, sums by the number of weights that are not zero.

    Args:
        logits: [N, T, symbols].
        targets: [N, T] whole numbers.
        weights: [N, T].
        average_across_timesteps, average_across_batch: over which axes to average.
        sum_over_timesteps, sum_over_batch: over which axes to sum, where there is no average.
        softmax_loss_function: of labels= [N T] and logits= [N T, symbols], in the place of the cross entropy.
        name: taken for TensorFlow's sake.

    Returns:
        One number; [T] if only the batch is averaged or summed, [N] if only time is; [N, T] if neither.

    Raises:
        ValueError: shapes that do not fit, or an average and a sum over one axis.

    >>> sequence_loss(torch.zeros(2, 3, 4), torch.zeros(2, 3).long(), torch.ones(2, 3)).exp()
    tensor(4.)
    """
    batch = logits.shape[:2]
    if logits.dim() != 3 or targets.shape != batch or weights.shape != batch:
        shapes = [list(part.shape) for part in (logits, targets, weights)]
        raise ValueError(
            f"sequence_loss: logits, targets and weights have shapes {shapes}, expected "
            "[N, T, symbols], [N, T] and [N, T]"
        )
    if (average_across_timesteps and sum_over_timesteps) or (average_across_batch and sum_over_batch):
        raise ValueError("sequence_loss: an average and a sum over one axis, expected one of them")
    entropy = softmax_loss_function or _cross_entropy
    losses = entropy(labels=targets.reshape(-1), logits=logits.flatten(0, 1)).view(batch) * weights
    if average_across_timesteps and average_across_batch:
        return _over(losses.sum(), weights.sum())
    counts = (weights != 0).to(losses.dtype)
    if sum_over_timesteps and sum_over_batch:
        return _over(losses.sum(), counts.sum())
    if average_across_timesteps or average_across_batch:
        axis = 0 if average_across_batch else 1
        return _over(losses.sum(axis), weights.sum(axis))
    if sum_over_timesteps or sum_over_batch:
        axis = 0 if sum_over_batch else 1
        return _over(losses.sum(axis), counts.sum(axis))
    return losses


def _over(total: Tensor, size: Tensor) -> Tensor:
    """The quotient, and 0 over 0."""
    none = size == 0
    return torch.where(none, 0, total / torch.where(none, 1, size))


def _cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels.long(), reduction="none")
