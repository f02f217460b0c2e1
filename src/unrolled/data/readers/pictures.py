"""Pictures: each becomes a sequence of its rows, or of its columns."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unrolled.data.grey import MOST_SIDE, read_grey
from unrolled.data.readers.kind import Found, Path
from unrolled.errors import UnrolledError, check_count, check_fields, unknown_name

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
WAYS = ("rows", "columns")
MOST_VALUES = 1 << 32  # of all pictures together: they are held in memory
MOST_OF_ONE = 1 << 26


@dataclasses.dataclass(frozen=True)
class PictureSettings:
    """How pictures become sequences.

    Attributes:
        by: "rows": a step is a row, from the top; "columns": a step is a column, from the left.
        width: I, the pixels of a step; None for the commonest among the pictures.

    Raises:
        UnrolledError: another way, or no such width.
    """

    by: str = "rows"
    width: int | None = None

    def __post_init__(self) -> None:
        if self.by not in WAYS:
            raise unknown_name("way to read pictures", self.by, WAYS)
        if self.width is not None:
            check_count("width", self.width, most=MOST_SIDE)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PictureSettings:
        """Those that `dataclasses.asdict` gave, nothing left open.

        Raises:
            UnrolledError: a value is missing, unknown or of another kind.
        """
        check_fields("setting of pictures", values, cls)
        for field in dataclasses.fields(cls):
            if values.get(field.name) is None:
                raise UnrolledError(f"{field.name}, a setting of pictures, is missing")
        return cls(**values)


def read_all(paths: Sequence[Path], settings: PictureSettings) -> Found:
    """The lightness of pictures, uint8 [T, I] each, which stands for 0 to 1: I pixels of T rows or columns.

    They may be of any size. One whose steps are of another width than that of the settings, or without one
    the commonest, is scaled to it with its sides in proportion, so that T becomes another; a note says so.
    Colours, transparency, more than 8 bits and the turn of a camera are dealt with as `read_grey` says.

    Raises:
        UnrolledError: a picture cannot be read, is damaged or too large, or would be when scaled, or all of
            them together are.
    """
    pictures, total = [], 0
    widths: collections.Counter[int] = collections.Counter()
    for path in paths:
        picture = _read_one(path, settings.by)
        widths[picture.shape[1]] += 1
        pictures.append(picture if settings.width is None else _of_width(picture, settings.width, path))
        total += pictures[-1].size
        if total > MOST_VALUES:
            raise UnrolledError(
                f"the pictures up to {path} have more than {MOST_VALUES:,} pixels together: make them "
                "smaller, or have them read with a smaller width"
            )
    width = settings.width or min(widths, key=lambda one: (-widths[one], one))
    pictures = [_of_width(picture, width, path) for picture, path in zip(pictures, paths, strict=True)]
    scaled = len(pictures) - widths[width]
    across, along = ("wide", "row") if settings.by == "rows" else ("high", "column")
    notes = [f"pictures are read {along} by {along}, as grey"]
    if scaled:
        notes.append(
            f"{scaled} of {len(paths)} pictures are scaled to be {width} pixels {across}, their "
            "sides in proportion"
        )
    features = tuple(f"pixel {place}" for place in range(1, width + 1))
    return Found(pictures, features, {"by": settings.by, "width": width}, tuple(notes))


def _read_one(path: Path, by: str) -> NDArray[np.uint8]:
    try:
        grey = read_grey(path)
    except UnrolledError as error:
        raise UnrolledError(f"cannot use {path}: {error}") from None
    values = np.rint(grey).clip(0, 255).astype(np.uint8)
    return values if by == "rows" else np.ascontiguousarray(values.T)


def _of_width(picture: NDArray[np.uint8], width: int, path: Path) -> NDArray[np.uint8]:
    """A picture [T, I] scaled to [T', width]."""
    steps, was = picture.shape
    if was == width:
        return picture
    wanted = max(1, round(steps * width / was))
    if wanted > MOST_SIDE or wanted * width > MOST_OF_ONE:
        raise UnrolledError(
            f"cannot use {path}: it has {steps} steps of {was} pixels, which become {wanted} when they are "
            f"scaled to {width}, expected at most {min(MOST_SIDE, MOST_OF_ONE // width)}"
        )
    return np.array(Image.fromarray(picture).resize((width, wanted), Image.Resampling.BILINEAR))
