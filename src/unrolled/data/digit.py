"""The picture of one digit, brought into the form that MNIST's have."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from unrolled.data.frame import without_frame
from unrolled.data.morphology import Floats, Mask, grouped, opened, shrunk
from unrolled.data.ruling import without_dots, without_lines
from unrolled.data.sheet import find_sheet
from unrolled.errors import UnrolledError

SIDE, BOX = 28, 20  # the longer side of each digit of MNIST is 20 of the picture's 28 pixels
WORKING_SIDE, DETAIL = 320, 1280  # of a whole picture, and of one in which a sheet may be looked for
WIDE = 0.3  # of the longer side: wider than any stroke
CONTRAST = 12  # grey levels, of 255: less is the noise of a JPEG file or of paper
UNSHADED = 4  # times as likely ink is where no shade has to be taken off to see it
BEYOND = 0.2  # of the picture's own range of grey: farther beyond it no paper is
EDGE = 0.25  # of full ink; a soft edge fades out about here
CELLS = 56  # to a side of the grid in which strokes are told from specks
PIECES, HOLES = 4, 4  # of a digit, at most, with a break or two in its strokes and a blot or two
SPECK = 0.05  # of the largest stroke
DIGIT = 0.1  # of the longer side: the smallest digit
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
        ink, dark = _ink(grey)
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
    ink, _ = _ink(_shrink(grey), shaded=True)
    ink = _stretched(without_dots(without_lines(without_frame(ink))))
    return _placed(_scaled(_thickened(*_cropped(ink))))


def _ink(grey: Floats, shaded: bool = False) -> tuple[Floats, bool]:
    """How strong the ink is in each pixel, 1 where it is strongest, and whether it is dark."""
    paper = _paper(grey)
    lighter, darker = grey - paper, paper - grey
    noise = _noise(darker)
    if not shaded:
        dark = _energy(darker - 3 * noise) > _energy(lighter - 3 * noise)
        ink = darker if dark else lighter
    else:
        shades = _shade(lighter), _shade(darker)
        inks = lighter - shades[0], darker - shades[1]
        noise = min(_noise(ink) for ink in inks)
        # What lies between strokes is wider than strokes are; what is blank by its own noise is no ink.
        energy = [
            _energy(ink - 3 * noise)
            / max(_width(ink), 1)
            * bool(ink.max() > 6 * _noise(ink))
            * (UNSHADED if not shade.any() else 1)
            for ink, shade in zip(inks, shades, strict=True)
        ]
        dark = bool(energy[1] > energy[0])
        ink = inks[dark]
        if dark and shades[1].any():  # in half the light, ink takes away half as much
            lit = paper - shades[1]
            ink = ink * (lit.max() / lit.clip(lit.max() / 3))
        noise = _noise(ink)
    if ink.max() <= max(6 * noise, CONTRAST):
        raise UnrolledError("it is blank: expected a digit that is darker or lighter than its background")
    most = float(ink.max())
    floor = min(3 * noise, most / 2)
    return ((ink - floor) / (most - floor)).clip(0, 1), dark


def _noise(difference: Floats) -> float:
    """The standard deviation of the paper's lightness, whatever the ink is, and if it covers most of it."""
    return float(np.quantile(np.abs(difference), 0.15)) / 0.1891  # of a normal distribution


def _width(ink: Floats) -> float:
    """How wide the strokes are, in pixels, if this is ink."""
    strokes = ink > ink.max() / 2
    outline = strokes & ~shrunk(np.pad(strokes, 1))[1:-1, 1:-1]
    # A line of width w and length l has l w pixels, of which 2 l are its outline.
    return 2 * float(strokes.sum()) / max(float(outline.sum()), 1)


def _widest(picture: Floats) -> int:
    return max(round(WIDE * float(max(picture.shape))), 3)


