"""How far two computations of one number may lie apart, in one table."""

from typing import Any

import torch

# Relative to the largest number of the expected tensor, or to 1 where that is smaller.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-6}


def assert_close(actual: Any, expected: Any) -> None:
    """Compare tensors, arrays, or states and lists of them, within the tolerance of their dtype."""
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e)
        return
    actual, expected = torch.as_tensor(actual).detach(), torch.as_tensor(expected).detach()
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCES[expected.dtype] * scale)


def assert_equal(actual: Any, expected: Any) -> None:
    """Compare tensors, or states and lists of them, bit for bit."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
