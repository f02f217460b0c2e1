"""Ink told from the paper behind it, which may be lit unevenly, and from the shadows over it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from unrolled.data.morphology import Floats, Mask, grouped, opened, shrunk, stroke_width
from unrolled.errors import UnrolledError

WIDE = 0.3  # of the longer side: wider than any stroke
CONTRAST = 12  # grey levels, of 255: less is the noise of a JPEG file or of paper
UNSHADED = 4  # times as likely ink is where no shade has to be taken off to see it
BEYOND = 0.2  # of the picture's own range of grey: farther beyond it no paper is


def find_ink(grey: Floats, shaded: bool = False) -> tuple[Floats, bool]:
    """How strong the ink is in each pixel, 1 where it is strongest, and whether it is dark."""
    paper = find_paper(grey)
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
    return stroke_width(ink > ink.max() / 2)


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


def _energy(excess: Floats) -> float:
    return float(np.square(excess.clip(0)).sum())


def find_paper(grey: Floats, sheet: Mask | None = None) -> Floats:
    """How light the paper is behind each pixel: a quadratic in x and y, fitted to all that is not ink.

    It starts as a level of the border's (dark, middling or light), and goes over to the nearer half of the
    border and then of the whole picture; the start that explains most of the picture is the one taken.
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
        weights: NDArray[np.float64] = np.linalg.lstsq(known.T @ known, known.T @ sample[near], rcond=None)[0]
        distance = np.abs(sample - basis @ weights)
    return weights
