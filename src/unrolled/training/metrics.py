"""How well a network does on examples that it is not being trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data import Batch, Examples, Sequences, batches
from unrolled.errors import UnrolledError
from unrolled.training.tasks import Classify, Tag, Task
from unrolled.training.tasks.task import Evaluation

EVALUATION_BATCH = 500


class Rows(NamedTuple):
    """What networks said of all examples, and what was asked, see `Task`.

    Attributes:
        said: of each network, [R, outputs].
        asked: [R] or [R, outputs].
        baseline: [R, outputs], None where it does not matter.
    """

    said: list[Tensor]
    asked: Tensor
    baseline: Tensor | None


def evaluate(network: torch.nn.Module, examples: Examples, task: Task | None = None) -> Evaluation:
    """Run the network in evaluation mode over all examples, and leave it in the mode it was in.

    Args:
        network: a `SequenceClassifier` or a `tf1` graph's; it may be on any device.
        examples: whose lengths are respected.
        task: as `tasks.task_of(data)` says it; labels that are classes say it themselves.

    Raises:
        UnrolledError: there are no examples, or labels are numbers and no task came.
    """
    task = task_of_classes(examples) if task is None else task
    (said,), asked, baseline = read_examples([network], examples, task)
    return task.evaluation(said, asked, baseline)


def read_examples(networks: Sequence[torch.nn.Module], examples: Examples, task: Task) -> Rows:
    """Let networks read all examples, in evaluation mode, and leave each in the mode it was in.

    Raises:
        UnrolledError: there are no examples.
    """
    if len(examples) == 0:
        raise UnrolledError("there are no examples to evaluate, expected at least one")
    cpu = torch.device("cpu")
    devices = [next((weights.device for weights in network.parameters()), cpu) for network in networks]
    were_training = [network.training for network in networks]
    for network in networks:
        network.eval()
    said: list[list[Tensor]] = [[] for _ in networks]
    asked, baseline = [], []
    with torch.inference_mode():
        for batch in batches(examples, EVALUATION_BATCH):
            for network, device, rows in zip(networks, devices, said, strict=True):
                rows.append(task.said(read_batch(network, batch.to(device)).cpu(), batch))
            asked.append(task.asked(batch))
            if (unlearned := task.baseline(batch)) is not None:
                baseline.append(unlearned)
        answers, labels = [torch.cat(rows) for rows in said], torch.cat(asked)
    for network, was_training in zip(networks, were_training, strict=True):
        network.train(was_training)
    return Rows(answers, labels, torch.cat(baseline) if baseline else None)


def read_batch(network: torch.nn.Module, batch: Batch) -> Tensor:
    """What a network gives for a batch."""
    outputs: Tensor = network(batch.x) if batch.lengths is None else network(batch.x, batch.lengths)
    return outputs


def task_of_classes(examples: Examples) -> Task:
    """The task that labels say themselves.

    Raises:
        UnrolledError: they are numbers.
    """
    if isinstance(examples.labels, Sequences):
        return Tag()
    if examples.labels.dim() == 1:
        return Classify()
    raise UnrolledError("the labels are numbers, whose task has to be said: `tasks.task_of(data)`")


def flat_labels(examples: Examples) -> Tensor:
    """The labels beside the predictions of an evaluation: [M], or [S] of all steps one behind the other."""
    labels = examples.labels
    if not isinstance(labels, Sequences):
        return labels
    return torch.cat([labels[row] for row in range(len(labels))])


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """How often true class i (row) was predicted as class j (column): int64 [classes, classes].

    >>> confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    return torch.bincount(labels * classes + predictions, minlength=classes * classes).view(classes, classes)
