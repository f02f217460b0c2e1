"""What a hostile call's end is worth."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.kernels.hostile.calls import ANYTHING, Call

# Else it must be the very kind of error that the loop raises.
CLEAR = (ValueError, TypeError, RuntimeError)  # UnrolledError is a ValueError
TOLERANCES = {torch.float32: 1e-3, torch.float64: 1e-8}  # garbage is far away


def judged(call: Call, found: list[Tensor] | None, raised: Exception | None) -> tuple[str, str]:
    """How a call ended, and why: the loop's "numbers", "error", "anything" without a crash, or "wrong"."""
    said = f"{type(raised).__name__}: {raised}"
    if isinstance(raised, CLEAR):
        return "error", said
    if raised is None and (call.judge is ANYTHING or all(result.is_meta for result in found or ())):
        return "anything", "any numbers will do"
    if call.judge is None or call.judge is ANYTHING:
        return "wrong", said if raised else "numbers, where there is nothing to read"
    try:
        expected = call.judge()
    except Exception as error:
        if type(error) is type(raised):
            return "error", said
        ours = f"an unclear {said}" if raised else "numbers"
        return "wrong", f"{ours}, where the loop says {type(error).__name__}: {error}"
    if raised:
        return "wrong", f"an unclear {said}"
    difference = _difference(found or [], expected)
    return ("wrong", difference) if difference else ("numbers", "the loop's")


def _difference(found: list[Tensor], expected: list[Tensor]) -> str:
    """The first difference between results and the loop's, in words; none if they are equal."""
    if [result.shape for result in found] != [result.shape for result in expected]:
        came, wanted = ([list(result.shape) for result in results] for results in (found, expected))
        return f"results of shapes {came}, expected {wanted}"
    for place, (result, right) in enumerate(zip(found, expected, strict=True)):
        if result.dtype != right.dtype:
            return f"result {place} is {result.dtype}, expected {right.dtype}"
        result, right = result.detach().resolve_neg(), right.detach()
        finite = right[right.isfinite()].abs()
        scale = max(1.0, float(finite.max())) if finite.numel() else 1.0
        near = torch.isclose(result, right, rtol=0, atol=TOLERANCES[right.dtype] * scale, equal_nan=True)
        if not near.all():
            where = (~near).nonzero()[0].tolist()
            return f"result {place} at {where} is {result[tuple(where)]}, expected {right[tuple(where)]}"
    return ""
