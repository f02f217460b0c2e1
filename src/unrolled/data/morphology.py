"""Shapes in pictures: groups of pixels that touch, and what is wider or narrower than a given width."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = TypeVar("Values", Floats, Mask, NDArray[np.uint8])


def grouped(mask: Mask) -> NDArray[np.intp]:
    """The number of the group that each pixel is in, from 1; 0 where the mask is false.

    Two pixels are in one group if a path of true pixels, straight or diagonal, leads from one to the other.

    Args:
        mask: [H, W].

    >>> int(grouped(np.array([[True, False, True], [False, True, False], [False, False, False]])).max())
    1
    """
    width = mask.shape[1] + 1  # with an empty column, no run goes on in the next row
    flat = np.pad(mask, ((0, 0), (0, 1))).ravel()
    change = np.diff(flat.astype(np.int8), prepend=0, append=0)
    start, end = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    # The runs of the next row that touch a run: from the first that doesn't end before it.
    first, last = np.searchsorted(end, start + width), np.searchsorted(start, end + width, side="right")
    upper = np.repeat(np.arange(len(start)), last - first)
    lower = np.arange(len(upper)) - np.repeat((last - first).cumsum() - last, last - first)
    group = np.arange(len(start))
    while (group[upper] != group[lower]).any():
        low = np.minimum(group[upper], group[lower])
        np.minimum.at(group, np.maximum(group[upper], group[lower]), low)
        while not np.array_equal(group, group[group]):
            group = group[group]
    number = np.zeros(flat.shape, dtype=np.intp)
    number[flat] = np.repeat(np.unique(group, return_inverse=True)[1] + 1, end - start)
    return number.reshape(-1, width)[:, :-1]


def grown(mask: Mask, by: int = 1) -> Mask:
    """The mask and all within `by` pixels of it, straight or diagonal."""
    for axis in (0, 1):
        mask = runs(
            np.pad(mask, [(by, by) if each == axis else (0, 0) for each in (0, 1)]),
            2 * by + 1,
            np.maximum,
            axis,
        )
    return mask


def shrunk(mask: Mask, by: int = 1) -> Mask:
    """What is farther than `by` pixels from all that is not in the mask; the picture's border is no edge."""
    return ~grown(~mask, by)


def outline(mask: Mask) -> Mask:
    """The mask's pixels that have one beside them outside of it; the picture's border is an edge."""
    return mask & ~shrunk(np.pad(mask, 1))[1:-1, 1:-1]


def stroke_width(strokes: Mask) -> float:
    """How wide strokes are, in pixels.

    A line of width w and length l has l w pixels, of which 2 l are its outline.
    """
    return 2 * float(strokes.sum()) / max(float(outline(strokes).sum()), 1)


def fill_holes(area: Mask) -> Mask:
    """The area with its holes: all that isn't connected with the picture's border outside it."""
    outside = grouped(~np.pad(area, 1))
    filled: Mask = outside[1:-1, 1:-1] != outside[0, 0]
    return filled


def runs(values: Values, length: int, extreme: np.ufunc, axis: int) -> Values:
    """The greatest (np.maximum) or least (np.minimum) of each `length` neighbours along an axis.

    Returns:
        `length` - 1 values fewer along that axis.
    """
    done = 1
    while done < length:  # each pass doubles the length
        step = min(done, length - done)
        size = values.shape[axis]
        first, second = [slice(None)] * 2, [slice(None)] * 2
        first[axis], second[axis] = slice(0, size - step), slice(step, size)
        values = extreme(values[tuple(first)], values[tuple(second)])
        done += step
    return values


def opened(values: Values, width: int, axes: tuple[int, ...] = (0, 1)) -> Values:
    """What stays where each peak narrower than `width` is cut down to what is around it.

    The greatest, over all squares (along one axis: runs) around a pixel, of the least value in each. Beyond
    the border nothing is known: only squares inside count, and the result is smaller by 2 (`width` - 1).
    """
    for extreme in (np.minimum, np.maximum):
        for axis in axes:
            values = runs(values, width, extreme, axis)
    return values
