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

    >>> grouped(np.array([[True, False, True], [False, True, False], [False, False, False]])).max()
    1
    """
    # Each pixel points at the end of its run in the row, then at the highest number around it, then at what
    # that one points at, and so on: paths halve.
    place = np.arange(1, mask.size + 1).reshape(mask.shape)
    last = mask & ~np.pad(mask, ((0, 0), (0, 1)))[:, 1:]
    ends = np.where(last, place, mask.size)[:, ::-1]
    number = np.minimum.accumulate(ends, axis=1)[:, ::-1] * mask
    while True:
        lead = np.concatenate([[0], (_highest_around(number) * mask).ravel()])
        while not np.array_equal(further := lead[lead], lead):
            lead = further
        if np.array_equal(lead[1:], number.ravel()):
            break
        number = lead[1:].reshape(mask.shape)
    first = lead == np.arange(len(lead))
    dense: NDArray[np.intp] = (first.cumsum() - 1)[lead][1:].reshape(mask.shape)
    return dense


def _highest_around(values: NDArray[np.intp]) -> NDArray[np.intp]:
    for axis in (0, 1):
        lines, around = np.moveaxis(values, axis, 0), np.moveaxis(highest := values.copy(), axis, 0)
        np.maximum(around[1:], lines[:-1], out=around[1:])
        np.maximum(around[:-1], lines[1:], out=around[:-1])
        values = highest
    return values


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
