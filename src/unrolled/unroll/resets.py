"""Where the sequences of a batch start anew: checked once, used by every unrolling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from unrolled.kernels.reverse import reverse_steps

Resets: TypeAlias = "Tensor | Sequence[Sequence[bool]]"


def check_resets(resets: Resets, batch_size: int, time: int, device: torch.device) -> Tensor:
    """`resets` as a bool tensor [N, T] on `device`: a copy, as backward is to see what forward saw.

    Args:
        resets: [N, T], true where the state before the step is the initial one: a tensor, an array or lists.
        batch_size: N.
        time: T.
        device: where the sequences are.

    Raises:
        ValueError: another shape or type.
    """
    resets = torch.as_tensor(resets, device=device)
    if resets.numel() == 0:
        resets = resets.bool()  # an empty list says nothing about its type
    if resets.dtype != torch.bool:
        raise ValueError(f"resets are {resets.dtype}, expected torch.bool: true where an episode begins")
    if resets.shape != (batch_size, time):
        raise ValueError(
            f"resets has shape {list(resets.shape)}, expected [{batch_size}, {time}]: [N, T], "
            "whatever the layout of x"
        )
    return resets.clone()


def check_reset_state(resets: Any, reset_state: Any, name: str = "reset_state") -> None:
    """Raise a ValueError for a state to go back to without a way to it."""
    if resets is None and reset_state is not None:
        raise ValueError(f"{name} is given, but resets is None: nothing goes back to it")


def read_backward(resets: Tensor, lengths: Tensor | None) -> Tensor:
    """Resets as they meet a layer that reads from the end: at the last step of each episode but the last.

    Args:
        resets: [N, T], true where an episode begins.
        lengths: [N], checked; None if all sequences have T steps.

    >>> resets = torch.tensor([[True, False, True, False, True]])
    >>> read_backward(resets, None).int().tolist(), read_backward(resets, torch.tensor([4])).int().tolist()
    ([[0, 1, 0, 1, 0]], [[0, 1, 0, 0, 0]])
    """
    following = torch.arange(1, resets.shape[1] + 1, device=resets.device)
    return resets.roll(-1, 1) & (following < (resets.shape[1] if lengths is None else lengths[:, None]))


def reverse_resets(resets: Tensor, lengths: Tensor | None) -> Tensor:
    """The resets of the sequences that are read backward, in the order in which their steps come.

    >>> reverse_resets(torch.tensor([[True, False, True, False, False]]), None).int().tolist()
    [[0, 0, 0, 1, 0]]
    """
    return reverse_steps(read_backward(resets, lengths), lengths, batch_first=True)
