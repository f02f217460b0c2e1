"""Pictures of digits become what MNIST's are: measured on the sample's, made large, noisy and uneven."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unrolled.data import load
from unrolled.data.digit import as_mnist
from unrolled.errors import UnrolledError

DIGITS = load("sample").test.sequences[:20].numpy()
NEAREST, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BICUBIC
Floats = NDArray[np.float32]


def enlarged(digit: NDArray[np.uint8], how: Image.Resampling, side: int = 280) -> Floats:
    return np.array(Image.fromarray(digit).resize((side, side), how), dtype=np.float32)


def page(digit: NDArray[np.uint8], noise: float, shade: float) -> Floats:
    """Dark ink on a light page that is larger, grainy, and darker towards one corner."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:500, 0:420].astype(np.float32)
    paper = 240 - shade * (0.6 * x / 420 + 0.4 * (y / 500) ** 2)
    paper[150:430, 60:340] *= 1 - enlarged(digit, BICUBIC) / 255
    return (paper + random.normal(0, noise, paper.shape)).clip(0, 255).astype(np.float32)


def distance(result: NDArray[np.uint8], digit: NDArray[np.uint8]) -> float:
    return float(np.abs(result.astype(float) - digit).mean())


def drawn(width: int, *lines: list[tuple[int, int]], size: tuple[int, int] = (300, 400)) -> Floats:
    """Black lines on white paper."""
    image = Image.new("L", size, 255)
    for line in lines:
        ImageDraw.Draw(image).line(line, fill=0, width=width)
    return np.array(image, dtype=np.float32)


SEVEN = [(60, 80), (220, 80), (120, 320)]


@pytest.mark.parametrize("dark", [False, True])
def test_a_digit_enlarged_pixel_by_pixel_comes_back(dark: bool) -> None:
    grey = [enlarged(digit, NEAREST) for digit in DIGITS]
    results = [as_mnist(255 - picture if dark else picture) for picture in grey]
    distances = [distance(result, digit) for result, digit in zip(results, DIGITS, strict=True)]
    assert np.median(distances) < 0.5


@pytest.mark.parametrize(
    ("noise", "shade"),
    [(0.0, 0.0), (8.0, 0.0), (25.0, 0.0), (3.0, 150.0)],
    ids=["clean", "grainy", "coarse", "uneven"],
)
def test_a_digit_on_a_page_comes_near(noise: float, shade: float) -> None:
    for invert in (False, True):
        grey = (page(digit, noise, shade) for digit in DIGITS)
        results = [as_mnist(255 - picture if invert else picture) for picture in grey]
        distances = [distance(result, digit) for result, digit in zip(results, DIGITS, strict=True)]
        others = [distance(result, digit) for result, digit in zip(results[1:], DIGITS, strict=False)]
        assert np.mean(distances) < 12, "with soft edges the strokes come out a little wider"
        assert np.mean(others) > 30


def test_a_picture_of_28_by_28_is_taken_as_it_is_or_inverted() -> None:
    for digit in DIGITS:
        grey = digit.astype(np.float32)
        assert (as_mnist(grey) == digit).all()
        assert (as_mnist(255 - grey) == digit).all()
    off_centre = np.zeros((28, 28), dtype=np.float32)
    off_centre[2:9, 20:26] = 100
    assert (as_mnist(off_centre) == off_centre).all()


@pytest.mark.parametrize(("height", "width"), [(200, 100), (90, 180), (120, 120), (15, 5)])
def test_the_longer_side_becomes_20_and_the_shape_stays(height: int, width: int) -> None:
    grey = np.zeros((317, 263), dtype=np.float32)
    grey[20 : 20 + height, 40 : 40 + width] = 70
    result = as_mnist(grey)
    rows, columns = np.flatnonzero(result.any(axis=1)), np.flatnonzero(result.any(axis=0))
    longest = max(height, width)
    assert len(rows) == 20 * height // longest
    assert len(columns) == pytest.approx(20 * width / longest, abs=1)
    assert result.max() == 255


