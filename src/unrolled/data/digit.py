"""The picture of one digit, brought into the form that MNIST's have."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from unrolled.data.frame import without_frame
from unrolled.data.ink import find_ink, find_paper
from unrolled.data.morphology import Floats, Mask, grouped, stroke_width
from unrolled.data.ruling import without_dots, without_lines
from unrolled.data.sheet import find_sheet
from unrolled.errors import UnrolledError

SIDE, BOX = 28, 20  # the longer side of each digit of MNIST is 20 of the picture's 28 pixels
WORKING_SIDE, DETAIL = 320, 1280  # of a whole picture, and of one in which a sheet may be looked for
EDGE = 0.25  # of full ink; a soft edge fades out about here
CELLS = 56  # to a side of the grid in which strokes are told from specks
PIECES, HOLES = 4, 4  # of a digit, at most, with a break or two in its strokes and a blot or two
SPECK = 0.05  # of the largest stroke
DIGIT = 0.1  # of the longer side: the smallest digit
TIE = 1e-6  # pixels: a symmetric digit lies between two places, and rounding shall not choose
THIN, THICKER = 0.065, 0.1  # of the longer side: the width of MNIST's thinnest strokes, and of common ones


def as_mnist(grey: Floats) -> NDArray[np.uint8]:
    """A digit as MNIST has it: white on black, 20 pixels long, its centre of mass in the middle of 28 x 28.

    The paper may be lighter or darker than the ink, and lit unevenly; specks are left out, and strokes
    thinner than MNIST's thickened. A picture of 28 x 28 has the form already: it stays as it is, or is
    inverted if it is dark on light.

    Args:
        grey: [H, W] from 0 to 255.

    Returns:
        uint8 [28, 28].

    Raises:
        UnrolledError: there is no ink, or so many marks of it that they cannot be one digit.

    >>> page = np.full((300, 200), 230, dtype=np.float32)
    >>> page[100:200, 90:110] = 40
    >>> digit = as_mnist(page)
    >>> np.argwhere(digit).min(axis=0).tolist(), np.argwhere(digit).max(axis=0).tolist()
    ([4, 12], [23, 15])

    Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    if grey.shape == (SIDE, SIDE):
        _, dark = find_ink(grey)
        return np.rint(255 - grey if dark else grey).astype(np.uint8)
    whole = _shrink(grey, DETAIL)
    sheet = _on_its_sheet(whole)
    try:
        return _read(sheet)
    except UnrolledError:
        if sheet is whole:
            raise
        return _read(whole)  # what looked like a sheet was a part of one


def _read(grey: Floats) -> NDArray[np.uint8]:
    ink, _ = find_ink(_shrink(grey), shaded=True)
    ink = _stretched(without_dots(without_lines(without_frame(ink))))
    return _placed(_scaled(_thickened(*_cropped(ink))))


def _stretched(ink: Floats) -> Floats:
    """1 where ink is full: its darkest twentieth."""
    full = np.float32(np.percentile(ink[ink > 0.3 * ink.max()], 95))
    stretched: Floats = (ink / full).clip(0, 1)
    return stretched


