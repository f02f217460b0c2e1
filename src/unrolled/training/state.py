"""Where a training stands: all that its next step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.errors import UnrolledError
from unrolled.training.progress import Progress

GROUPS = ("weights", "best", "optimizer")


class TrainingState(NamedTuple):
    """Everything that the next step of a training depends on. No generator is among it: what a step draws
    depends on the seed and the step alone.

    Attributes:
        training: values by which another training can be told from this one.
        progress: how far it has come.
        tensors: by names such as "weights/classifier.bias", "best/classifier.bias" and
            "optimizer/classifier.bias/exp_avg".
        circumstances: all that its last bits have depended on so far, see `circumstances`.
    """

    training: dict[str, Any]
    progress: Progress
    tensors: dict[str, Tensor]
    circumstances: dict[str, list[Any]] = {}  # noqa: RUF012  (never changed)


def group(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `name/`, by what follows.

    >>> group({"best/b": 1, "weights/b": 2}, "best")
    {'b': 1}
    """
    return {
        key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")
    }


def check_fits(expected: Mapping[str, Tensor], came: Mapping[str, Tensor], *, cast: bool = False) -> None:
    """Raise an UnrolledError that names the first tensor that is not what a network's weights are.

    With `cast` any floating point type will do. Tensors without memory can be checked, too.
    """
    for key, tensor in expected.items():
        if key not in came:
            raise UnrolledError(f"{key} is missing, expected {list(tensor.shape)}")
        if came[key].shape != tensor.shape:
            raise UnrolledError(f"{key} is {list(came[key].shape)}, expected {list(tensor.shape)}")
        dtype = came[key].dtype
        if dtype != tensor.dtype and not (
            cast and dtype.is_floating_point and tensor.dtype.is_floating_point
        ):
            raise UnrolledError(f"{key} is {dtype}, expected {tensor.dtype}")
    for key, tensor in came.items():
        if key not in expected:
            raise UnrolledError(f"{key} is {list(tensor.shape)}, expected no such weights")


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise an UnrolledError that names the first tensor that holds a NaN or an infinity."""
    for key, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UnrolledError(f"{key} holds numbers that are not finite")


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """What an optimizer remembers of each parameter, as "<parameter>/<what>"; whole numbers become int64."""
    return {
        f"{name}/{key}": torch.as_tensor(value)
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def load_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `optimizer_tensors` gave."""
    values = optimizer.state_dict()
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    values["state"] = {
        index: {key: value.item() if value.dtype == torch.int64 else value for key, value in memory.items()}
        for index, name in enumerate(names)
        if (memory := group(tensors, name))
    }
    optimizer.load_state_dict(values)
