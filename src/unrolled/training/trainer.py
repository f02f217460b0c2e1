"""The training loop."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.data import Batch, Dataset, batches_of
from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.training import distributed
from unrolled.training.contents import Contents, contents_of, differences
from unrolled.training.distortion import augment
from unrolled.training.divergence import advice_on_divergence
from unrolled.training.initial_weights import set_initial_weights
from unrolled.training.loss import summed_loss
from unrolled.training.metrics import evaluate, read_batch
from unrolled.training.optimizer import make_optimizer, memory_of, share_of_rate
from unrolled.training.order import batches_of_rows
from unrolled.training.perturbation import perturb
from unrolled.training.progress import EpochMetrics, Progress, Step, TrainingDivergedError
from unrolled.training.recipe import Recipe, check_seed
from unrolled.training.state import (
    TrainingState,
    group,
    load_optimizer,
    optimizer_tensors,
)
from unrolled.training.state_checks import check_progress, check_tensors
from unrolled.training.tasks import task_of


class Trainer:
    """Trains a network on a data set by a recipe.

    What a step draws (which examples, what is dropped) depends on the seed, the step and the process alone:
    torch's generators are seeded anew for each. So a training that goes on from a state that was taken gives
    the same bits as one that never stopped.

    Sequences of lengths of their own are read to their ends and no further: no bit of anything depends on
    padding.

    Among several processes (`torch.distributed`), each takes its share of every batch, and the sums are over
    all of them: the result is that of one process, within rounding.

    Args:
        network: it is trained in place, on the device where its parameters are.
        data: train and validation examples, and the task; the test examples are never touched.
        recipe: optimizer, schedule and budget.
        seed: of the order of the examples, of dropout and augmentation, and of the weights where the recipe
            draws them as TensorFlow 1. PyTorch's own weights are drawn from torch's generator: seed it before
            the network is made.
        contents: what `contents_of(data)` is, if it is known: it tells this training's states from others'.

    >>> from unrolled import data, networks
    >>> trainer = Trainer(networks.build("seed-000"), data.load("sample"), Recipe(steps=2))
    >>> for metrics in trainer.epochs():
    ...     print(metrics.epoch, metrics.step)
    1 2
    """

    def __init__(
        self,
        network: SequenceClassifier,
        data: Dataset,
        recipe: Recipe,
        *,
        seed: int = 0,
        contents: Contents | None = None,
    ) -> None:
        if contents is not None:
            self.contents = contents
        self.network = network
        self.data = data
        self.task = task_of(data)
        self.task.check(network.config)
        self.recipe = recipe
        self.seed = check_seed(seed, recipe.order)
        self.total_steps = recipe.total_steps(len(data.train))
        self.progress = Progress()
        self.best_weights: dict[str, Tensor] = {}
        self.stopped = False
        set_initial_weights(network, recipe.initial_weights, seed)
        self._model = distributed.replicate(network)
        self._optimizer = make_optimizer(network, recipe)

    def epochs(
        self,
        on_step: Callable[[Step], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[EpochMetrics]:
        """Train from where the training stands, and yield what came of it after each epoch.

        `best_weights` holds the weights of the epoch that is the best by the task's metric on the validation
        examples (of two alike, by the loss); or the last ones, if the recipe keeps those or nothing is held
        out.

        Args:
            on_step: called after each step.
            should_stop: asked in each step; if it says so in any process, the training ends after the step,
                and `stopped` is true.

        Raises:
            UnrolledError: the data are not finite.
            TrainingDivergedError: the loss or a weight is NaN or infinite.
        """
        self.data.check_finite()
        progress, batches = self.progress, self._batches()
        per_epoch = self.recipe.steps_per_epoch(len(self.data.train))
        began = time.perf_counter() - progress.seconds
        while progress.epoch * per_epoch < self.total_steps and not self._is_out_of_patience():
            self.network.train()
            while progress.step < min((progress.epoch + 1) * per_epoch, self.total_steps):
                step = self._take_step(*next(batches), should_stop)
                progress.seconds = time.perf_counter() - began
                if on_step is not None:
                    on_step(step)
                if self.stopped:
                    return
            validation = self._validate()
            progress.seconds = time.perf_counter() - began
            yield self._finish_epoch(validation)

    def _batches(self) -> Iterator[tuple[Tensor, Batch]]:
        """The rows of each batch to come, and this process's share of it."""

        def rows() -> Iterator[Tensor]:
            recipe, examples = self.recipe, len(self.data.train)
            return batches_of_rows(recipe.order, examples, recipe.batch_size, self.seed, self.progress.step)

        shares = (batch[distributed.rank() :: distributed.world_size()] for batch in rows())
        return zip(rows(), batches_of(self.data.train, shares), strict=True)

    def _take_step(self, rows: Tensor, share: Batch, should_stop: Callable[[], bool]) -> Step:
        progress, processes, task = self.progress, distributed.world_size(), self.task
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = self._learning_rate(progress.step + 1)
        device = next(self.network.parameters()).device
        batch = share.to(device)
        seed_generators(device, self.seed, progress.step, distributed.rank())

        strengths, pictures = self.recipe.augmentation, self.data.train.pictures
        x = batch.x if pictures is None else augment(batch.x, strengths, pictures)
        x = perturb(x, batch.lengths, strengths)
        outputs = self._read(batch._replace(x=x))
        said, asked = task.said(outputs, batch), task.asked(batch)
        summed = summed_loss(task.loss_of(self.recipe.loss), said, asked)
        count = task.count(self.data.train, rows)
        # The gradient is the mean over the processes of those of their losses.
        loss = summed / ((count if self.recipe.reduction == "mean" else 1) / processes)
        value, loss_sum, score, stop = distributed.total(
            loss.item() / processes,
            summed.item(),
            task.score(said, asked),
            should_stop(),
        )
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value}", progress.step + 1)

        self._optimizer.zero_grad()
        loss.backward()
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self._optimizer.step()

        progress.step += 1
        progress.seen += len(rows)
        progress.rows += count
        progress.loss_sum += loss_sum
        progress.score += score
        self.stopped = stop > 0
        return Step(progress.step, value, rows)

    def _read(self, batch: Batch) -> Tensor:
        """What the network gives for a batch while training, in the recipe's precision."""
        if self.recipe.precision == "float32":
            return read_batch(self._model, batch)
        with torch.autocast(batch.x.device.type, torch.bfloat16):
            outputs = read_batch(self._model, batch)
        return outputs.float() if outputs.dtype == torch.bfloat16 else outputs  # a loss needs more bits

    def _learning_rate(self, step: int) -> float:
        """Of the step with this number, counted from 1."""
        recipe = self.recipe
        return recipe.learning_rate * share_of_rate(recipe.schedule, (step - 1) / self.total_steps)

    def _validate(self) -> tuple[float, dict[str, float]] | None:
        """The loss and the metrics on the validation examples, if there are any."""
        if len(self.data.validation) == 0:
            return None

        def measure() -> tuple[float, dict[str, float]]:
            found = evaluate(self.network, self.data.validation, self.task)
            return found.loss, found.metrics

        loss, metrics = distributed.from_first(measure)
        if not math.isfinite(loss):
            raise self._diverged(f"the validation loss is {loss}", self.progress.step)
        return loss, metrics

    def _finish_epoch(self, validation: tuple[float, dict[str, float]] | None) -> EpochMetrics:
        self._check_weights()
        progress = self.progress
        progress.epoch += 1
        measured = self.task.measured(progress.score, progress.rows)
        loss, validated = validation or (None, dict.fromkeys(measured))
        score = [float(progress.epoch), 0.0]
        if validation is not None and self.recipe.keep == "best":
            decisive = validation[1][self.task.decides]
            score = [decisive if self.task.larger_is_better else -decisive, -validation[0]]
        if best := progress.best_epoch == 0 or score > progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            self.best_weights = copy.deepcopy(self.network.state_dict())
        metrics = EpochMetrics(
            epoch=progress.epoch,
            step=progress.step,
            loss=progress.loss_sum / progress.rows,
            measured=measured,
            validation_loss=loss,
            validation=validated,
            learning_rate=self._learning_rate(progress.step),
            seconds=progress.seconds,
            best=best,
        )
        progress.seen, progress.rows, progress.loss_sum, progress.score = 0, 0, 0.0, 0
        return metrics

    def _is_out_of_patience(self) -> bool:
        patience, progress = self.recipe.patience, self.progress
        return patience is not None and progress.epoch - progress.best_epoch >= patience

    def _check_weights(self) -> None:
        for name, weights in self.network.named_parameters():
            if not weights.isfinite().all():
                raise self._diverged(f"the weights {name} are no longer finite", self.progress.step)

    def _diverged(self, what: str, step: int) -> TrainingDivergedError:
        return TrainingDivergedError(
            f"{what} at step {step} (epoch {self.progress.epoch + 1}, learning rate "
            f"{self._learning_rate(step):.2g}): {advice_on_divergence(self.data.train)}"
        )

    def state(self) -> TrainingState:
        """All that the next step depends on, as copies.

        Raises:
            TrainingDivergedError: a weight is NaN or infinite.
        """
        self._check_weights()
        parts = {
            "weights": self.network.state_dict(),
            "best": self.best_weights,
            "optimizer": optimizer_tensors(self._optimizer, self.network),
        }
        tensors = {
            f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()
        }
        return TrainingState(self._identity(), dataclasses.replace(self.progress), copy.deepcopy(tensors))

    def load_state(self, state: TrainingState) -> None:
        """Put back a state that was taken: `epochs` goes on from there.

        Raises:
            UnrolledError: it is the state of another training, and nothing has changed.
        """
        for name, value in self._identity().items():
            came = state.training.get(name)
            if name == "data":
                if came is not None and (changed := differences(came, self.contents)):
                    raise UnrolledError(f"it is of a training on other data: {'; '.join(changed)}")
            elif came != value:
                raise UnrolledError(f"it is of a training with {name} {str(came)[:100]}, expected {value}")
        check_progress(state.progress, self.recipe, self.data.train, self.task)
        check_tensors(state.tensors, self.network, memory_of(self.recipe), state.progress)
        self.network.load_state_dict(group(state.tensors, "weights"))
        self.best_weights = group(state.tensors, "best")
        load_optimizer(self._optimizer, self.network, group(state.tensors, "optimizer"))
        self.progress = dataclasses.replace(state.progress)

    @cached_property
    def contents(self) -> Contents:
        """By what the data can be told from others: see `contents_of`."""
        return contents_of(self.data)

    def _identity(self) -> dict[str, Any]:
        """What a state's training must agree in with this one, besides the shapes of the weights."""
        recipe = self.recipe
        return {
            "data": self.contents,
            "seed": self.seed,
            "examples": len(self.data.train),
            "steps": self.total_steps,
            "batch_size": recipe.batch_size,
            "order": recipe.order,
            "optimizer": recipe.optimizer,
        }


def seed_generators(device: torch.device, *place: int) -> None:
    """Seed torch's generators for one step, whose place is (seed, step, rank)."""
    mixed = int(np.random.SeedSequence(place).generate_state(1)[0])
    torch.default_generator.manual_seed(mixed)
    if device.type != "cpu":
        torch.manual_seed(mixed)  # every device's, which takes far longer
