"""Unrolling: a cell walks along a sequence."""

from unrolled.unroll.bidirectional import bidirectional_unroll
from unrolled.unroll.dynamic import dynamic_unroll
from unrolled.unroll.lengths import reverse_sequence
from unrolled.unroll.stacked_bidirectional import stacked_bidirectional_unroll
from unrolled.unroll.static import static_unroll

__all__ = [
    "bidirectional_unroll",
    "dynamic_unroll",
    "reverse_sequence",
    "stacked_bidirectional_unroll",
    "static_unroll",
]
