"""What tells a step that the weights are no longer those that it has packed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

# What stands here is another object after each step of any optimizer: fused ones change weights whose own
# versions stay.
_OPTIMIZERS: dict[str, object] = {"steps": object()}


class Slot(NamedTuple):
    """A place in the model: a key of one of its dictionaries, and what stands there.

    Attributes:
        holder: the dictionary.
        name: the key.
        value: a module, a tensor, or what stands for the steps of all optimizers.
        version: a tensor's count of changes in place; -1 where nobody counts.
    """

    holder: dict[str, Any]
    name: str
    value: Any
    version: int


class Watch:
    """The parts and weights of a model at one moment, and whether they have moved since.

    It sees changes in place that PyTorch counts, other tensors and modules in their places, and that some
    optimizer has taken a step. It sees neither other memory behind a tensor nor a write that nobody counts.
    """

    def __init__(self, model: nn.Module) -> None:
        self.slots = [optimizer_steps(), *(slot(holder, name) for holder, name in _places(model))]

    def moved(self) -> bool:
        """Whether a step has to look at the model again."""
        return not all(map(is_there, self.slots))


def optimizer_steps() -> Slot:
    """What tells that some optimizer of torch.optim has taken a step since."""
    _listen()
    return slot(_OPTIMIZERS, "steps")


def slot(holder: dict[str, Any], name: str) -> Slot:
    """What stands at this place now."""
    return Slot(holder, name, holder[name], _version_of(holder[name]))


def is_there(place: Slot) -> bool:
    """Whether what stood there still does, unchanged as far as somebody counts."""
    holder, name, value, version = place
    return holder.get(name) is value and _version_of(value) == version


@functools.cache
def _listen() -> None:
    """Count the steps of all optimizers from now on."""
    register_optimizer_step_post_hook(_count)


def _count(*_: object) -> None:
    _OPTIMIZERS["steps"] = object()


def _places(model: nn.Module) -> Iterator[tuple[dict[str, Any], str]]:
    """Where the modules of a model keep their parts, and every tensor that they hold."""
    for module in model.modules():
        for holder in (module._modules, module._parameters, module._buffers, vars(module)):
            if type(holder) is dict:  # torch.jit's modules keep theirs elsewhere
                for name, value in holder.items():
                    if isinstance(value, Tensor | nn.Module):
                        yield holder, name


def _version_of(value: Any) -> int:
    return -1 if not isinstance(value, Tensor) or value.is_inference() else value._version
