"""What can be odd about a tensor, each beside the plain tensor of the same numbers."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

# Takes a plain tensor of floats, and gives an odd one with what the loop shall read instead: a plain tensor,
# None for no tensor at all, or REFUSED where there are no numbers to read.
REFUSED = object()


class Mine(Tensor):
    """A subclass that changes nothing."""


def _as_it_is(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return t.clone(), t


def _every_other(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return torch.stack([t, torch.full_like(t, 77)], -1).flatten(-2)[..., ::2] if t.dim() else t, t


def _other_axes_first(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    order = chance.sample(range(t.dim()), t.dim())
    back = [order.index(axis) for axis in range(t.dim())]
    return t.permute(order).contiguous().permute(back), t


def _inside_another(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return torch.cat([t.new_full((3,), 77), t.flatten(), t.new_full((5,), 77)])[3:-5].view(t.shape), t


def _one_row_for_all(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    axis = chance.randrange(t.dim()) if t.dim() else 0
    odd = t.narrow(axis, 0, 1).expand(t.shape) if t.dim() and t.shape[axis] else t
    return odd, odd.clone()


def _overlapping(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    odd = torch.as_strided(t.clone(), t.shape, [1] * t.dim()) if t.numel() else t
    return odd, odd.clone(memory_format=torch.contiguous_format)


def _negated(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    if t.dtype not in (torch.float32, torch.float64):
        return t, t
    return torch.complex(torch.zeros_like(t), -t).conj().imag, t


def _efficient_zeros(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return torch._efficientzerotensor(t.shape, dtype=t.dtype), torch.zeros_like(t)


def _wanting_gradients(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return t.clone().requires_grad_(t.is_floating_point()), t


def _of_inference(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    with torch.inference_mode():
        return t.clone(), t


def _of_a_subclass(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return t.clone().as_subclass(Mine), t


def _a_parameter(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return torch.nn.Parameter(t.clone(), requires_grad=t.is_floating_point()), t


def _with_a_strange_number(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    odd = t.clone()
    if odd.numel() and odd.is_floating_point():
        odd.view(-1)[chance.randrange(odd.numel())] = chance.choice([torch.nan, torch.inf, -torch.inf, 1e3])
    return odd, odd.clone()


SAME_SHAPE = [
    *(_as_it_is, _every_other, _other_axes_first, _inside_another, _one_row_for_all, _overlapping, _negated),
    *(_efficient_zeros, _wanting_gradients, _of_inference, _of_a_subclass, _a_parameter),
    _with_a_strange_number,
]


def _of_another_type(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    types = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64]
    odd = t.to(chance.choice([*types, torch.bool, torch.complex64, torch.complex128, torch.uint8]))
    return odd, odd.clone()


def _sparse(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return t.to_sparse(), t


def _of_mkldnn(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return (t.to_mkldnn(), t) if t.dtype == torch.float32 and t.numel() and t.dim() else (t.to_sparse(), t)


def _without_memory(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return t.to("meta"), REFUSED


def _with_memory_given_back(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    odd = t.clone()
    odd.untyped_storage().resize_(0)
    return odd, REFUSED if t.numel() else t


OTHER_MEMORY = [_of_another_type, _sparse, _of_mkldnn, _without_memory, _with_memory_given_back]


def _turned(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    odd = t.transpose(0, -1) if t.dim() else t
    return odd, odd.clone(memory_format=torch.contiguous_format)


def _longer(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    odd = torch.cat([t, t], chance.randrange(t.dim())) if t.dim() else t[None]
    return odd, odd.clone()


def _shorter(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    axis = chance.randrange(t.dim()) if t.dim() else 0
    odd = t.narrow(axis, 0, chance.randrange(t.shape[axis])) if t.dim() and t.shape[axis] else t
    return odd.clone(), odd.clone(memory_format=torch.contiguous_format)


def _of_other_axes(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    ways = [t[None], t[..., None], t.flatten(), t.reshape(-1)[:1], t.new_tensor(0.5), t.new_empty(0)]
    odd = chance.choice([*ways, t[0] if t.dim() and len(t) else t[None]])
    return odd.clone(), odd.clone()


def _of_any_shape(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    shape = [chance.choice([0, 1, 2, 3, 5, 8, 20]) for _ in range(chance.randint(0, 4))]
    odd = torch.zeros(shape, dtype=t.dtype)
    return odd, odd.clone()


def _missing(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    return None, None


def _no_tensor(t: Tensor, chance: random.Random) -> tuple[Any, Any]:
    odd = chance.choice([t.tolist(), t.resolve_neg().numpy(), 3, "x", 0.5, ()])
    return odd, odd


OTHER_SHAPE = [_turned, _longer, _shorter, _of_other_axes, _of_any_shape]
ODDITIES = [*SAME_SHAPE, *OTHER_MEMORY, *OTHER_SHAPE, _missing, _no_tensor]


def is_value_preserving(oddity: Any) -> bool:
    """Whether the odd tensor has the numbers of the plain one."""
    changing = (_one_row_for_all, _overlapping, _efficient_zeros, _with_a_strange_number)
    return oddity in SAME_SHAPE and oddity not in changing


def odd_lengths(lengths: list[int], time: int, chance: random.Random) -> tuple[str, Any, Any]:
    """Lengths as somebody may give them: what is odd, and the two of a pair as above."""
    right = torch.tensor(lengths, dtype=torch.int64)
    wrong = right.clone()
    if len(wrong):
        wrong[chance.randrange(len(wrong))] = chance.choice([-1, time + 1, 2**40, -(2**62), 2**31])
    name, odd = chance.choice(
        [
            ("right", right),
            ("int32", right.int()),
            ("uint8", right.byte()),
            ("floats", right.float()),
            ("booleans", right.bool()),
            ("out of range", wrong),
            ("out of range", wrong),
            ("too many", torch.cat([right, right])),
            ("too few", right[1:]),
            ("a column", right[:, None]),
            ("one", torch.tensor(1)),
            ("every other", torch.stack([right, right + 99], 1)[:, 0]),
            ("the same for all", right[:1].expand(len(right))),
            ("meta", right.to("meta")),
            ("sparse", right.to_sparse()),
            ("empty", right.new_empty(0)),
        ]
    )
    return name, odd, REFUSED if odd.is_meta else odd.to_dense().clone() if odd.is_sparse else odd.clone()


def odd_resets(batch: int, time: int, chance: random.Random) -> tuple[str, Any, Any]:
    """Resets as somebody may give them, as `odd_lengths`."""
    right = torch.tensor(
        [[chance.random() < 0.4 for _ in range(time)] for _ in range(batch)], dtype=torch.bool
    )
    right = right.view(batch, time)
    name, odd = chance.choice(
        [
            ("right", right),
            ("right", right),
            ("floats", right.float()),
            ("bytes", right.byte()),
            ("time first", right.t()),
            ("too many", torch.cat([right, right])),
            ("too few", right[1:]),
            ("one step", right[:, :1]),
            ("flat", right.flatten()),
            ("every other", torch.stack([right, ~right], 2)[..., 0]),
            ("the same for all", right[:1].expand(batch, time)),
            ("of other strides", right.t().contiguous().t()),
            ("meta", right.to("meta")),
            ("sparse", right.to_sparse()),
            ("no tensor", right.tolist()),
        ]
    )
    if not isinstance(odd, torch.Tensor):
        return name, odd, odd
    return name, odd, REFUSED if odd.is_meta else odd.to_dense().clone() if odd.is_sparse else odd.clone()
