"""The picture of one digit, brought into the form that MNIST's have."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from unrolled.errors import UnrolledError

SIDE, BOX = 28, 20  # the longer side of each digit of MNIST is 20 of the picture's 28 pixels
WORKING_SIDE = 320
CONTRAST = 12  # grey levels, of 255: less is the noise of a JPEG file or of paper
EDGE = 0.25  # of full ink; a soft edge fades out about here
CELLS = 56  # to a side of the grid in which strokes are told from specks
SPECK = 0.05  # of the largest stroke
THIN, THICKER = 0.065, 0.1  # of the longer side: the width of MNIST's thinnest strokes, and of common ones

Floats = NDArray[np.float32]


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
        UnrolledError: there is no ink.

    >>> page = np.full((300, 200), 230, dtype=np.float32)
    >>> page[100:200, 90:110] = 40
    >>> digit = as_mnist(page)
    >>> np.argwhere(digit).min(axis=0).tolist(), np.argwhere(digit).max(axis=0).tolist()
    ([4, 12], [23, 15])

    Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    ready = grey.shape == (SIDE, SIDE)
    if not ready:
        grey = _shrink(grey)
    ink = grey - _paper(grey)
    noise = 1.4826 * float(np.median(np.abs(ink)))  # the standard deviation, whatever the ink is
    floor = 3 * noise
    dark = _energy(-ink - floor) > _energy(ink - floor)
    if dark:
        ink = -ink
    if ink.max() <= max(6 * noise, CONTRAST):
        raise UnrolledError("it is blank: expected a digit that is darker or lighter than its background")
    if ready:
        return np.rint(255 - grey if dark else grey).astype(np.uint8)

    full = float(np.percentile(ink[ink > max(floor, 0.3 * ink.max())], 95))
    floor = min(floor, full / 2)
    ink = ((ink - floor) / (full - floor)).clip(0, 1)
    return _placed(_scaled(_thickened(*_cropped(ink))))


def _energy(excess: Floats) -> float:
    return float(np.square(excess.clip(0)).sum())


def _shrink(grey: Floats) -> Floats:
    """Averaged down to at most WORKING_SIDE: enough for 20 pixels, and most of the noise is gone."""
    factor = -(-max(grey.shape) // WORKING_SIDE)
    return F.avg_pool2d(torch.from_numpy(grey)[None], factor, ceil_mode=True)[0].numpy()


def _paper(grey: Floats) -> Floats:
    """How light the paper is behind each pixel: a quadratic in x and y, fitted to all that is not ink.

    It starts as the median of the border, grows over the border and then over the whole picture; what
    lies three standard deviations from the last fit is left out of the next.
    """
    height, width = grey.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = 1 + max(height, width) // 100  # of every so many pixels one is enough for six numbers
    sample, basis = grey[::step, ::step], terms[::step, ::step]
    margin = 1 + min(sample.shape) // 20
    border = np.ones(sample.shape, dtype=bool)
    border[margin:-margin, margin:-margin] = False
    distance = np.abs(sample - np.median(sample[border]))
    for among in [border] * 4 + [np.ones_like(border)] * 4:
        near = among & (distance <= max(3 * 1.4826 * np.median(distance[among]), 2))
        known = basis[near]
        weights = np.linalg.lstsq(known.T @ known, known.T @ sample[near], rcond=None)[0]
        distance = np.abs(sample - basis @ weights)
    paper: Floats = (terms @ weights).astype(np.float32)
    return paper


def _cropped(ink: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The rectangle around the strokes: its ink, and where in it the strokes are."""
    strokes = _strokes(ink)
    rows, columns = np.nonzero(strokes)
    crop = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    return ink[crop], strokes[crop]


def _strokes(ink: Floats) -> NDArray[np.bool_]:
    """Where the digit's ink is: not in specks, which are groups of cells of a coarse grid with little ink."""
    inked = torch.from_numpy(np.where(ink > EDGE, ink, 0))[None]
    cells = F.adaptive_max_pool2d(inked, [min(CELLS, side) for side in ink.shape])[0]
    # Each cell takes the highest number among its neighbours until a group has one number.
    group = torch.arange(1.0, cells.numel() + 1).view_as(cells) * (cells > 0)
    while not torch.equal(group, spread := F.max_pool2d(group[None], 3, 1, 1)[0] * (cells > 0)):
        group = spread
    mass = torch.bincount(group.long().ravel(), weights=cells.ravel())
    stroke = (mass >= SPECK * mass.max())[group.long()].float()
    near = F.interpolate(stroke[None, None], size=ink.shape)[0, 0]
    return ((inked[0] > 0) & (near > 0)).numpy()


def _thickened(ink: Floats, strokes: NDArray[np.bool_]) -> Floats:
    """The ink, its strokes made as thick as MNIST's thin ones if they are thinner than any of MNIST's.

    A pen is thinner than MNIST's strokes more often than not: scaled down to 20 pixels, such a digit is
    a faint line of a kind that no network has seen.
    """
    filled = torch.from_numpy(strokes).float()[None]
    inside = -F.max_pool2d(F.pad(-filled, [1] * 4), 3, stride=1)
    # A line of width w and length l has l w pixels, of which 2 l are its outline.
    width = 2 * float(filled.sum() / (filled - inside).sum())
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
    mass = digit.sum()
    y = digit.sum(axis=1) @ np.arange(height) / mass
    x = digit.sum(axis=0) @ np.arange(width) / mass
    top = min(max(SIDE // 2 - int(y + 0.5), 0), SIDE - height)
    left = min(max(SIDE // 2 - int(x + 0.5), 0), SIDE - width)
    picture[top : top + height, left : left + width] = np.rint(digit)
    return picture
