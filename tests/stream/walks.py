"""Streams that have begun, and whether their next step is that of their cell."""

import torch

from unrolled import (
    Stream,
    dynamic_unroll,
)

I, H = 5, 7


def follows(stream, cell):
    """Whether the next step of a stream is that of its cell from the same state."""
    x = torch.randn(1, 1, cell.input_size, dtype=next(cell.parameters()).dtype)
    expected, _ = dynamic_unroll(cell, x, state=stream.state)
    return torch.equal(stream.step(x[:, 0]), expected[:, 0])


def started(cell):
    """A stream that has taken two steps, the second one by the quick way."""
    stream = Stream(cell.eval())
    assert follows(stream, cell)
    assert follows(stream, cell)
    return stream