def test_the_centre_of_mass_is_in_the_middle() -> None:
    triangle = np.tril(np.full((200, 200), 255, dtype=np.float32))
    for turn in range(4):
        result = as_mnist(np.pad(np.rot90(triangle, turn), 30)).astype(float)
        y, x = (result.sum(axis) @ np.arange(28) / result.sum() for axis in (1, 0))
        assert (round(y), round(x)) == (14, 14)
        box = np.argwhere(result)
        assert (box.min(axis=0) + box.max(axis=0)).tolist() != [27, 27], "which is not the middle of its box"


def test_contrast_is_stretched_to_255() -> None:
    faint = 200 - 30 * (drawn(20, SEVEN) < 128).astype(np.float32)
    assert as_mnist(faint).max() == 255
    assert distance(as_mnist(faint), as_mnist(drawn(20, SEVEN))) < 1


def test_specks_far_from_the_digit_are_left_out() -> None:
    clean = drawn(20, SEVEN)
    dusty = clean.copy()
    for y, x in ((10, 10), (390, 290), (200, 280), (380, 20)):
        dusty[y : y + 3, x : x + 3] = 0
    assert (as_mnist(dusty) == as_mnist(clean)).all()


def test_strokes_that_stand_apart_all_count() -> None:
    five = as_mnist(
        drawn(20, [(100, 80), (200, 80)], [(100, 130), (100, 200), (200, 230), (190, 300), (90, 310)])
    )
    assert five[4:7].max() > 200, "its bar"
    assert five[7].max() == 0
    assert five[8:24].any(axis=1).all()


def test_a_thin_pen_gives_strokes_as_thick_as_mnist_s() -> None:
    thin, thick = as_mnist(drawn(2, SEVEN)), as_mnist(drawn(24, SEVEN))
    assert 0.8 < thin.mean() / thick.mean() < 1.4
    assert (thin > 200).sum(axis=1)[8:20].min() >= 1, "a full line, not a faint one"
    ordinary = drawn(30, SEVEN)
    rows, columns = np.nonzero(ordinary < 128)
    crop = ordinary[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    size = max(1, round(20 * crop.shape[1] / crop.shape[0])), 20
    plain = np.array(Image.fromarray(255 - crop).resize(size, Image.Resampling.BOX))
    assert as_mnist(ordinary).sum() == pytest.approx(plain.sum(), rel=0.02), "others are left alone"


def test_large_pictures_lose_nothing_but_noise() -> None:
    large = enlarged(DIGITS[0], NEAREST, 2800)
    random = np.random.default_rng(0)
    noisy = large + random.normal(0, 60, large.shape).astype(np.float32)
    assert distance(as_mnist(large), DIGITS[0]) < 1.5
    assert distance(as_mnist(noisy.clip(0, 255)), DIGITS[0]) < 4


def test_small_pictures_are_made_larger() -> None:
    grey = np.array(
        Image.fromarray(DIGITS[0][4:24, 4:24]).resize((12, 12), Image.Resampling.BOX), dtype=np.float32
    )
    result = as_mnist(np.pad(grey, 2))
    assert distance(result, DIGITS[0]) < 20
    assert len(np.flatnonzero(result.any(axis=1))) == 20


@pytest.mark.parametrize(
    "blank",
    [
        np.zeros((28, 28)),
        np.full((28, 28), 255.0),
        np.full((300, 200), 128.0),
        np.add.outer(np.linspace(0, 90, 300), np.linspace(0, 60, 200)),
        np.random.default_rng(0).normal(200, 3, (300, 200)),
        np.random.default_rng(0).normal(128, 30, (400, 400)),
        np.zeros((1, 1)),
    ],
    ids=["black", "white", "grey", "shaded", "paper", "grainy", "pixel"],
)
def test_a_picture_without_ink_is_refused(blank: NDArray[np.float64]) -> None:
    with pytest.raises(
        UnrolledError, match="it is blank: expected a digit that is darker or lighter than its"
    ):
        as_mnist(blank.astype(np.float32))


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
        elements=st.integers(0, 255).map(float),
    )
)
def test_any_picture_is_a_digit_or_refused(grey: Floats) -> None:
    before = grey.copy()
    try:
        result = as_mnist(grey)
    except UnrolledError:
        return
    assert (result.shape, result.dtype, result.max() > 0) == ((28, 28), np.uint8, True)
    assert (grey == before).all()


def test_the_result_can_become_a_tensor() -> None:
    assert torch.from_numpy(as_mnist(drawn(20, SEVEN))).shape == (28, 28)
