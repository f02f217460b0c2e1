"""How well a network does on examples that it is not being trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data import Examples, batches
from unrolled.networks import SequenceClassifier

EVALUATION_BATCH = 500


class Evaluation(NamedTuple):
    """What a network said of M examples.

    Attributes:
        loss: the mean cross-entropy, in nats.
        accuracy: the share of right answers, from 0 to 1.
        probabilities: [M, classes], in the order of the examples.
        predictions: [M], the likeliest class of each.
    """

    loss: float
    accuracy: float
    probabilities: Tensor
    predictions: Tensor


def evaluate(network: SequenceClassifier, examples: Examples) -> Evaluation:
    """Run the network in evaluation mode over all examples, and leave it in the mode it was in."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        logits = torch.cat([network(x.to(device)).cpu() for x, _ in batches(examples, EVALUATION_BATCH)])
    network.train(was_training)
    predictions = logits.argmax(dim=1)
    return Evaluation(
        loss=float(F.cross_entropy(logits, examples.labels)),
        accuracy=float((predictions == examples.labels).double().mean()),
        probabilities=logits.softmax(dim=1),
        predictions=predictions,
    )


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """How often class i (row) was taken for class j (column): int64 [classes, classes].

    >>> confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    return torch.bincount(labels * classes + predictions, minlength=classes * classes).view(classes, classes)
