"""Frames around a digit: the boxes of forms, rings, rounded or not."""

from __future__ import annotations

import numpy as np

from unrolled.data.morphology import Floats, fill_holes, grouped, grown

INK = 0.12  # of full ink: a frame that would be seen
SMALLEST = 0.15  # of the picture's longer side: a frame
CONTENT = 0.25  # of its frame's longer side: what is written in it


def without_frame(ink: Floats) -> Floats:
    """The ink in the smallest frame with something in it; all of the ink if there is none.

    No digit has anything in its loops that doesn't touch them; so what encloses something is a frame.

    Args:
        ink: [H, W], 1 where it is full.

    Returns:
        [H, W]
    """
    number = grouped(ink > INK)
    sizes = np.bincount(number.ravel())[1:]
    for _ in range(int(min((sizes >= SMALLEST * max(ink.shape)).sum(), 8))):
        frame = int(sizes.argmax()) + 1
        sizes[frame - 1] = 0
        outline = number == frame
        extent = _extent(outline)
        if extent < SMALLEST * max(ink.shape):
            continue
        inside = fill_holes(outline) & ~outline
        content = np.unique(number[inside])
        if any(_extent(number == each) >= CONTENT * extent for each in content[content > 0][:8]):
            return without_frame(np.where(inside & ~grown(outline), ink, 0))
    return ink


def _extent(area: np.ndarray) -> int:
    return int(np.ptp(np.argwhere(area), axis=0).max()) + 1
