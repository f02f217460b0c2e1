"""The training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data import Dataset, batches_of
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.training.augmentation import augment
from unrolled.training.initial_weights import set_initial_weights
from unrolled.training.loss import summed_loss
from unrolled.training.metrics import evaluate
from unrolled.training.optimizer import make_optimizer, share_of_rate
from unrolled.training.order import batches_of_rows
from unrolled.training.recipe import Recipe


class Step(NamedTuple):
    """One step of a training, when the weights have been updated.

    Attributes:
        number: counted from 1.
        loss: of the batch, before the update.
        sequences, labels: the batch, [B, T, I] and [B].
    """

    number: int
    loss: float
    sequences: Tensor
    labels: Tensor


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
    """Trains a network on a data set by a recipe.

    Args:
        network: it is trained in place, on the device where its parameters are.
        data: train and validation examples; the test examples are never touched.
        recipe: optimizer, schedule and budget.
        seed: of the order of the examples, and of the weights where the recipe draws them as TensorFlow 1.
            PyTorch's own weights, dropout and distortions are drawn from torch's generator: seed it before
            the network is made.

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
        set_initial_weights(network, recipe.initial_weights, seed)
        rows = batches_of_rows(recipe.order, len(data.train), recipe.batch_size, seed)
        self._batches = batches_of(data.train, rows)
        self._optimizer = make_optimizer(network, recipe)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: share_of_rate(recipe.schedule, step / self.total_steps)
        )

    def epochs(self, on_step: Callable[[Step], None] | None = None) -> Iterator[EpochMetrics]:
        """Train, and yield what came of it after each epoch.

        `best_weights` holds the weights of the epoch with the highest validation accuracy (of two alike,
        the lower validation loss); or the last ones, if the recipe keeps those or nothing is held out.

        Args:
            on_step: called after each step.

        Raises:
            TrainingDivergedError: the loss is NaN or infinite.
        """
        best_score, best_epoch, epoch = (-1.0, 0.0), 0, 0
        started = time.perf_counter()
        while self.step < self.total_steps:
            epoch += 1
            loss, accuracy = self._train_epoch(epoch, on_step)
            validation = evaluate(self.network, self.data.validation) if len(self.data.validation) else None
            score = (float(epoch), 0.0)
            if validation is not None and self.recipe.keep == "best":
                score = (validation.accuracy, -validation.loss)
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

    def _train_epoch(self, epoch: int, on_step: Callable[[Step], None] | None) -> tuple[float, float]:
        """One pass over the training examples, or what is left of the steps: the mean loss and accuracy."""
        device = next(self.network.parameters()).device
        self.network.train()
        seen, loss_sum, right = 0, 0.0, 0
        last = min(self.step + self.recipe.steps_per_epoch(len(self.data.train)), self.total_steps)
        while self.step < last:
            x, labels = (part.to(device) for part in next(self._batches))
            logits = self.network(augment(x, self.recipe.augmentation))
            summed = summed_loss(self.recipe.loss, logits, labels)
            loss = summed / len(labels) if self.recipe.reduction == "mean" else summed
            value = loss.item()
            if not math.isfinite(value):
                raise TrainingDivergedError(
                    f"the loss is {value} at step {self.step + 1} (epoch {epoch}, learning rate "
                    f"{self._optimizer.param_groups[0]['lr']:.2g}): try a lower learning rate"
                )
            self._descend(loss)
            self.step += 1
            seen += len(labels)
            loss_sum += summed.item()
            right += int((logits.argmax(dim=1) == labels).sum())
            if on_step is not None:
                on_step(Step(self.step, value, x, labels))
        return loss_sum / seen, right / seen

    def _descend(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self._optimizer.step()
        self._schedule.step()
