"""What a step may be given: the numbers of one step, in a tensor or an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.kernels.readable import check_memory, resolved
from unrolled.stream.source import Source, name_of


def rows_of(x: Any, source: Source, known: int | None) -> Tensor:
    """X as a plain tensor [N, I] where the model is.

    Args:
        x: what the user gave.
        source: what it is for.
        known: N, if it is known.

    Raises:
        TypeError: x is neither a tensor nor an array.
        UnrolledError: it has another shape or dtype, or no numbers, or the model has none.
    """
    like = source.weight
    if like is not None and like.is_meta:
        raise UnrolledError("the model is on the meta device, without numbers: load its weights")
    if isinstance(x, np.ndarray):
        name = str(x.dtype)
    elif isinstance(x, Tensor):
        name = name_of(x.dtype)
    else:
        raise TypeError(f"x is a {type(x).__name__}, expected a torch.Tensor or a numpy.ndarray")
    why = _why_unreadable(x) if isinstance(x, Tensor) else None
    if why is not None:
        raise UnrolledError(f"x has no numbers to read: {why}")
    if isinstance(x, Tensor):
        check_memory("x", x)
    if like is not None and name != name_of(like.dtype):
        raise UnrolledError(f"x is {name}, but the model is {name_of(like.dtype)}: convert one of them")

    width = source.input_size or (x.shape[-1] if x.ndim else 0)
    fits = x.ndim in (1, 2) and x.shape[-1] == width
    batch_size = x.shape[0] if x.ndim == 2 else 1
    if not fits or batch_size < 1 or batch_size != (known or batch_size):
        expected = f"[{known or 'N'}, {width}]" + (f" or [{width}]" if known in (None, 1) else "")
        raise UnrolledError(
            f"x has shape {list(x.shape)}, expected {expected}: one step of "
            + ("each sequence" if known is None else f"the same {known} sequences; reset() begins others")
        )
    rows = torch.from_numpy(np.array(x, order="C")) if isinstance(x, np.ndarray) else _plain(x)
    if like is not None:
        rows = rows.to(like.device)
    return rows if x.ndim == 2 else rows.unsqueeze(0)


def flags_of(resets: Any) -> Tensor:
    """Which sequences begin anew, [N], of what the user gave.

    Raises:
        UnrolledError: it is not bool, or has no numbers.
    """
    why = _why_unreadable(resets) if isinstance(resets, Tensor) else None
    if why is not None:
        raise UnrolledError(f"resets has no numbers to read: {why}")
    flags = torch.as_tensor(resets, device="cpu")
    if flags.dtype != torch.bool:
        raise UnrolledError(f"resets is {name_of(flags.dtype)}, expected bool: true where a sequence is new")
    return flags.view(1) if flags.dim() == 0 else flags


def check_flags(flags: Tensor | None, rows: Tensor) -> None:
    """Raise an UnrolledError unless there is one flag for each of the rows, or none at all."""
    if flags is not None and flags.shape != (len(rows),):
        raise UnrolledError(
            f"resets has shape {list(flags.shape)}, expected [{len(rows)}]: one for each sequence of x"
        )


def like_given(x: Any, rows: Tensor) -> Any:
    """Rows [N, width] as an array if x is one, and without N if x is."""
    rows = rows if x.ndim == 2 else rows[0]
    return rows.cpu().numpy() if isinstance(x, np.ndarray) else rows


def _plain(x: Tensor) -> Tensor:
    """The same numbers, of torch's own class and without a history."""
    x = x.detach()
    return resolved(x if type(x) is Tensor else x.as_subclass(Tensor))


def _why_unreadable(x: Tensor) -> str | None:
    if x.is_meta:
        return "it is on the meta device"
    if x.layout is not torch.strided or x.is_nested:
        return f"its layout is {'nested' if x.is_nested else x.layout}"
    if type(x).__torch_dispatch__ != Tensor.__torch_dispatch__:
        return f"a {type(x).__name__} wraps other tensors"
    return None
