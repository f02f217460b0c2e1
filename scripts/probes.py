"""Pictures to try a reader of digits with: digits in handwriting fonts, and what is no digit at all.

Nothing here is trained on. Letters and numbers are set in fonts of Debian, which need not be installed:

    mkdir fonts && cd fonts
    apt-get download fonts-dejavu-core fonts-liberation fonts-freefont-ttf fonts-dancingscript \
        fonts-dkg-handwriting fonts-breip fonts-kristi fonts-bwht
    for package in *.deb; do dpkg-deb -x $package .; done

Scenes are drawn: none is a photograph. Every picture is grey, [rows, columns] from 0 to 255, as a camera or
a drawing program would give it, and goes through all that `unrolled predict` does with a file.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Grey = NDArray[np.float32]

# Two printed with and without serifs, a typewriter's, a script and a handwriting.
OF_LETTERS = (
    "DejaVuSans.ttf",
    "LiberationSerif-Regular.ttf",
    "FreeMono.ttf",
    "DancingScript-Regular.otf",
    "dkg.ttf",
)
HANDWRITING = ("dkg.ttf", "Breip.ttf", "Kristi.ttf", "BecauseWeLearn-Regular.otf")
PAPER, INK = 245, 25
SIDE = 140  # pixels: enough for a digit of 20


def find_font(folder: Path, name: str) -> Path:
    """The file of a font below a folder.

    Raises:
        SystemExit: it is not there.
    """
    found = sorted(folder.rglob(name))
    if not found:
        raise SystemExit(
            f"no {name} below {folder}: the beginning of {Path(__file__).name} says how to get it"
        )
    return found[0]


def written(text: str, font: Path, size: int = 90) -> Grey:
    """Text in dark ink on light paper, with a margin around it."""
    face = ImageFont.truetype(str(font), size)
    left, top, right, bottom = face.getbbox(text)
    width, height = int(right - left), int(bottom - top)
    margin = SIDE // 5
    page = Image.new("L", (width + 2 * margin, height + 2 * margin), PAPER)
    ImageDraw.Draw(page).text((margin - left, margin - top), text, fill=INK, font=face)
    return np.asarray(page, np.float32)


def letters(fonts: Path, alphabet: str = string.ascii_uppercase) -> Iterator[tuple[str, str, Grey]]:
    """Font, letter and picture of each letter in each of five fonts."""
    for name in OF_LETTERS:
        for letter in alphabet:
            yield name, letter, written(letter, find_font(fonts, name))


def font_digits(fonts: Path) -> Iterator[tuple[str, int, Grey]]:
    """Font, digit and picture of the ten digits in four handwriting fonts: 40."""
    for name in HANDWRITING:
        for digit in range(10):
            yield name, digit, written(str(digit), find_font(fonts, name))


def font_numbers(fonts: Path) -> Iterator[tuple[str, Grey]]:
    """The numbers from 10 to 99, the five fonts in turn."""
    for number in range(10, 100):
        yield str(number), written(str(number), find_font(fonts, OF_LETTERS[number % len(OF_LETTERS)]))


def pairs(digits: NDArray[np.uint8], count: int = 90) -> Iterator[Grey]:
    """Two handwritten digits side by side, 2 k and 2 k + 1 of those given [N, 28, 28], dark on light."""
    for left, right in digits[: 2 * count].reshape(-1, 2, 28, 28):
        yield _taken(np.concatenate([left, right], axis=1))


def paper(digit: NDArray[np.uint8]) -> Grey:
    """A handwritten digit [28, 28] as a picture of it would be: larger, dark on light, with a margin."""
    return _taken(np.pad(digit, 6))


def _taken(ink: NDArray[np.uint8]) -> Grey:
    """Ink, light on black, as a camera has it: dark on light paper, four times as large, a little blurred."""
    large = ink.repeat(4, axis=0).repeat(4, axis=1)
    page = Image.fromarray((PAPER - large * ((PAPER - INK) / 255)).astype(np.uint8))
    return np.asarray(page.filter(ImageFilter.GaussianBlur(1.5)), np.float32)


def scenes(each: int = 10, seed: int = 0) -> Iterator[tuple[str, Grey]]:
    """The kind and the picture of so many scenes of each kind."""
    for kind, draw in SCENES.items():
        for index in range(each):
            random = np.random.default_rng([seed, *kind.encode(), index])
            picture = np.asarray(draw(random), np.float32)
            yield kind, (picture + random.normal(0, 2, picture.shape).astype(np.float32)).clip(0, 255)


Random = np.random.Generator


def _ramp(random: Random) -> Grey:
    """Light that falls off in one direction."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    angle = random.uniform(0, 2 * np.pi)
    return (128 + 120 * np.tanh(random.uniform(0.5, 3) * (x * np.cos(angle) + y * np.sin(angle)))).astype("f")


def _clouds(random: Random) -> Grey:
    """Noise on all scales, the larger the stronger, as clouds, plaster or grass from afar have it."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(random.normal(size=(SIDE, SIDE))) / frequency ** random.uniform(0.8, 1.8)
    waves = np.fft.ifft2(spectrum).real
    return (128 + 50 * (waves - waves.mean()) / waves.std()).clip(0, 255).astype("f")


def _stripes(random: Random) -> Grey:
    """A fence, a sweater, a zebra: waves, bent a little."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    angle, bend = random.uniform(0, np.pi), random.uniform(0, 0.6)
    across = x * np.cos(angle) + y * np.sin(angle) + bend * np.sin(3 * y)
    return (128 + 100 * np.sin(random.uniform(8, 40) * across)).astype("f")