def _shade(ink: Floats) -> Floats:
    """What seems to be ink but is too wide for a stroke, and goes on beyond the border: a shadow, a table."""
    widest = _widest(ink)
    smooth = F.avg_pool2d(F.pad(torch.from_numpy(ink)[None], [2] * 4, mode="replicate"), 5, 1)[0].numpy()
    wide = _wide(smooth, widest)
    ends = np.zeros(wide.shape, dtype=bool)
    for beyond in (wide > CONTRAST, wide < -CONTRAST):
        number = grouped(beyond)
        border = np.concatenate([number[0], number[-1], number[:, 0], number[:, -1]])
        ends |= np.isin(number, border[border > 0])
    shade = np.where(ends, wide, 0)
    if not shade.any():
        return shade
    # Squares reach neither its corners nor its soft edge. A stroke that it meets is no way on.
    corner = widest // 4 + 1
    shade = _spread(_spread(shade, _wide(smooth, corner), widest), ink, corner)
    # Where light falls off across a shadow, what is just wider than the strokes follows it better.
    narrow = min(max(round(2.5 * _width(ink - shade)), widest // 3), widest)
    closer = np.where(shade > CONTRAST, _wide(smooth, narrow).clip(shade), shade)
    return _spread(closer, ink, min(narrow, corner))


def _wide(ink: Floats, width: int) -> Floats:
    """The ink without what is narrower than this."""
    return opened(_continued(ink, width)[1:-1, 1:-1], width)


def _spread(shade: Floats, ink: Floats, far: int) -> Floats:
    """The shade, each level of it spread so many pixels, where the ink is at least that strong."""
    spread, most = torch.from_numpy(shade)[None], torch.from_numpy(np.maximum(ink, shade))[None]
    for _ in range(far):
        last, spread = spread, torch.minimum(F.max_pool2d(spread, 3, 1, 1), most)
        if torch.equal(spread, last):
            break
    return spread[0].numpy()


def _continued(ink: Floats, by: int) -> Floats:
    """The picture with more around it: paper beyond strokes, shadow beyond shadows.

    A stroke may meet the border, or lie along a side of it; a shadow or a table does along more than that.
    """
    height, width = ink.shape
    ring = np.concatenate([ink[0], ink[1:-1, -1], ink[-1, ::-1], ink[-2:0:-1, 0]])
    length = min(max(ink.shape) + 1, len(ring))
    long = opened(np.pad(ring, length - 1, mode="wrap")[None], length, (1,))[0]
    continued = ink.copy()
    continued[0], continued[1:-1, -1] = long[:width], long[width : width + height - 2]
    continued[-1, ::-1] = long[width + height - 2 : 2 * width + height - 2]
    continued[-2:0:-1, 0] = long[2 * width + height - 2 :]
    continued = np.pad(continued, by, mode="edge")
    continued[by:-by, by:-by] = ink
    return continued


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
        grey = np.where(mask, grey, _paper(grey, mask))
    return grey


def _energy(excess: Floats) -> float:
    return float(np.square(excess.clip(0)).sum())


def _shrink(grey: Floats, side: int = WORKING_SIDE) -> Floats:
    """Averaged down to at most so many pixels: enough for 20, and most of the noise is gone."""
    factor = -(-max(grey.shape) // side)
    return F.avg_pool2d(torch.from_numpy(grey)[None], factor, ceil_mode=True)[0].numpy()


def _paper(grey: Floats, sheet: Mask | None = None) -> Floats:
    """How light the paper is behind each pixel: a quadratic in x and y, fitted to all that is not ink.

    It starts as one level of the border's (its darkest fifth, the middle, the lightest), grows over the nearer
    half of the border and then of the whole picture; that start is taken which explains most of it.
    """
    height, width = grey.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = 1 + max(height, width) // 100  # of every so many pixels one is enough for six numbers
    sample, basis = grey[::step, ::step], terms[::step, ::step]
    margin = 1 + min(sample.shape) // 20
    inside = np.ones(sample.shape, dtype=bool) if sheet is None else sheet[::step, ::step]
    border = inside & ~shrunk(np.pad(inside, margin), margin)[margin:-margin, margin:-margin]
    fits = [
        _fitted(sample, basis, border, inside, start)
        for start in np.quantile(sample[border], [0.5, 0.8, 0.2])
    ]
    explained = [np.count_nonzero(np.abs(sample - basis @ fit)[inside] < CONTRAST / 2) for fit in fits]
    weights = fits[int(np.argmax(explained))]
    paper: Floats = (terms @ weights).astype(np.float32)
    low, high = sample[inside].min(), sample[inside].max()
    if paper.min() < low - BEYOND * (high - low) or paper.max() > high + BEYOND * (high - low):
        # Ink has taken the place of the paper: cut out so closely, there is paper in the corners if anywhere.
        corners = grey[:: max(height - 1, 1), :: max(width - 1, 1)]
        return np.full_like(grey, np.median(corners))
    return paper


def _fitted(
    sample: Floats, basis: NDArray[np.float64], border: Mask, inside: Mask, start: float
) -> NDArray[np.float64]:
    """The six numbers of the quadratic that is nearest to the half of the pixels that are nearest to it."""
    distance = np.abs(sample - start)
    for among in [border] * 4 + [inside] * 6:
        near = among & (distance <= max(float(np.median(distance[among])), 2))
        known = basis[near]
        weights = np.linalg.lstsq(known.T @ known, known.T @ sample[near], rcond=None)[0]
        distance = np.abs(sample - basis @ weights)
    return weights


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
