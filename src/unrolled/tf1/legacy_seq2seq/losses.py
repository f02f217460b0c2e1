"""Losses of a list of logits, and a model for each of several lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

LossFunction: TypeAlias = "Callable[..., Tensor] | None"  # (labels=, logits=) -> [N]


def sequence_loss_by_example(
    logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    weights: Sequence[Tensor],
    average_across_timesteps: bool = True,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of each sequence.

    Args:
        logits: a list of T tensors [N, symbols].
        targets: a list of T tensors [N] of whole numbers.
        weights: a list of T tensors [N].
        average_across_timesteps: whether to divide by the sum of a sequence's weights.
        softmax_loss_function: of labels and logits, in the place of the cross entropy.
        name: taken for TensorFlow's sake.

    Returns:
        [N].

    Raises:
        ValueError: the lists have different lengths.

    >>> logits, targets = [torch.zeros(2, 4)] * 3, [torch.tensor([0, 3])] * 3
    >>> sequence_loss_by_example(logits, targets, [torch.ones(2)] * 3).exp()
    tensor([4., 4.])
    """
    if not len(logits) == len(targets) == len(weights) > 0:
        raise ValueError(
            f"{len(logits)} logits, {len(targets)} targets and {len(weights)} weights, "
            "expected as many of each"
        )
    entropy = softmax_loss_function or _cross_entropy
    losses = [
        entropy(labels=target, logits=logit) * weight
        for logit, target, weight in zip(logits, targets, weights, strict=True)
    ]
    total = torch.stack(losses).sum(0)
    return total / (torch.stack(list(weights)).sum(0) + 1e-12) if average_across_timesteps else total


def sequence_loss(
    logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    weights: Sequence[Tensor],
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: LossFunction = None,
    name: str | None = None,
) -> Tensor:
    """`sequence_loss_by_example`, summed over the batch, and divided by N if average_across_batch.

    >>> logits, targets = [torch.zeros(2, 4)] * 3, [torch.tensor([0, 3])] * 3
    >>> sequence_loss(logits, targets, [torch.ones(2)] * 3).exp()
    tensor(4.)
    """
    losses = sequence_loss_by_example(
        logits, targets, weights, average_across_timesteps, softmax_loss_function
    )
    return losses.mean() if average_across_batch else losses.sum()


def model_with_buckets(
    encoder_inputs: Sequence[Tensor],
    decoder_inputs: Sequence[Tensor],
    targets: Sequence[Tensor],
    weights: Sequence[Tensor],
    buckets: Sequence[tuple[int, int]],
    seq2seq: Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[Any, Any]],
    softmax_loss_function: LossFunction = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[Any], list[Tensor]]:
    """A model on the first steps of its lists, for each of several pairs of lengths.

    Args:
        encoder_inputs, decoder_inputs, targets, weights: lists of steps, as long as the last bucket asks for.
        buckets: pairs of lengths, of the encoder's and of the decoder's inputs, the longest last.
        seq2seq: of the two lists of inputs; gives outputs and a state.
        softmax_loss_function: as `sequence_loss` has it.
        per_example_loss: whether a loss is one number, or one for each sequence.
        name: taken for TensorFlow's sake.

    Returns:
        The outputs and the losses, one of each bucket.

    Raises:
        ValueError: a list is shorter than the last bucket.

    >>> from unrolled.tf1 import GRUCell
    >>> from unrolled.tf1.legacy_seq2seq import tied_rnn_seq2seq
    >>> cell, steps = GRUCell(5), [torch.ones(2, 4)] * 4
    >>> targets, weights = [torch.tensor([0, 3])] * 4, [torch.ones(2)] * 4
    >>> outputs, losses = model_with_buckets(
    ...     steps, steps, targets, weights, [(1, 2), (3, 4)], lambda x, y: tied_rnn_seq2seq(x, y, cell)
    ... )
    >>> [len(steps) for steps in outputs], losses[0].shape
    ([2, 4], torch.Size([]))
    """
    for what, came, needed in (
        ("encoder_inputs", encoder_inputs, buckets[-1][0]),
        ("targets", targets, buckets[-1][1]),
        ("weights", weights, buckets[-1][1]),
    ):
        if len(came) < needed:
            raise ValueError(
                f"model_with_buckets: {what} has {len(came)} steps, expected at least "
                f"the last bucket's {needed}"
            )
    loss = sequence_loss_by_example if per_example_loss else sequence_loss
    outputs, losses = [], []
    for source, target in buckets:
        found, _ = seq2seq(encoder_inputs[:source], decoder_inputs[:target])
        outputs.append(found)
        losses.append(
            loss(found, targets[:target], weights[:target], softmax_loss_function=softmax_loss_function)
        )
    return outputs, losses


def _cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, torch.as_tensor(labels).reshape(-1).long(), reduction="none")
