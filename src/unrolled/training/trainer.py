"""The training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data import Dataset, batches
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.training.metrics import evaluate
from unrolled.training.recipe import Recipe


class EpochMetrics(NamedTuple):
    """One line of a training's record.

    Attributes:
        epoch: counted from 1.
        step: steps taken since the start.
        loss, accuracy: means over the epoch's examples, each measured before the step that it caused.
        validation_loss, validation_accuracy: after the epoch; None without validation examples.
        learning_rate: of the epoch's last step.
        seconds: spent in training since the start, validation included.
        best: whether these are the best weights so far.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    best: bool


class TrainingDivergedError(UnrolledError):
    """The loss is no longer a finite number."""


class Trainer:
    """Trains a network on a data set by a recipe, from cross-entropy on the logits.

    Args:
        network: it is trained in place, on the device where its parameters are.
        data: train and validation examples; the test examples are never touched.
        recipe: optimizer, schedule and budget.
        seed: of the order of the examples. The weights and dropout are drawn from torch's own
            generator: seed it before the network is made.

    >>> from unrolled import data, networks
    >>> trainer = Trainer(networks.build("seed-000"), data.load("sample"), Recipe(steps=2))
    >>> for metrics in trainer.epochs():
    ...     print(metrics.epoch, metrics.step)
    1 2
    """

    def __init__(self, network: SequenceClassifier, data: Dataset, recipe: Recipe, *, seed: int = 0) -> None:
        self.network = network
        self.data = data
        self.recipe = recipe
        self.total_steps = recipe.total_steps(len(data.train))
        self.step = 0
        self.best_weights: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = _make_optimizer(network, recipe)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _rate(recipe.schedule, step / self.total_steps)
        )

    def epochs(self, on_step: Callable[[int, float], None] | None = None) -> Iterator[EpochMetrics]:
        """Train, and yield what came of it after each epoch.

        `best_weights` holds the weights of the epoch with the highest validation accuracy (of two alike,
        the lower validation loss), or the last ones without validation examples.

        Args:
            on_step: called after each step with the number of steps taken and the loss.

        Raises:
            TrainingDivergedError: the loss is NaN or infinite.
        """
        best_score, best_epoch, epoch = (-1.0, 0.0), 0, 0
        started = time.perf_counter()
        while self.step < self.total_steps:
            epoch += 1
            loss, accuracy = self._train_epoch(epoch, on_step)
            validation = evaluate(self.network, self.data.validation) if len(self.data.validation) else None
            score = (validation.accuracy, -validation.loss) if validation else (float(epoch), 0.0)
            if best := score > best_score:
                best_score, best_epoch = score, epoch
                self.best_weights = copy.deepcopy(self.network.state_dict())
            yield EpochMetrics(
                epoch=epoch,
                step=self.step,
                loss=loss,
                accuracy=accuracy,
                validation_loss=validation.loss if validation else None,
                validation_accuracy=validation.accuracy if validation else None,
                learning_rate=self._optimizer.param_groups[0]["lr"],
                seconds=time.perf_counter() - started,
                best=best,
            )
            if self.recipe.patience is not None and epoch - best_epoch >= self.recipe.patience:
                return

    def _train_epoch(self, epoch: int, on_step: Callable[[int, float], None] | None) -> tuple[float, float]:
        """One pass over the training examples, or what is left of the steps: the mean loss and accuracy."""
        device = next(self.network.parameters()).device
        self.network.train()
        seen, loss_sum, right = 0, 0.0, 0
        for x, labels in batches(self.data.train, self.recipe.batch_size, generator=self._generator):
            if self.step == self.total_steps:
                break
            x, labels = x.to(device), labels.to(device)
            logits = self.network(x)
            loss = F.cross_entropy(logits, labels)
            value = loss.item()
            if not math.isfinite(value):
                raise TrainingDivergedError(
                    f"the loss is {value} at step {self.step + 1} (epoch {epoch}, learning rate "
                    f"{self._optimizer.param_groups[0]['lr']:.2g}): try a lower learning rate"
                )
            self._descend(loss)
            self.step += 1
            seen += len(labels)
            loss_sum += value * len(labels)
            right += int((logits.argmax(dim=1) == labels).sum())
            if on_step is not None:
                on_step(self.step, value)
        return loss_sum / seen, right / seen

    def _descend(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self._optimizer.step()
        self._schedule.step()


def _make_optimizer(network: SequenceClassifier, recipe: Recipe) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "adam":
        return torch.optim.AdamW(network.parameters(), fused=True, **options)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), alpha=0.9, **options)
    return torch.optim.SGD(network.parameters(), momentum=0.9, **options)


def _rate(schedule: str, progress: float) -> float:
    """The share of the learning rate that is used when this share of the steps is done."""
    if schedule == "one-cycle":
        warm_up = 0.3
        if progress < warm_up:
            # From 1/25 up to 1 along half a cosine (Smith and Topin 2017, arXiv:1708.07120).
            return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warm_up)) / 2
        progress = (progress - warm_up) / (1 - warm_up)
    return 1.0 if schedule == "constant" else (1 + math.cos(math.pi * progress)) / 2
