"""Softmax, and the losses of classes."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

OUTPUTS = ("loss", "backprop")


@operator("Softmax")
def softmax(node: Node, x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


@operator("LogSoftmax")
def log_softmax(node: Node, x: Tensor) -> Tensor:
    return torch.log_softmax(x, -1)


@operator("SoftmaxCrossEntropyWithLogits", outputs=OUTPUTS)
def softmax_cross_entropy(node: Node, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """-Σ labels · log softmax(logits), and its gradient by the logits."""
    logits, labels = torch.broadcast_tensors(logits, labels)
    logs = torch.log_softmax(logits, -1)
    # A label of 0 counts nothing, even where the logarithm is infinite.
    loss = -torch.where(labels == 0, torch.zeros((), dtype=logs.dtype), labels * logs).sum(-1)
    return loss, logs.exp() - labels


@operator("SparseSoftmaxCrossEntropyWithLogits", outputs=OUTPUTS)
def sparse_softmax_cross_entropy(node: Node, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """-log softmax(logits)[label], and its gradient by the logits."""
    classes, chosen = logits.shape[-1], labels.long()
    if chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < classes:
        raise UnrolledError(
            f"labels are {int(chosen.min())} to {int(chosen.max())}, expected 0 to {classes - 1}"
        )
    logs = torch.log_softmax(logits, -1)
    loss = -logs.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    return loss, logs.exp() - torch.nn.functional.one_hot(chosen, classes).to(logs.dtype)
