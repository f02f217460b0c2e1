"""The lightness of a picture of any format and mode."""

from __future__ import annotations

import io
import math
import os
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from unrolled.data.morphology import Floats, Mask
from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

# Pillow reads forty more: some start other programs, some unpack pictures inside pictures.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MOST_BYTES, MOST_PIXELS, MOST_SIDE = 1 << 28, 1 << 26, 30_000
ENOUGH_PIXELS = 1 << 22  # larger pictures are averaged down before they become floats
MOST_WORK = 1 << 30  # pixels times the scans of a JPEG file, each of which goes over all of them
FAINT = 0.25  # of the range of a colour: in lightness of less, what is drawn may not be seen
NEW_SCAN = b"\xff\xda"


class NoPictureError(UnrolledError):
    """It is none of FORMATS."""


def read_grey(path: str | os.PathLike[str]) -> Floats:
    """The lightness of a picture's first frame, from 0 to 255, [rows, columns], turned as its EXIF data says.

    What is drawn on nothing is the picture, in whatever colour. Where colours differ but hardly in lightness,
    such as red on a green as bright, it is how much there is of red, green or blue. More than 8 bits are
    spread over 0 to 255 from the darkest to the lightest. Very large pictures are averaged down.

    Raises:
        NoPictureError: it is none of FORMATS.
        UnrolledError: it cannot be opened, it is damaged or too large. Only of a file that cannot be opened
            the message has the name.
    """
    with open_foreign(path) as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise UnrolledError(f"it is too large: expected at most {MOST_BYTES:,} bytes")
        content = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _check_size(image, content)
                ImageOps.exif_transpose(image, in_place=True)
                return _grey(image)
        except UnidentifiedImageError:
            raise NoPictureError(f"it is no picture: expected {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError as error:
            raise UnrolledError(f"it is too large: {error}") from None
        except UnrolledError:
            raise
        except Exception as error:  # a damaged file raises whatever the reader of its format stumbles over
            raise UnrolledError(f"it is damaged, or of a kind that Pillow cannot read: {error}") from error


def _check_size(image: Image.Image, content: bytes) -> None:
    """Raise an UnrolledError, before it is decoded, if a picture would take too much memory or time."""
    width, height = image.size
    scans = content.count(NEW_SCAN) if image.info.get("progressive") else 1
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise UnrolledError(
            f"it is too large: {width} x {height} pixels, expected at most {MOST_PIXELS} and "
            f"{MOST_SIDE} to a side: make it smaller"
        )
    if width * height * scans > MOST_WORK:
        raise UnrolledError(f"it is too large: {width} x {height} pixels in {scans} scans: save it again")


def _shrunk(image: Image.Image) -> Image.Image:
    factor = math.isqrt(image.width * image.height // ENOUGH_PIXELS)
    return image.reduce(factor) if factor > 1 else image


def _grey(image: Image.Image) -> Floats:
    if image.mode.startswith(("I", "F")):  # more than 8 bits, of which some readers fill only a part
        image = _shrunk(image.convert("I") if image.mode.startswith("I;") else image)
        values = np.nan_to_num(np.array(image, dtype=np.float64), copy=False, posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
        values -= low
        values *= 255 / (high - low or 1)
        return values.astype(np.float32)
    if not image.has_transparency_data:
        if image.mode in ("1", "L"):
            return np.asarray(_shrunk(image.convert("L")), dtype=np.float32)
        return _lightness(_shrunk(image.convert("RGB"))).astype(np.float32)
    image = _shrunk(image if image.mode == "RGBA" else image.convert("RGBA"))
    alpha = np.asarray(image.getchannel("A"))
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if np.median(border) < 128:  # drawn on nothing: what is drawn is the picture, in whatever colour
        return alpha.astype(np.float32)
    seen = alpha >= 128
    grey = _lightness(image.convert("RGB"), seen)
    paper = np.median(grey[seen]).astype(np.float32)
    opacity = alpha.astype(np.float32) / 255
    return np.asarray(paper + (grey - paper) * opacity, dtype=np.float32)


def _lightness(image: Image.Image, seen: Mask | None = None) -> NDArray[np.uint8]:
    """Of a picture in red, green and blue; the one of these that differs most, if that differs far more.

    Args:
        image: it.
        seen: which pixels count, by default all: a colour that cannot be seen may be any.
    """
    grey, colours = np.asarray(image.convert("L")), np.asarray(image)
    if seen is None:
        seen = np.ones(grey.shape, dtype=bool)
    ranges = np.ptp(colours[seen], axis=0)
    return grey if np.ptp(grey[seen]) >= FAINT * ranges.max() else colours[..., int(ranges.argmax())]
