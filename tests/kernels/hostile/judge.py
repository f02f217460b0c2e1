"""What a hostile call's end is worth."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.kernels.hostile.calls import ANYTHING, Call, Found

# Else it must be the very kind of error that the loop raises.
CLEAR = (ValueError, TypeError, RuntimeError)  # UnrolledError is a ValueError
TOLERANCES = {torch.float32: 1e-3, torch.float64: 1e-8}  # garbage is far away


def judged(call: Call, found: Found | None, raised: Exception | None) -> tuple[str, str]:
    """How a call ended, and why: the loop's "numbers", "error", "anything" without a crash, or "wrong"."""
    said = f"{type(raised).__name__}: {raised}"
    if isinstance(raised, CLEAR):
        return "error", said
    if found is not None and (call.judge is ANYTHING or any(one.is_meta for one in found.results)):
        return "anything", "any numbers will do, or there are none"
    if found is not None and call.unreadable:
        return "wrong", "numbers, where there is nothing to read"
    if call.judge is None or call.judge is ANYTHING:
        return "wrong", f"an unclear {said}"
    try:
        expected = call.judge()
    except Exception as error:
        if type(error) is type(raised):
            return "error", said
        ours = f"an unclear {said}" if raised else "numbers"
        return "wrong", f"{ours}, where the loop says {type(error).__name__}: {error}"
    if found is None:
        return "wrong", f"an unclear {said}"
    difference = _difference("result", found.results, expected.results)
    difference = difference or _difference("gradient", found.gradients, expected.gradients)
    return ("wrong", difference) if difference else ("numbers", "the loop's")


def _difference(what: str, found: list[Tensor], expected: list[Tensor]) -> str:
    """The first difference between numbers and the loop's, in words; none if they are equal.

    What the loop has no finite gradient for is left alone: 0 times infinity is a matter of order there.
    """
    if [one.shape for one in found] != [right.shape for right in expected]:
        came, wanted = ([list(one.shape) for one in them] for them in (found, expected))
        return f"{what}s of shapes {came}, expected {wanted}"
    for place, (one, right) in enumerate(zip(found, expected, strict=True)):
        if one.dtype != right.dtype:
            return f"{what} {place} is {one.dtype}, expected {right.dtype}"
        one, right = one.detach().resolve_neg(), right.detach()
        finite = right.isfinite()
        scale = max(1.0, float(right[finite].abs().max())) if finite.any() else 1.0
        atol = TOLERANCES.get(right.dtype, 0.1) * scale
        near = torch.isclose(one, right, rtol=0, atol=atol, equal_nan=True)
        if what == "gradient":
            near |= ~finite
        if not near.all():
            where = (~near).nonzero()[0].tolist()
            return f"{what} {place} at {where} is {one[tuple(where)]}, expected {right[tuple(where)]}"
    return ""
