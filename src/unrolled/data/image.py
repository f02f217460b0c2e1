"""Digits from files: pictures of one digit each, or IDX files of many."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from unrolled.data.digit import as_mnist
from unrolled.data.grey import NoPictureError, read_grey
from unrolled.data.idx import is_idx, read_idx
from unrolled.errors import UnrolledError


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
        return torch.from_numpy(as_mnist(read_grey(path)))[None]
    except NoPictureError:
        raise UnrolledError(
            f"cannot use {path}: it is neither a picture that Pillow can read nor an IDX file"
        ) from None
    except UnrolledError as error:
        raise UnrolledError(f"cannot use {path}: {error}") from error
