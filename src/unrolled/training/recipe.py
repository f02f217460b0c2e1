"""How a network is trained, as data: optimizer, schedule and budget."""

from __future__ import annotations

import dataclasses
from typing import Any

from unrolled.errors import UnrolledError, check_count, check_fields, is_number, unknown_name
from unrolled.training.augmentation import NO_AUGMENTATION, Augmentation

# What may be chosen. It stands here, and not beside what is done, so that a recipe can be read without torch.
OPTIMIZERS = ("adam", "rmsprop", "sgd", "tf1-adam", "tf1-rmsprop")
SCHEDULES = ("constant", "one-cycle", "cosine")
LOSSES = ("cross-entropy", "log-of-softmax")
LOSSES_OF_NUMBERS = ("squared-error", "absolute-error", "huber")
REDUCTIONS = ("mean", "sum")
ORDERS = ("shuffled", "next-batch", "file")
INITIAL_WEIGHTS = (
    "torch",
    "remembering",
    "tf1-xavier",
    "tf1-normal-0.01",
    "tf1-normal-1",
    "tf1-truncated-normal-0.1",
)
KEPT = ("best", "last")
PRECISIONS = ("float32", "bfloat16")
MOST = 10**12  # of what is counted: more is a damaged file
# What `Recipe.sized` goes by.
MANY, PASSES, LEAST_STEPS, MOST_STEPS = 10_000, 20, 600, 5_000
CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": (*LOSSES, *LOSSES_OF_NUMBERS),
    "reduction": REDUCTIONS,
    "order": ORDERS,
    "initial_weights": INITIAL_WEIGHTS,
    "keep": KEPT,
    "precision": PRECISIONS,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Optimizer, learning rate and its schedule, batch size, and how long.

    Attributes:
        optimizer: "adam", "rmsprop" or "sgd" (with a momentum of 0.9); "tf1-adam" or "tf1-rmsprop" with
            TensorFlow 1's update rules.
        learning_rate: the highest that the schedule reaches.
        schedule: "constant"; "one-cycle": up to learning_rate over 30 % of the steps and down to zero;
            "cosine": down from learning_rate to zero.
        batch_size: examples in one step.
        epochs: passes over the training examples.
        steps: if given, the number of steps, in place of the epochs.
        clip_norm: the gradient's largest norm, over all parameters together; None for no clipping.
        weight_decay: decoupled from the gradient with "adam", an L2 penalty otherwise.
        patience: stop after so many epochs without a better validation; None to go on.
        loss: "cross-entropy", or "log-of-softmax" as some tutorials write it; of numbers, where one of these
            stands for the task's usual one, "squared-error", "absolute-error" or "huber", see
            `loss.summed_loss`.
        reduction: "mean" over the examples of a batch (over the steps, of tags), or their "sum".
        order: of the examples: "shuffled", "next-batch" or "file", see `order.batches_of_rows`.
        initial_weights: "torch" for PyTorch's; "remembering" for these, with GRUs that keep most of their
            state at first; or TensorFlow 1's, by what its output layer starts from: "tf1-xavier",
            "tf1-normal-0.01", "tf1-normal-1", "tf1-truncated-normal-0.1".
        keep: which weights come out: the "best" by the task's metric on the validation examples, or the
            "last".
        augmentation: how strongly the pictures of each step are distorted; by default not at all.
        by_size: whether batches and budget are still to be made for as many examples as there are: `sized`.
        precision: of products while training: "bfloat16" is autocast, see docs/fewer-bits.md. Weights, sums
            and states are "float32" in any case, and so are all products of evaluating.
    """

    optimizer: str = "adam"
    learning_rate: float = 3e-3
    schedule: str = "one-cycle"
    batch_size: int = 64
    epochs: int = 30
    steps: int | None = None
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    patience: int | None = None
    loss: str = "cross-entropy"
    reduction: str = "mean"
    order: str = "shuffled"
    initial_weights: str = "torch"
    keep: str = "best"
    augmentation: Augmentation = NO_AUGMENTATION
    by_size: bool = False
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if not (isinstance(getattr(self, name), str) and getattr(self, name) in known):
                raise unknown_name(name.replace("_", " "), getattr(self, name), known)
        for name, optional in (("batch_size", False), ("epochs", False), ("steps", True), ("patience", True)):
            if not (optional and getattr(self, name) is None):
                object.__setattr__(self, name, check_count(name, getattr(self, name), most=MOST))
        for name, optional in (("learning_rate", False), ("clip_norm", True)):
            value = getattr(self, name)
            if not ((value is None and optional) or (is_number(value) and value > 0)):
                raise UnrolledError(f"{name} is {value!r}, expected a number above 0")
        if not isinstance(self.by_size, bool):
            raise UnrolledError(f"by_size is {self.by_size!r}, expected true or false")
        if not isinstance(self.augmentation, Augmentation):
            raise UnrolledError(f"augmentation is {self.augmentation!r}, expected an Augmentation")
        if not (is_number(self.weight_decay) and self.weight_decay >= 0):
            raise UnrolledError(f"weight_decay is {self.weight_decay!r}, expected a number of at least 0")
        for name in ("learning_rate", "clip_norm", "weight_decay"):
            if not isinstance(getattr(self, name), (int, float, type(None))):  # one of numpy's numbers
                object.__setattr__(self, name, float(getattr(self, name)))
        if self.weight_decay and self.optimizer.startswith("tf1-"):
            raise UnrolledError(
                f"weight_decay is {self.weight_decay!r}, but {self.optimizer} has none: expected 0, or adam"
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe that `dataclasses.asdict` made `values` of; unknown keys are refused."""
        check_fields("recipe option", values, cls)
        if "augmentation" in values:
            values = {**values, "augmentation": Augmentation.from_dict(values["augmentation"])}
        return cls(**values)

    def sized(self, examples: int) -> Recipe:
        """The same, with batches and a budget for so many training examples.

        Batches have 32 examples, from 10,000 examples on 128. The steps are those of 20 passes, but 600 at
        least, which few examples need too, and 5,000 at most, by when many have said what they can.

        >>> [(found.batch_size, found.steps) for found in map(Recipe().sized, (40, 270, 2_700, 55_000))]
        [(32, 600), (32, 600), (32, 1700), (128, 5000)]
        """
        batch_size = 32 if examples < MANY else 128
        passes = PASSES * steps_per_epoch(self.order, examples, batch_size)
        steps = min(max(passes, LEAST_STEPS), MOST_STEPS)
        return dataclasses.replace(self, batch_size=batch_size, steps=steps, by_size=False)

    def steps_per_epoch(self, examples: int) -> int:
        """The number of steps of one pass over so many examples."""
        return steps_per_epoch(self.order, examples, self.batch_size)

    def total_steps(self, examples: int) -> int:
        """The number of steps of a training on so many examples.

        >>> Recipe(batch_size=64, epochs=2).total_steps(100)
        4
        """
        return self.steps or self.epochs * self.steps_per_epoch(examples)


def steps_per_epoch(order: str, examples: int, batch_size: int) -> int:
    """How many steps one pass takes: only a shuffled one ends with a smaller batch of what is left.

    >>> steps_per_epoch("shuffled", 100, 64), steps_per_epoch("file", 100, 64)
    (2, 1)
    """
    return -(-examples // batch_size) if order == "shuffled" else max(1, examples // batch_size)


def check_seed(seed: object, order: str) -> int:
    """`seed` as an int.

    Raises:
        UnrolledError: it is none that every generator of a training takes.
    """
    # TensorFlow 1's tutorials shuffle by numpy's RandomState, which takes 32 bits.
    return check_count("seed", seed, least=0, most=2**32 - 1 if order == "next-batch" else 2**63 - 1)
