"""Digits from files of any kind, and one clear error for every bad one."""

import io
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from unrolled.data import load, read_digits, write_idx
from unrolled.errors import UnrolledError

DIGIT = load("sample").test.sequences[0].numpy()
assert DIGIT.max() == 255  # so that stretching its contrast changes nothing
NEITHER = "neither a picture that Pillow can read nor an IDX file"
LARGE = np.kron(DIGIT, np.ones((10, 10), dtype=np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


def digit_of(
    image: Image.Image, folder: Path, name: str = "digit.png", **options: object
) -> NDArray[np.uint8]:
    image.save(folder / name, **options)
    digits = read_digits(folder / name)
    assert (digits.dtype, tuple(digits.shape)) == (torch.uint8, (1, 28, 28))
    return digits[0].numpy()


def off(result: NDArray[np.uint8], digit: NDArray[np.uint8] = DIGIT) -> float:
    return float(np.abs(result.astype(float) - digit).mean())


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif", "a.tif", "a.ppm", "a.webp", "a.png.idx"])
def test_any_format_will_do_whatever_the_file_is_called(folder: Path, name: str) -> None:
    image = Image.fromarray(LARGE[:256, :256])
    assert off(digit_of(image, folder, name, format="PNG" if name.endswith("idx") else None)) < 1.5


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ((255, 0, 0), (0, 130, 0)),  # as bright as each other
        ((0, 130, 0), (255, 0, 0)),
        ((255, 255, 0), (255, 255, 255)),
        ((0, 90, 255), (200, 60, 60)),
    ],
)
@pytest.mark.parametrize("transparent", [False, True])
def test_ink_of_another_colour_is_seen_though_it_is_as_bright_as_its_ground(
    folder: Path, ink: tuple[int, ...], ground: tuple[int, ...], format: str, transparent: bool
) -> None:
    share = np.kron(DIGIT, np.ones((12, 12)))[..., None] / 255
    page = np.rint(share * np.array(ink) + (1 - share) * np.array(ground)).astype(np.uint8)
    picture = Image.fromarray(page)
    if transparent and format == "PNG":
        picture.putalpha(Image.fromarray(np.full(page.shape[:2], 254, dtype=np.uint8)))
    in_black = digit_of(Image.fromarray(np.rint(255 * (1 - share[..., 0])).astype(np.uint8)), folder)
    assert off(digit_of(picture, folder, "colours", format=format), in_black) < 6


def test_a_colour_below_what_is_transparent_hides_no_ink(folder: Path) -> None:
    """As in the round corners of a picture of a window, black below nothing."""
    share = np.kron(DIGIT, np.ones((12, 12)))[..., None] / 255
    page = np.rint(share * np.array((255, 0, 0)) + (1 - share) * np.array((0, 130, 0))).astype(np.uint8)
    page[:12, :12] = 0
    alpha = np.full(page.shape[:2], 255, dtype=np.uint8)
    alpha[:12, :12] = 0
    picture = Image.fromarray(page)
    picture.putalpha(Image.fromarray(alpha))
    in_black = digit_of(Image.fromarray(np.rint(255 * (1 - share[..., 0])).astype(np.uint8)), folder)
    assert off(digit_of(picture, folder), in_black) < 6


@pytest.mark.parametrize("format", ["TGA", "ICO", "PCX", "JPEG2000", "EPS"])
def test_formats_that_nobody_writes_digits_in_are_not_opened(folder: Path, format: str) -> None:
    """Some hold pictures inside pictures, whose sizes nobody has checked; EPS is a program."""
    Image.fromarray(LARGE[:256, :256]).save(folder / "digit", format)
    with pytest.raises(UnrolledError, match=NEITHER):
        read_digits(folder / "digit")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "I", "F", "CMYK"])
@pytest.mark.parametrize("dark", [False, True])
def test_any_mode_of_28_by_28_keeps_the_grey_values(folder: Path, mode: str, dark: bool) -> None:
    grey = 255 - DIGIT if dark else DIGIT
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert(mode)
    name = "digit.tif" if mode in ("F", "CMYK", "I") else "digit.png"
    assert (digit_of(image, folder, name) == DIGIT).all()


def test_values_that_are_not_finite_are_left_out(folder: Path) -> None:
    grey = DIGIT.astype(np.float32)
    grey[0, :3] = np.inf, -np.inf, np.nan
    assert (digit_of(Image.fromarray(grey), folder, "digit.tif") == DIGIT).all()


def test_black_and_white_will_do(folder: Path) -> None:
    result = digit_of(Image.fromarray(LARGE > 127), folder)
    assert off(result, np.where(DIGIT > 127, 255, 0)) < 20
    assert (digit_of(Image.fromarray(DIGIT > 127), folder) == np.where(DIGIT > 127, 255, 0)).all()


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_what_is_drawn_on_nothing_is_the_digit_in_any_colour(folder: Path, colour: int) -> None:
    for picture, most in ((DIGIT, 0), (LARGE, 0.5)):
        ink = Image.new("L", picture.shape[::-1], colour)
        image = Image.merge("LA", [ink, Image.fromarray(picture)])
        assert off(digit_of(image, folder)) <= most
        assert off(digit_of(image.convert("RGBA"), folder)) <= most


def test_a_transparent_colour_of_a_palette_is_nothing(folder: Path) -> None:
    image = Image.fromarray((LARGE > 127).astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 0])
    assert off(digit_of(image, folder, transparency=0), np.where(DIGIT > 127, 255, 0)) < 20


