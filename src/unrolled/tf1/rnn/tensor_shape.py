"""The size of a state or an output that has more than one axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class TensorShape:
    """A shape without N. It is no tuple, which would be a nested state.

    >>> TensorShape([4, 5]).as_list(), TensorShape([4, 5]) == TensorShape((4, 5))
    ([4, 5], True)
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        self._sizes = tuple(sizes)

    @property
    def width(self) -> int:
        """The last size: how many channels there are."""
        return self._sizes[-1]

    def as_list(self) -> list[int]:
        """The sizes."""
        return list(self._sizes)

    def __iter__(self) -> Iterator[int]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorShape) and self._sizes == other._sizes

    def __hash__(self) -> int:
        return hash(self._sizes)

    def __repr__(self) -> str:
        return f"TensorShape({list(self._sizes)})"
