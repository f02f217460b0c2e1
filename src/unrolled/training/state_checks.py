"""Whether a state can be one of a training's: a checkpoint may come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unrolled.data import Examples
from unrolled.errors import UnrolledError, is_number
from unrolled.training.progress import Progress
from unrolled.training.recipe import Recipe
from unrolled.training.state import GROUPS, check_finite, check_fits, group
from unrolled.training.tasks import Task


def check_progress(progress: Progress, recipe: Recipe, data: Examples, task: Task) -> None:
    """Raise an UnrolledError if a training by the recipe, on these examples, never stands there."""
    examples = len(data)
    total, per_epoch = recipe.total_steps(examples), recipe.steps_per_epoch(examples)
    epochs = math.ceil(total / per_epoch)
    for name, most in (("step", total), ("epoch", epochs), ("best_epoch", epochs)):
        _check_whole(name, getattr(progress, name), most)
    step, epoch = progress.step, progress.epoch
    if not min(epoch * per_epoch, total) <= step <= min((epoch + 1) * per_epoch, total):
        raise UnrolledError(f"it is at step {step} with {epoch} epochs finished, of {per_epoch} steps each")
    steps = max(0, step - epoch * per_epoch)
    seen = steps * min(recipe.batch_size, examples)
    if recipe.order == "shuffled":
        seen = min(seen, examples)
    if type(progress.seen) is not int or progress.seen != seen:
        raise UnrolledError(f"seen is {progress.seen!r}, expected {seen} after {steps} steps of the epoch")
    most = seen * (data.steps if task.reads_steps else 1)
    if type(progress.rows) is not int or not seen <= progress.rows <= most:
        raise UnrolledError(f"rows is {progress.rows!r}, expected {seen} to {most} of {seen} examples")
    score = progress.score
    if not is_number(score) or score < 0 or (task.most is not None and score > task.most * progress.rows):
        raise UnrolledError(f"score is {score!r}, which no {progress.rows} answers come to")
    if (progress.best_epoch == 0) != (epoch == 0) or progress.best_epoch > epoch:
        raise UnrolledError(f"best_epoch is {progress.best_epoch}, with {epoch} epochs finished")
    best = progress.best_score
    if not (isinstance(best, list) and len(best) == 2 and all(map(is_number, best))):
        raise UnrolledError(f"best_score is {best!r}, expected two numbers")
    for name in ("loss_sum", "seconds"):
        value = getattr(progress, name)
        if not is_number(value) or value < 0:
            raise UnrolledError(f"{name} is {value!r}, expected a number of at least 0")


def _check_whole(name: str, value: object, most: int) -> None:
    if type(value) is not int or not 0 <= value <= most:
        raise UnrolledError(f"{name} is {value!r}, expected a whole number from 0 to {most}")


def check_sizes(tensors: Mapping[str, Tensor], network: nn.Module) -> None:
    """Raise an UnrolledError that names a tensor that no training of this network keeps, by any optimizer.

    Neither side needs memory, so that a file's header can be held against a network on the device "meta".
    """
    for name in tensors:
        if name.split("/")[0] not in GROUPS:
            raise UnrolledError(f"{name} came, expected names that begin with {', '.join(GROUPS)}")
    weights = network.state_dict()
    check_fits(weights, group(tensors, "weights"))
    if best := group(tensors, "best"):  # there are none before the first epoch is over
        check_fits(weights, best)
    for key, tensor in group(tensors, "optimizer").items():
        name, _, what = key.rpartition("/")
        if name not in weights:
            raise UnrolledError(f"optimizer/{key} came, expected no such weights")
        if tensor.shape not in (weights[name].shape, ()):
            raise UnrolledError(
                f"{name}/{what} is {list(tensor.shape)}, expected {list(weights[name].shape)}"
            )


def check_tensors(
    tensors: Mapping[str, Tensor], network: nn.Module, memory: Mapping[str, Tensor], progress: Progress
) -> None:
    """Raise an UnrolledError that names a tensor that this training does not keep here, or one that it lacks.

    Args:
        tensors: the state's.
        network: that is trained.
        memory: what its optimizer remembers of a parameter, see `memory_of`.
        progress: where the training stands.
    """
    check_sizes(tensors, network)
    check_finite(tensors)
    best, remembered = group(tensors, "best"), group(tensors, "optimizer")
    if bool(best) != bool(progress.best_epoch):
        raise UnrolledError(f"it holds {len(best)} best weights, with best_epoch {progress.best_epoch}")
    trained = {name: weights for name, weights in network.named_parameters() if weights.requires_grad}
    expected = {
        f"{name}/{key}": torch.empty_like(weights if value.dim() else value, device="meta")
        for name, weights in trained.items()
        for key, value in memory.items()
    }
    check_fits(expected if progress.step else {}, remembered)
