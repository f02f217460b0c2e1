"""One step at a time: a model that keeps its state, and its weights packed, from one call to the next."""

from unrolled.stream.stream import Stream

__all__ = ["Stream"]
