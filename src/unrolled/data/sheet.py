"""The sheet that a digit is on, where the picture shows what lies around it too."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from unrolled.data.morphology import Floats, Mask, fill_holes, grouped, grown, outline, shrunk

COARSE = 90  # pixels to the longer side: enough to see a sheet
LEVELS = 10  # of lightness, between the darkest and the lightest
STEP = 18  # grey levels between a sheet and what is around it
STROKE = 40  # grey levels between a stroke and what it is on
SMALLEST, LARGEST = 0.05, 0.97  # of the picture: a sheet
STRAIGHT = 0.95  # of its convex hull: a sheet with ragged edges
CORNERS = 0.87  # of it: the largest quadrilateral inside; of an ellipse 2 / π, whose corners are none
WRITTEN = 0.12  # of the sheet's longer side: the smallest writing


def find_sheet(grey: Floats) -> tuple[slice, slice, Mask] | None:
    """Where the largest sheet with writing on it is, if it isn't the whole picture.

    A sheet is an area lighter, or darker, than all around it; convex, with corners; and something stands
    on it that doesn't touch its edge. So the inside of a frame is a sheet, and paper beside a desk.

    Args:
        grey: [H, W].

    Returns:
        Its rows, its columns, and where in that rectangle it is; None if there is none.
    """
    factor = -(-max(grey.shape) // COARSE)
    coarse = F.avg_pool2d(torch.from_numpy(grey)[None], factor, ceil_mode=True)[0].numpy()
    low, high = np.percentile(coarse, [1, 99])
    if high - low < STEP:
        return None
    best = written = np.zeros(coarse.shape, dtype=bool)
    for level in np.linspace(low, high, LEVELS + 2)[1:-1]:
        for above in (coarse > level, coarse <= level):
            number = grouped(above)
            largest = np.bincount(number.ravel())[1:]
            for group in np.argsort(-largest)[:2] + 1:
                if largest[group - 1] <= max(SMALLEST * coarse.size, best.sum() / 2):
                    continue
                area = number == group
                filled = fill_holes(area)
                sheet = _between(filled) | _between(filled.T).T
                if best.sum() < sheet.sum() < LARGEST * coarse.size and _is_sheet(filled, area, coarse):
                    best, written = sheet, filled & ~area
    if not best.any():
        return None
    sharp = _sharp(best, coarse)
    inner = shrunk(sharp, 2)
    if not inner.any() or (written & ~inner).any() or _is_crossed(sharp, coarse):
        return None  # light and shadow, rather than paper and table
    rows, columns = np.nonzero(inner)
    mask = np.kron(inner, np.ones((factor, factor), dtype=bool))[: grey.shape[0], : grey.shape[1]]
    box = (
        slice(rows.min() * factor, (rows.max() + 1) * factor),
        slice(columns.min() * factor, (columns.max() + 1) * factor),
    )
    return *box, mask[box]


def _sharp(sheet: Mask, grey: Floats) -> Mask:
    """The sheet as it is at the level midway between itself and what is around it, without whiskers."""
    inside, around = np.median(grey[sheet]), np.median(grey[grown(sheet, 3) & ~grown(sheet)])
    number = grouped((grey > (inside + around) / 2) == (inside > around))
    largest = np.bincount(number[sheet])
    largest[0] = 0
    area = fill_holes(number == largest.argmax())
    area = grown(shrunk(area, 3), 3)
    return sheet & (_between(area) | _between(area.T).T)


def _is_crossed(sheet: Mask, grey: Floats) -> bool:
    """Whether a stroke goes on beyond the sheet's edge: then the edge is a shadow's, or a fold."""
    inside, around = shrunk(sheet) & ~shrunk(sheet, 3), grown(sheet, 3) & ~grown(sheet)
    if not inside.any() or not around.any():
        return False
    within, beyond = (grey - np.median(grey[side]) for side in (inside, around))
    return any(
        bool((grown(inside & (sign * within > STROKE), 3) & around & (sign * beyond > STROKE)).any())
        for sign in (1, -1)
    )


def _between(area: Mask) -> Mask:
    """All pixels that lie between two of the area in their row."""
    until: Mask = np.logical_or.accumulate(area, axis=1)
    return until & np.logical_or.accumulate(area[:, ::-1], axis=1)[:, ::-1]


def _is_sheet(filled: Mask, area: Mask, grey: Floats) -> bool:
    if filled.sum() == area.sum():
        return False
    points = np.argwhere(outline(filled))
    hull, quadrilateral = _hull_and_quadrilateral(points)
    if filled.sum() < STRAIGHT * hull or quadrilateral < CORNERS * hull:
        return False
    # The holes are what is written; one that is as good as nothing is a speck.
    number = grouped(filled & ~area)
    longest = max(
        (np.ptp(np.argwhere(number == hole), axis=0).max() + 1 for hole in range(1, number.max() + 1)),
        default=0,
    )
    if longest < WRITTEN * max(np.ptp(points, axis=0)):
        return False
    around = grown(filled, 2) & ~grown(filled)
    inside = shrunk(filled) & ~shrunk(filled, 2) & area
    if not around.any() or not inside.any():
        return False
    return abs(float(np.median(grey[around])) - float(np.median(grey[inside]))) > STEP


def _hull_and_quadrilateral(points: NDArray[np.intp]) -> tuple[float, float]:
    """The areas of the polygon of the outermost pixels in sixteen directions, and of its best four."""
    turns = np.arange(16) * (np.pi / 8)
    corners = points[(points @ np.stack([np.sin(turns), np.cos(turns)])).argmax(axis=0)]
    y, x = corners.T
    hull = abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1))) / 2
    four = corners[np.array(list(itertools.combinations(range(16), 4)))]
    one, other = four[:, 2] - four[:, 0], four[:, 3] - four[:, 1]  # its diagonals
    return hull, float(np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]).max()) / 2
