"""Several processes that train one network together: each on its share of every batch.

Everything here works in a lone process too, where it costs nothing: its share is the whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from unrolled.errors import UnrolledError

T = TypeVar("T")


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _joined() else 1


def rank() -> int:
    """Which of them this one is, from 0. The first one writes and prints."""
    return dist.get_rank() if _joined() else 0


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return rank() == 0


@contextlib.contextmanager
def joined(device: str = "cpu") -> Iterator[str]:
    """Join the processes that `torchrun` started, and give the device of this one; alone, `device` itself.

    Args:
        device: "cpu", whose processes speak by gloo; or "cuda", by nccl, where each takes a GPU of its own.

    Raises:
        UnrolledError: they do not find each other.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or _joined():
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    with _speaking():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def replicate(network: nn.Module) -> nn.Module:
    """The network; among several processes, one whose gradients are the means over all of them."""
    return DistributedDataParallel(network) if world_size() > 1 else network


def total(*values: float) -> list[float]:
    """The sum of each value over all processes."""
    if world_size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64, device=_meeting_place())
    with _speaking():
        dist.all_reduce(sums)
    return sums.tolist()


def from_first(function: Callable[[], T]) -> T:
    """What the function returns in the first process, the only one that calls it; its error is everyone's."""
    if world_size() == 1:
        return function()
    answer = [_attempt(function) if is_first() else None]
    with _speaking():
        dist.broadcast_object_list(answer, device=_meeting_place())
    if isinstance(answer[0], Exception):
        raise answer[0]
    result: Any = answer[0]
    return result  # type: ignore[no-any-return]


def everywhere(function: Callable[[], T]) -> T:
    """What the function returns in this process; an error in any of them is everyone's.

    One process of each machine goes ahead of the others: what it downloads, they find.
    """
    if world_size() == 1:
        return function()
    answer: Any = None
    for turn_of_others in (False, True):
        if (os.environ.get("LOCAL_RANK", "0") != "0") == turn_of_others:
            answer = _attempt(function)
        errors: list[Any] = [None] * world_size()
        with _speaking():
            dist.all_gather_object(errors, answer if isinstance(answer, Exception) else None)
        for error in errors:
            if error is not None:
                raise error
    result: T = answer
    return result


def _attempt(function: Callable[[], Any]) -> Any:
    """What the function returns, or its error."""
    try:
        return function()
    except (UnrolledError, OSError) as error:
        return error


def _meeting_place() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


@contextlib.contextmanager
def _speaking() -> Iterator[None]:
    """A failure of the connection as an error that says what it means."""
    try:
        yield
    except RuntimeError as error:  # all that gloo raises, and the parent of torch.distributed's own
        raise UnrolledError(
            "the other processes of this training cannot be reached: if one of them has ended, "
            f"its own message says why ({str(error).splitlines()[0]})"
        ) from error
