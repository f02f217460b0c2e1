"""Digits from files: pictures of one digit each, or IDX files of many."""

from __future__ import annotations

import io
import math
import os
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from unrolled.data.digit import as_mnist
from unrolled.data.idx import is_idx, read_idx
from unrolled.data.morphology import Floats
from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

# Pillow reads forty more: some start other programs, some unpack pictures inside pictures.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MOST_BYTES, MOST_PIXELS, MOST_SIDE = 1 << 28, 1 << 26, 30_000
ENOUGH_PIXELS = 1 << 22  # larger pictures are averaged down before they become floats
MOST_WORK = 1 << 30  # pixels times the scans of a JPEG file, each of which goes over all of them
NEW_SCAN = b"\xff\xda"


def read_digits(path: str | os.PathLike[str]) -> Tensor:
    """The digits in a file, in the form that MNIST's have: white on black, 28 x 28.

    A picture (PNG, JPEG, GIF, BMP, TIFF, WebP or PPM) holds one digit, of any size, dark on light or light
    on dark, on paper that may be ruled, framed, in shadow or on a table, and is brought into that form; one
    of 28 x 28 is at most inverted. An IDX file, plain or gzip, holds pictures that have the form already.
    The content says which it is.

    Args:
        path: the file.

    Returns:
        uint8 [n, 28, 28], n = 1 for a picture.

    Raises:
        UnrolledError: there is no such file, it is none of these or damaged, it is blank or too large (64
            million pixels, 30,000 to a side, 256 MB), or an IDX file holds something else than pictures of
            28 x 28.

    >>> from unrolled.data.mnist import SAMPLE
    >>> tuple(read_digits(SAMPLE / "t10k-images-idx3-ubyte.gz").shape)
    (1000, 28, 28)
    """
    if is_idx(path):
        images = read_idx(path)
        if images.dtype != np.uint8 or images.shape[-2:] != (28, 28) or images.ndim > 3 or not images.size:
            raise UnrolledError(
                f"{path} holds {images.dtype} {list(images.shape)}, expected uint8 [28, 28] or [n, 28, 28]"
            )
        return torch.from_numpy(images).view(-1, 28, 28)
    try:
        return torch.from_numpy(as_mnist(_read_grey(path)))[None]
    except UnrolledError as error:
        raise UnrolledError(f"cannot use {path}: {error}") from error


def _read_grey(path: str | os.PathLike[str]) -> Floats:
    """The lightness of a picture's first frame, from 0 to 255, turned as its EXIF data says."""
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
            raise UnrolledError("it is neither a picture that Pillow can read nor an IDX file") from None
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
        return np.asarray(_shrunk(image.convert("L")), dtype=np.float32)
    image = _shrunk(image if image.mode == "RGBA" else image.convert("RGBA"))
    grey, alpha = np.asarray(image.convert("L")), np.asarray(image.getchannel("A"))
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if np.median(border) < 128:  # drawn on nothing: what is drawn is the picture, in whatever colour
        return alpha.astype(np.float32)
    paper = np.median(grey[alpha >= 128]).astype(np.float32)
    opacity = alpha.astype(np.float32) / 255
    return np.asarray(paper + (grey - paper) * opacity, dtype=np.float32)