def _on_its_sheet(grey: Floats) -> Floats:
    """The sheet alone, as a rectangle: beyond its edges there is paper."""
    for _ in range(3):  # a frame on a sheet on a table
        small = _shrink(grey)
        if (found := find_sheet(small)) is None:
            break
        factor = -(-max(grey.shape) // WORKING_SIDE)
        rows, columns, mask = found
        grey = grey[rows.start * factor : rows.stop * factor, columns.start * factor : columns.stop * factor]
        mask = np.kron(mask, np.ones((factor, factor), dtype=bool))[: grey.shape[0], : grey.shape[1]]
        grey = np.where(mask, grey, find_paper(grey, mask))
    return grey


def _shrink(grey: Floats, side: int = WORKING_SIDE) -> Floats:
    """Averaged down to at most so many pixels: enough for 20, and most of the noise is gone."""
    factor = -(-max(grey.shape) // side)
    return F.avg_pool2d(torch.from_numpy(grey)[None], factor, ceil_mode=True)[0].numpy()


def _check(strokes: Floats) -> None:
    """Refuses what cannot be one digit: its parts and the holes in it are few."""
    cells = F.adaptive_max_pool2d(
        torch.from_numpy(strokes)[None], [min(CELLS, side) for side in strokes.shape]
    )
    inked = cells[0].numpy() > EDGE
    parts = np.bincount(grouped(inked).ravel())[1:]
    gaps = np.bincount(grouped(np.pad(~inked, 1, constant_values=True)).ravel())[1:]
    pieces, holes = int((parts >= SPECK * parts.max()).sum()), int((gaps >= 4).sum()) - 1
    if pieces > PIECES or holes > HOLES:
        raise UnrolledError(
            f"no digit can be made out: there are {pieces} marks with {holes} holes, expected one digit alone"
            " on its paper: cut it out, or write it larger"
        )


def _cropped(ink: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The rectangle around the strokes: its ink, and where in it the strokes are."""
    strokes = _strokes(ink)
    rows, columns = np.nonzero(strokes)
    crop = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    _check(np.where(strokes, ink, 0)[crop])
    return ink[crop], strokes[crop]


def _strokes(ink: Floats) -> NDArray[np.bool_]:
    """Where the digit's ink is: not in specks, which are groups of cells of a coarse grid with little ink."""
    inked = torch.from_numpy(np.where(ink > EDGE, ink, 0))[None]
    cells = F.adaptive_max_pool2d(inked, [min(CELLS, side) for side in ink.shape])[0]
    group = torch.from_numpy(grouped((cells > 0).numpy()))
    mass = torch.bincount(group.ravel(), weights=cells.ravel())
    mass[_strips(group.numpy())] = 0
    stroke = (mass >= SPECK * mass.max())[group].float()
    near = F.interpolate(stroke[None, None], size=ink.shape)[0, 0]
    return ((inked[0] > 0) & (near > 0)).numpy()


def _strips(group: NDArray[np.intp]) -> Mask:
    """Which groups lie along the picture's border, where another, as large as a digit, doesn't touch it."""
    count = int(group.max()) + 1
    border = np.zeros(group.shape, dtype=bool)
    border[[0, -1]], border[:, [0, -1]] = True, True
    contact = np.bincount(group[border], minlength=count)
    longest = np.array(
        [0] + [np.ptp(np.argwhere(group == each), axis=0).max() + 1 for each in range(1, count)]
    )
    if not ((contact == 0) & (longest >= DIGIT * max(group.shape))).any():
        return np.zeros(count, dtype=bool)
    along: Mask = contact >= 0.6 * np.maximum(longest, 1)
    return along


def _thickened(ink: Floats, strokes: NDArray[np.bool_]) -> Floats:
    """The ink, its strokes made as thick as MNIST's thin ones if they are thinner than any of MNIST's.

    A pen is thinner than MNIST's strokes more often than not: scaled down to 20 pixels, such a digit is
    a faint line of a kind that no network has seen.
    """
    width = stroke_width(strokes)
    longest = max(ink.shape)
    if width >= THIN * longest:
        return ink
    more = math.ceil((THICKER * longest - width) / 2)
    only = F.pad(torch.from_numpy(np.where(strokes, ink, 0))[None], [2 * more] * 4)
    return F.max_pool2d(only, 2 * more + 1, stride=1)[0].numpy()


def _scaled(ink: Floats) -> Floats:
    """The ink with its longer side scaled to 20 pixels, the strongest of it 255."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Averaging areas comes nearest to MNIST's own digits; a picture that is smaller has no areas.
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    digit: Floats = np.asarray(Image.fromarray(ink).resize(size, how))
    return digit * np.float32(255 / digit.max())


def _placed(digit: Floats) -> NDArray[np.uint8]:
    """A digit in 28 x 28: its centre of mass at (14, 14), to the nearest whole pixel."""
    picture = np.zeros((SIDE, SIDE), dtype=np.uint8)
    height, width = digit.shape
    ink = digit.astype(np.float64)
    y = ink.sum(axis=1) @ np.arange(height) / ink.sum()
    x = ink.sum(axis=0) @ np.arange(width) / ink.sum()
    top = min(max(SIDE // 2 - int(y + 0.5 + TIE), 0), SIDE - height)
    left = min(max(SIDE // 2 - int(x + 0.5 + TIE), 0), SIDE - width)
    picture[top : top + height, left : left + width] = np.rint(digit)
    return picture