def test_the_transparent_corners_of_a_page_are_paper(folder: Path) -> None:
    grey, alpha = 255 - LARGE, np.full_like(LARGE, 255)
    for corner in (np.s_[:60, :40], np.s_[-60:, -40:]):
        grey[corner], alpha[corner] = 0, 0
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    assert off(digit_of(image, folder)) < 0.5


@pytest.mark.parametrize("name", ["turned.jpg", "turned.png"])
def test_a_photograph_is_turned_as_its_exif_data_says(folder: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    turned = Image.fromarray(np.rot90(LARGE).copy())
    assert off(digit_of(turned, folder, name, exif=exif)) < 2
    assert off(digit_of(turned, folder, name)) > 15


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "F"])
def test_a_very_large_picture_is_the_digit_that_a_large_one_is(folder: Path, mode: str) -> None:
    grey = 255 - np.kron(DIGIT, np.ones((150, 150), dtype=np.uint8))
    image = (
        Image.fromarray(grey.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(grey).convert(mode)
    )
    assert off(digit_of(image, folder, "digit.tif")) < 1.5


@pytest.mark.parametrize("dark", [False, True])
def test_the_noise_of_jpeg_is_left_out(folder: Path, dark: bool) -> None:
    image = Image.fromarray(255 - LARGE if dark else LARGE)
    result = digit_of(image, folder, "digit.jpg", quality=60)
    assert off(result) < 2
    assert not result[:3].any()


@pytest.mark.parametrize("name", ["digits", "digits.gz", "digits.png"])
def test_an_idx_file_gives_all_its_pictures_as_they_are(folder: Path, name: str) -> None:
    digits = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    write_idx(folder / name, digits)
    assert (read_digits(folder / name).numpy() == digits).all()
    write_idx(folder / name, digits[0])
    assert (read_digits(str(folder / name)).numpy() == digits[:1]).all()


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((2, 28, 27), "u1"), r"uint8 \[2, 28, 27\]"),
        (np.zeros((28, 28), "f4"), r"float32 \[28, 28\]"),
        (np.zeros((1, 1, 28, 28), "u1"), r"uint8 \[1, 1, 28, 28\]"),
        (np.zeros((0, 28, 28), "u1"), r"uint8 \[0, 28, 28\]"),
        (np.zeros(10, "u1"), r"uint8 \[10\]"),
    ],
)
def test_an_idx_file_of_something_else_is_refused(folder: Path, array: np.ndarray, found: str) -> None:
    write_idx(folder / "other", array)
    message = rf"other holds {found}, expected uint8 \[28, 28\] or \[n, 28, 28\]"
    with pytest.raises(UnrolledError, match=message):
        read_digits(folder / "other")


def encoded(image: Image.Image, format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", NEITHER),
        (b"not a picture", NEITHER),
        (b"\0\0\x08\0", NEITHER),
        (b"\x1f\x8b\x08", "damaged gzip file"),
        (b"\0\0\x08\x03\0\0", "ends inside its header"),
        (
            encoded(Image.fromarray(LARGE), "PNG")[:-100],
            "damaged, or of a kind that Pillow cannot read: .*truncated",
        ),
        (
            encoded(Image.fromarray(LARGE), "JPEG")[:2000],
            "damaged, or of a kind that Pillow cannot read: .*truncated",
        ),
        (encoded(Image.new("RGB", (90, 90), "white"), "PNG"), "it is blank"),
        (encoded(Image.new("RGBA", (90, 90)), "PNG"), "it is blank"),
        (encoded(Image.new("F", (90, 90), float("nan")), "TIFF"), "it is blank"),
        (encoded(Image.new("1", (10_000, 10_000)), "PNG"), "it is too large: 10000 x 10000 pixels"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "it is too large: .*400000000 pixels"),
        (encoded(Image.new("1", (1, 30_001)), "PNG"), "it is too large: 1 x 30001 pixels"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(folder: Path, content: bytes, message: str) -> None:
    path = folder / "bad.png"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UnrolledError, match=message) as caught:
        read_digits(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).count(str(path)) == 1
    assert peak < 8 << 20


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"cannot read .*missing\.png: No such file or directory"):
        read_digits(tmp_path / "missing.png")
    with pytest.raises(UnrolledError, match=r"cannot read .*: Is a directory"):
        read_digits(tmp_path)


SMALL = Image.fromarray(LARGE[::4, ::4])
FILES = [
    encoded(SMALL.convert(mode), format) for format, mode in (("PNG", "LA"), ("JPEG", "RGB"), ("GIF", "P"))
]
FILES += [encoded(SMALL, "BMP"), encoded(SMALL, "TIFF"), encoded(SMALL, "WEBP")]


@settings(max_examples=150)
@given(content=st.sampled_from(FILES), seed=st.integers(0, 10**6), flips=st.integers(0, 4), cut=st.booleans())
def test_any_damaged_file_is_a_digit_or_an_error(
    folder: Path, content: bytes, seed: int, flips: int, cut: bool
) -> None:
    dice = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(flips):
        damaged[min(dice.randrange(len(damaged)), dice.randrange(len(damaged)))] ^= dice.randrange(1, 256)
    if cut:
        del damaged[dice.randrange(1, len(damaged)) :]
    read_or_refuse(folder, bytes(damaged))


@settings(max_examples=100)
@given(start=st.sampled_from([b"", *(content[:20] for content in FILES)]), rest=st.binary(max_size=100))
def test_any_bytes_are_a_digit_or_an_error(folder: Path, start: bytes, rest: bytes) -> None:
    read_or_refuse(folder, start + rest)


def read_or_refuse(folder: Path, content: bytes) -> None:
    (folder / "any").write_bytes(content)
    try:
        digits = read_digits(folder / "any")
    except UnrolledError:
        return
    assert digits.shape[1:] == (28, 28)
