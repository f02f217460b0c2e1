"""What the tutorials measure and print while they train, and when: line for line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch

from unrolled.cells import LSTMState
from unrolled.data import Batch, Dataset, batches, batches_of
from unrolled.networks import SequenceClassifier
from unrolled.training.loss import summed_loss
from unrolled.training.metrics import read_batch
from unrolled.training.order import batches_of_rows
from unrolled.training.progress import EpochMetrics, Step
from unrolled.training.recipe import Recipe
from unrolled.unroll.dynamic import dynamic_unroll


class Protocol:
    """Prints nothing of its own: what a tutorial prints, its own class says.

    Args:
        network: that is trained.
        data: on what.
        recipe: how.
        seed: of the order in which test examples are drawn.
        say: takes a line.
    """

    def __init__(
        self,
        network: SequenceClassifier,
        data: Dataset,
        recipe: Recipe,
        seed: int,
        say: Callable[[str], None] = print,
    ) -> None:
        self.network, self.data, self.recipe, self.seed, self.say = network, data, recipe, seed, say

    def begin(self) -> None:
        """Before the first step."""

    def after_step(self, step: Step) -> None:
        """After the update of a step."""

    def after_epoch(self, metrics: EpochMetrics) -> None:
        """After the last step of an epoch."""

    def end(self) -> None:
        """After the last step."""

    def measure(self, batch: Batch) -> tuple[float, float]:
        """Accuracy and loss on a batch, with the weights of this moment."""
        was_training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            logits, labels = read_batch(self.network, batch), batch.labels
            loss = summed_loss(self.recipe.loss, logits, labels)
            right = (logits.argmax(dim=1) == labels).float().mean()
        self.network.train(was_training)
        return float(right), float(loss if self.recipe.reduction == "sum" else loss / len(labels))

    def test_batches(self, size: int, first: int = 0) -> Iterator[Batch]:
        """Test examples, shuffled and given out as `next_batch` does, from the batch `first` on."""
        test = self.data.test
        return batches_of(test, batches_of_rows("next-batch", len(test), size, self.seed, first))


class Seed000(Protocol):
    """After each epoch the accuracy on the first 256 test images, epochs counted from 0."""

    def after_epoch(self, metrics: EpochMetrics) -> None:
        accuracy, _ = self.measure(next(batches(self.data.test, 256)))
        self.say(f"{metrics.epoch - 1} {accuracy}")


class Seed001(Protocol):
    """Every 200 steps the batch that was just trained on; at the end 200 test batches of 50."""

    def begin(self) -> None:
        for what, part in (("Training", "train"), ("Test", "test"), ("Validation", "validation")):
            images = getattr(self.data, part)
            self.say(f"{what} data shape: ({len(images)}, {images.steps * images.width if images else 784})")
        self.say(f"Training label shape: ({len(self.data.train)}, {len(self.data.classes)})")
        self.say(f"hidden: (?, {self.network.config.feature_size})")

    def after_step(self, step: Step) -> None:
        if step.number % 200 == 0:
            accuracy, cost = self.measure(self.data.train.take(step.rows))
            self.say(f"Step {step.number}:Training set accuracy {accuracy},cost {cost}.")

    def end(self) -> None:
        accuracies = []
        for number, batch in enumerate(islice(self.test_batches(50), 200), start=1):
            accuracy, cost = self.measure(batch)
            accuracies.append(accuracy)
            if number % 20 == 0:
                self.say(f"Step {number}:Test set accuracy {accuracy},cost {cost}.")
        self.say(f"Test accuracy: {np.mean(accuracies)}")


class Seed002(Protocol):
    """Each step's loss, the shapes of outputs and states, and whether the last output is the top state."""

    def after_step(self, step: Step) -> None:
        self.say(f"loss: {step.loss}")
        x, _, lengths = self.data.train.take(step.rows)
        with torch.inference_mode():
            outputs, states = dynamic_unroll(self.network.cell, x, lengths)
        self.say(f"outputs_: {tuple(outputs.shape)}")
        hs = [state.h for state in states if isinstance(state, LSTMState)]
        for layer, h in enumerate(hs):
            self.say(f"h_state_{layer}_: {tuple(h.shape)}")
        same = np.array2string((hs[-1] == outputs[:, -1]).numpy())
        self.say(f"h_state_{len(hs) - 1}_ == outputs_[:,-1,:]: {same}")


class Seed002MultiLSTM(Protocol):
    """Each step's loss, and every 100 steps the accuracy on 10 test batches of 5."""

    def after_step(self, step: Step) -> None:
        counted = step.number - 1
        self.say(f"step [{counted}] loss:{step.loss}")
        if counted % 100 == 0:
            drawn = islice(self.test_batches(5, first=counted // 10), 10)
            self.say(f"total_accuracy: {np.mean([self.measure(batch)[0] for batch in drawn])}")


class Seed003(Protocol):
    """Every 100 steps the batch that was just trained on; at the end the first 1,280 test images."""

    def after_step(self, step: Step) -> None:
        if step.number % 100 == 0:
            accuracy, loss = self.measure(self.data.train.take(step.rows))
            for line in (f"For iter  {step.number}", f"Accuracy  {accuracy}", f"Loss  {loss}", "_" * 18):
                self.say(line)

    def end(self) -> None:
        self.say(f"Testing Accuracy: {self.measure(next(batches(self.data.test, 1280)))[0]}")


class Seed004(Protocol):
    """After each epoch the mean loss of its steps, and the accuracy on one test batch of 64."""

    def after_epoch(self, metrics: EpochMetrics) -> None:
        batch = next(self.test_batches(self.recipe.batch_size, first=metrics.epoch - 1))
        accuracy, _ = self.measure(batch)
        self.say(f"After {metrics.epoch} epoch,loss value is {metrics.loss:f} ,and accuracy is {accuracy:f} ")


PROTOCOLS: dict[str, type[Protocol]] = {
    "epochs": Protocol,
    "seed-000": Seed000,
    "seed-001": Seed001,
    "seed-002": Seed002,
    "seed-002-multi-lstm": Seed002MultiLSTM,
    "seed-003": Seed003,
    "seed-004": Seed004,
}
