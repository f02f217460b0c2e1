"""Digits from files: pictures of one digit each, or IDX files of many."""

from __future__ import annotations

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


def read_digits(path: str | os.PathLike[str]) -> Tensor:
    """The digits in a file, in the form that MNIST's have: white on black, 28 x 28.

    A picture in any format that Pillow reads holds one digit, of any size, dark on light or light on
    dark, on paper that may be ruled, framed, in shadow or on a table; it is brought into that form; one of
    28 x 28 is at most inverted. An IDX file, plain or gzip, holds pictures that have the form already. The
    content says which it is.

    Args:
        path: the file.

    Returns:
        uint8 [n, 28, 28], n = 1 for a picture.

    Raises:
        UnrolledError: there is no such file, it is none of these or damaged, it is blank or far too
            large, or an IDX file holds something else than pictures of 28 x 28.

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
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file) as image:
                return _grey(ImageOps.exif_transpose(image))
        except UnidentifiedImageError:
            raise UnrolledError("it is neither a picture that Pillow can read nor an IDX file") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UnrolledError(f"it is too large: {error}") from None
        except Exception as error:  # a damaged file raises whatever the reader of its format stumbles over
            raise UnrolledError(f"it is damaged, or of a kind that Pillow cannot read: {error}") from error


def _grey(image: Image.Image) -> Floats:
    if image.mode.startswith(("I", "F")):  # more than 8 bits, of which some readers fill only a part
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
        return ((values - low) * (255 / (high - low or 1))).astype(np.float32)
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"), dtype=np.float32)
    image = image.convert("RGBA")
    grey, alpha = np.asarray(image.convert("L")), np.asarray(image.getchannel("A"))
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if np.median(border) < 128:  # drawn on nothing: what is drawn is the picture, in whatever colour
        return alpha.astype(np.float32)
    paper = float(np.median(grey[alpha >= 128]))
    return (paper + (grey - paper) * (alpha / 255)).astype(np.float32)
