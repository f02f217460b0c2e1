"""Lines and dots that belong to the paper: rulings, squares, margins, frames, grids of dots."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from unrolled.data.morphology import Floats, Mask, grouped, grown, opened, runs, shrunk

FAINTEST = 0.12  # of full ink: a line that would be seen
LENGTHS = 0.85, 0.6, 0.42, 0.3  # of the picture's side along the line: the longest first
ASKEW = 0.28  # a slope of 16 degrees, by which paper may lie turned
THICKEST = 0.08  # of the picture's longer side: a line
PAST = 0.04  # of its own length, at both ends: how far a line reaches past the digit
LIGHTEST = 0.3  # of the heaviest line's ink: a digit's, where no line goes through it
DOT, DOTS = 0.035, 20  # of the picture's longer side: the largest dot; and how many there are at least
DIGIT = 0.1  # of the picture's longer side: the smallest digit


@dataclasses.dataclass(frozen=True)
class Line:
    """One straight line: its pixels, its ends along x (or y), how wide and how dark it is."""

    pixels: Mask
    upright: bool
    start: int
    end: int
    width: float
    level: float

    @property
    def length(self) -> int:
        return self.end - self.start


def without_lines(ink: Floats) -> Floats:
    """The ink without the lines of the paper, the strokes that crossed them made whole.

    A line belongs to the paper if it is longer than the digit, which is all other ink that hangs together:
    if it reaches past it at both its ends. A stroke of the digit may do that too (the stem of a 4), but it
    has the other strokes' width and darkness, is in contact with them, and has no parallel.

    Args:
        ink: [H, W], 1 where it is full.

    Returns:
        [H, W]
    """
    longest = _longest(ink)
    for share in LENGTHS:
        seen = np.rint(255 * ink).astype(np.uint8)
        flat = _lines(seen, share, upright=False) if share < longest[0] else []
        steep = _lines(seen.T, share, upright=True) if share < longest[1] else []
        for lines in (flat + steep, flat, steep):  # a 1 may be as long as the lines above and below it
            if alien := _alien(ink, lines):
                ink = _without_ends(_repaired(ink, alien), alien)
                longest = _longest(ink)
                break
    return ink


def without_dots(ink: Floats) -> Floats:
    """The ink without the dots all over the paper, if there are many; those on strokes stay.

    Args:
        ink: [H, W], 1 where it is full.

    Returns:
        [H, W]
    """
    number = grouped(ink > FAINTEST)
    inked = np.argwhere(number)
    group = number[number > 0]
    low = np.full((number.max() + 1, 2), max(ink.shape))
    high = np.zeros_like(low)
    np.minimum.at(low, group, inked)
    np.maximum.at(high, group, inked)
    extent = (high - low).max(axis=1) + 1
    dots = extent <= max(DOT * max(ink.shape), 3)
    dots[0] = False
    if dots.sum() < DOTS or (extent[1:] < DIGIT * max(ink.shape)).all():
        return ink
    return np.where(grown(dots[number]) & ~(~dots[number] & (number > 0)), 0, ink)


def _alien(ink: Floats, lines: list[Line]) -> list[Line]:
    """Those of these lines that belong to the paper; none if nothing else could be a digit."""
    if not lines or (rest := _digit(_repaired(ink, lines))) is None:
        return []
    lined = np.logical_or.reduce([grown(line.pixels) for line in lines])
    if ink[rest & ~lined].sum() < LIGHTEST * max(ink[line.pixels].sum() for line in lines):
        return []
    return [line for line in lines if _is_of_the_paper(line, lines, rest, ink)]


def _lines(ink: NDArray[np.uint8], share: float, upright: bool) -> list[Line]:
    """The lines along x that are at least this share of the picture's width long."""
    length = max(round(share * ink.shape[1]), 8)
    rows, columns = (np.flatnonzero((ink > 255 * FAINTEST / 2).any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    straight = np.zeros_like(ink)
    straight[box] = _straight(ink[box], length)
    number = grouped((straight > 255 * FAINTEST) & (ink > 255 * FAINTEST / 2))
    sizes = np.bincount(number.ravel())
    found = []
    for each in np.flatnonzero(sizes[1:] >= length / 2) + 1:
        pixels = number == each
        columns = np.flatnonzero(pixels.any(axis=0))
        wide = float(np.median(pixels.sum(axis=0)[columns]))
        if len(columns) >= 0.8 * length and wide <= max(THICKEST * max(ink.shape), 2):
            ends = int(columns[0]), int(columns[-1]) + 1
            level = float(np.median(ink[pixels])) / 255
            found.append(Line(pixels.T if upright else pixels, upright, *ends, wide, level))
    return found


def _straight(ink: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """How dark the darkest line is, so long and nearly along x, that goes through each pixel."""
    height, width = ink.shape
    x = np.arange(width)
    reach = int(np.ceil(ASKEW * width / 2))
    # A pixel thicker, for lines that are not quite straight, or lie between two of the slopes.
    thicker = runs(np.pad(ink, ((2 * reach + 1, 2 * reach + 1), (0, 0))), 3, np.maximum, 0)
    y = np.arange(height + 2 * reach)[:, None]
    straight = np.zeros_like(ink)
    for slope in np.linspace(-ASKEW, ASKEW, 2 * -(-length // 18) + 1):
        shift = np.rint(slope * (x - width / 2)).astype(np.intp)
        sheared = thicker.take((y + shift + reach) * width + x)  # in which the line is a row
        sheared = _smooth(sheared, width // 60)
        long = opened(np.pad(sheared, ((0, 0), (length - 1, length - 1))), length, (1,))
        straight = np.maximum(straight, long.take((y[:height] - shift + reach) * width + x))
    return straight


def _longest(ink: Floats) -> tuple[float, float]:
    """How much of the picture's width, and of its height, the largest group of ink reaches over."""
    number = grouped(grown(ink > FAINTEST / 2, 2))
    size = np.bincount(number.ravel())
    share = [0.0, 0.0]
    for each in np.flatnonzero(size[1:] >= min(LENGTHS) * min(ink.shape)) + 1:
        for axis in (0, 1):
            share[axis] = max(share[axis], float((number == each).any(axis=axis).mean()))
    return share[0], share[1]


def _smooth(values: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """The mean of each pixel and `reach` more to both sides in its row."""
    length = 2 * reach + 1
    total = np.pad(values, ((0, 0), (reach + 1, reach)), mode="edge").cumsum(axis=1, dtype=np.int32)
    mean: NDArray[np.uint8] = ((total[:, length:] - total[:, :-length]) // length).astype(np.uint8)
    return mean


def _digit(ink: Floats) -> Mask | None:
    """Where the digit is if all of this is ink: the heaviest group and those not much lighter."""
    number = grouped(ink > 0.3)
    mass = np.bincount(number.ravel(), weights=ink.ravel())
    mass[0] = 0
    if not mass.any():
        return None
    if np.ptp(np.argwhere(number == mass.argmax()), axis=0).max() < DIGIT * max(ink.shape):
        return None
    main: Mask = (mass >= 0.25 * mass.max())[number]
    return main


def _is_of_the_paper(line: Line, lines: list[Line], rest: Mask, ink: Floats) -> bool:
    place = np.flatnonzero(rest.any(axis=1 if line.upright else 0))
    past = max(PAST * line.length, 1.5 * line.width)
    if line.start > place[0] - past or line.end < place[-1] + 1 + past:
        return False
    spans = line.length > 0.9 * ink.shape[0 if line.upright else 1]
    apart = not (grown(line.pixels, 2) & rest).any()
    parallel = any(
        other is not line
        and other.upright == line.upright
        and 0.7 < other.length / line.length < 1.4
        and 0.5 < (other.width + 1) / (line.width + 1) < 2
        for other in lines
    )
    strokes = 2 * rest.sum() / max((rest & ~shrunk(rest)).sum(), 1)
    other_pen = not 0.6 < line.width / strokes < 1.6 or line.level < 0.7 * np.median(ink[rest])
    return bool(spans or apart or parallel or other_pen)


def _repaired(ink: Floats, lines: list[Line]) -> Floats:
    """The ink without these lines; strokes that stand on both sides of a line go across it."""
    if not lines:
        return ink
    taken = np.zeros(ink.shape, dtype=bool)
    for line in lines:
        # What is clearly darker than the rest of the line is a stroke, seen through it.
        taken |= grown(line.pixels) & (ink < max(line.level + 0.25, 1.7 * line.level))
    rest = np.where(taken, 0, ink)
    across = int(np.ceil(max(line.width for line in lines))) + 3
    for _ in range(2):  # where two lines cross, the first time leaves a hole
        bridged = np.zeros_like(rest)
        for y, x in ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (1, -2), (2, 1), (2, -1)):
            one, other = (_next(rest, across, sign * y, sign * x) for sign in (1, -1))
            bridged = np.maximum(bridged, np.minimum(one, other))
        rest = np.where(taken, np.maximum(rest, bridged), ink)
    return rest


def _without_ends(ink: Floats, lines: list[Line]) -> Floats:
    """The ink without what is left of these lines: groups beside the digit that are no wider than a line."""
    if not lines or (digit := _digit(ink)) is None:
        return ink
    number = grouped((ink > FAINTEST / 2) & ~digit)
    size = np.bincount(number.ravel())
    inner = np.bincount(number.ravel(), weights=shrunk(number > 0).ravel())
    width = max(line.width for line in lines) + 1
    # A strip of width w and length l has l w pixels, of which l (w - 2) are not its outline.
    thin = size <= width * np.maximum((size - inner) / 2, 1)
    thin[0] = False
    near = np.isin(number, number[grown(digit) & (number > 0)])
    return np.where(thin[number] & ~near, 0, ink)


def _next(ink: Floats, far: int, y: int, x: int) -> Floats:
    """The most ink within so many steps from each pixel in one direction."""
    height, width = ink.shape
    edge = 2 * far
    padded = np.pad(ink, edge)
    most = np.zeros_like(ink)
    for step in range(1, 1 + (far if max(abs(y), abs(x)) == 1 else -(-far // 2))):
        top, left = edge + step * y, edge + step * x
        most = np.maximum(most, padded[top : top + height, left : left + width])
    return most