def _tiles(random: Random) -> Grey:
    """A floor of squares of random lightness."""
    count = int(random.integers(3, 9))
    tiles = random.uniform(20, 235, (count, count))
    return np.kron(tiles, np.ones((SIDE // count + 1,) * 2))[:SIDE, :SIDE].astype("f")


def _canvas(random: Random, light: bool = True) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("L", (SIDE, SIDE), int(random.uniform(200, 250) if light else random.uniform(90, 200)))
    return page, ImageDraw.Draw(page)


def _house(random: Random) -> Grey:
    """A house with a door and a window, drawn in lines."""
    page, pen = _canvas(random)
    left, right = random.uniform(15, 35), random.uniform(105, 125)
    roof, eaves, ground = random.uniform(10, 25), random.uniform(50, 70), random.uniform(110, 130)
    width, door = int(random.integers(2, 6)), random.uniform(0.2, 0.5)
    pen.rectangle((left, eaves, right, ground), outline=INK, width=width)
    pen.line((left, eaves, (left + right) / 2, roof, right, eaves), fill=INK, width=width)
    begin = left + door * (right - left)
    pen.rectangle((begin, (eaves + ground) / 2, begin + 18, ground), outline=INK, width=width)
    pen.rectangle((right - 28, eaves + 12, right - 12, eaves + 28), outline=INK, width=width)
    return np.asarray(page, np.float32)


def _face(random: Random) -> Grey:
    """A face in lines, merry or sad."""
    page, pen = _canvas(random)
    width, size = int(random.integers(2, 7)), random.uniform(40, 58)
    middle = SIDE / 2
    pen.ellipse((middle - size, middle - size, middle + size, middle + size), outline=INK, width=width)
    for side in (-1, 1):
        x, y = middle + side * 0.4 * size, middle - 0.3 * size
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=INK)
    mouth = (middle - 0.5 * size, middle - 0.2 * size, middle + 0.5 * size, middle + 0.6 * size)
    first = 20 if random.random() < 0.5 else 200
    pen.arc(mouth, first, first + 140, fill=INK, width=width)
    return np.asarray(page, np.float32)


def _tree(random: Random) -> Grey:
    """A tree of branches on branches."""
    page, pen = _canvas(random)

    def branch(x: float, y: float, angle: float, length: float, width: float) -> None:
        if length < 7:
            return
        end = x + length * np.sin(angle), y - length * np.cos(angle)
        pen.line((x, y, *end), fill=INK, width=max(1, int(width)))
        for turn in (-random.uniform(0.25, 0.7), random.uniform(0.25, 0.7)):
            branch(*end, angle + turn, length * random.uniform(0.6, 0.8), 0.7 * width)

    branch(SIDE / 2, SIDE - 8, 0.0, random.uniform(28, 40), random.uniform(4, 8))
    return np.asarray(page, np.float32)


def _landscape(random: Random) -> Grey:
    """Hills behind hills under a sky with a sun, soft as a photograph."""
    x = np.linspace(0, 1, SIDE)
    sky = np.linspace(random.uniform(180, 220), 245, SIDE)[:, None].repeat(SIDE, axis=1)
    page = Image.fromarray(sky.astype(np.uint8))
    pen = ImageDraw.Draw(page)
    sun, size = random.uniform(20, 120), random.uniform(7, 15)
    pen.ellipse((sun - size, 30 - size, sun + size, 30 + size), fill=255)
    for row, lightness in zip((60, 85, 110), (170, 120, 70), strict=True):
        waves = sum(random.uniform(3, 9) * np.sin(k * 6 * x + random.uniform(0, 6)) for k in (1, 2, 3))
        outline = list(zip(range(SIDE), (row + waves).tolist(), strict=True))
        pen.polygon([*outline, (SIDE, SIDE), (0, SIDE)], fill=int(lightness + random.uniform(-20, 20)))
    return np.asarray(page.filter(ImageFilter.GaussianBlur(1)), np.float32)


def _things(random: Random) -> Grey:
    """Balls and boxes on a table, with shades."""
    page, pen = _canvas(random, light=False)
    for _ in range(int(random.integers(3, 8))):
        x, y, size = *random.uniform(15, 125, 2), random.uniform(8, 30)
        lightness = int(random.uniform(10, 250))
        pen.ellipse((x - size, y + 0.6 * size, x + size, y + 1.2 * size), fill=60)
        draw = pen.ellipse if random.random() < 0.5 else pen.rectangle
        draw((x - size, y - size, x + size, y + size), fill=lightness)
    return np.asarray(page.filter(ImageFilter.GaussianBlur(1)), np.float32)


def _scribble(random: Random) -> Grey:
    """What a pen does that nobody looks at."""
    page, pen = _canvas(random)
    corners = random.normal(0, 1, (int(random.integers(8, 20)), 2)).cumsum(axis=0)
    corners = (corners - corners.min(axis=0)) / np.ptp(corners, axis=0) * (SIDE - 40) + 20
    pen.line([(x, y) for x, y in corners.tolist()], fill=INK, width=int(random.integers(3, 8)), joint="curve")
    return np.asarray(page, np.float32)


SCENES: dict[str, Callable[[Random], Grey]] = {
    "gradient": _ramp,
    "clouds": _clouds,
    "stripes": _stripes,
    "tiles": _tiles,
    "house": _house,
    "face": _face,
    "tree": _tree,
    "landscape": _landscape,
    "things": _things,
    "scribble": _scribble,
}
