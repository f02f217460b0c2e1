"""Draws digits of MNIST as a camera or a scanner finds them: on a dozen kinds of paper.

Each kind is a function of a digit and a generator of random numbers, and draws a picture of 300 to 700
pixels in colour. `python -m tests.data.papers FOLDER` draws one of each to look at.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Colour = tuple[int, int, int]
Random = np.random.Generator
WHITE: Colour = (238, 236, 230)
BLACK: Colour = (40, 40, 44)


def thick(digit: Bytes, side: int) -> Floats:
    """A marker's ink, 1 where it is full: the digit as MNIST has it, made larger, with its own soft edge."""
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    return (np.asarray(large, np.float32) / 255 * 1.6 - 0.3).clip(0, 1)


def thin(digit: Bytes, side: int, width: float) -> Floats:
    """A pen's ink: the middle line of the digit's strokes, drawn again `width` pixels wide."""
    line = skeleton(np.asarray(Image.fromarray(digit).resize((112, 112), Image.Resampling.BICUBIC)) > 110)
    points = np.argwhere(line) * (side / 112)
    image = Image.new("L", (4 * side, 4 * side))
    pen = ImageDraw.Draw(image)
    for number, (y, x) in enumerate(points):
        for other in points[number + 1 :]:
            if np.abs(other - (y, x)).max() < 1.1 * side / 112:
                pen.line([4 * x, 4 * y, 4 * other[1], 4 * other[0]], fill=255, width=round(4 * width))
        r = 2 * width
        pen.ellipse([4 * x - r, 4 * y - r, 4 * x + r, 4 * y + r], fill=255)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float32) / 255


def skeleton(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle line of each stroke: Zhang and Suen 1984, "A fast parallel algorithm for thinning"."""
    ink = np.pad(ink, 1)
    changed = True
    while changed:
        changed = False
        for turn in (0, 1):
            ring = [np.roll(ink, (-y, -x), (0, 1)) for y, x in RING]
            neighbours = sum(n.astype(int) for n in ring)
            rises = sum((~a & b).astype(int) for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
            n, e, s, w = ring[0], ring[2], ring[4], ring[6]
            edge = ~(n & e & s) & ~(e & s & w) if turn == 0 else ~(n & e & w) & ~(n & s & w)
            gone = ink & (neighbours >= 2) & (neighbours <= 6) & (rises == 1) & edge
            changed |= bool(gone.any())
            ink = ink & ~gone
    return ink[1:-1, 1:-1]


RING = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]


class Picture:
    """A picture in the making: lightness of red, green and blue, each [H, W, 3] from 0 to 255."""

    def __init__(self, random: Random, size: tuple[int, int], colour: Colour = WHITE) -> None:
        self.random, self.size = random, size
        width, height = size
        self.light = np.empty((height, width, 3), np.float32)
        self.light[:] = colour
        self.y, self.x = np.mgrid[0:height, 0:width].astype(np.float32)

    def lay(self, cover: Floats, colour: Colour | Floats) -> None:
        """Paints the colour over what is there, as far as `cover` [H, W], from 0 to 1, says."""
        self.light += cover[..., None] * (np.asarray(colour, np.float32) - self.light)

    def write(self, ink: Floats, colour: Colour, at: tuple[int, int]) -> None:
        """Ink darkens or lightens what it covers, its left upper corner at x, y."""
        cover = np.zeros(self.light.shape[:2], np.float32)
        x, y = at
        cover[y : y + len(ink), x : x + ink.shape[1]] = ink
        self.lay(cover, colour)

    def band(self, distance: Floats, width: float, soft: float = 0.7) -> Floats:
        """How far a line that is `width` wide covers pixels at this distance from its middle."""
        return ((width / 2 - np.abs(distance)) / (2 * soft) + 0.5).clip(0, 1)

    def turned(self, degrees: float, middle: tuple[float, float] | None = None) -> tuple[Floats, Floats]:
        """The coordinates of a paper that is turned: along it and across it, from the middle."""
        cx, cy = middle or (self.size[0] / 2, self.size[1] / 2)
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return c * (self.x - cx) + s * (self.y - cy), c * (self.y - cy) - s * (self.x - cx)

    def taken(self, noise: float = 3, blur: float = 0.6, quality: int = 85) -> Bytes:
        """As the camera has it: a little blurred, grainy, and in JPEG."""
        grain = self.random.normal(0, noise, self.light.shape[:2])[..., None]
        image = Image.fromarray((self.light + grain).clip(0, 255).astype(np.uint8))
        file = io.BytesIO()
        image.filter(ImageFilter.GaussianBlur(blur)).save(file, "JPEG", quality=quality)
        return np.array(Image.open(file))


def somewhere(picture: Picture, side: int, margin: float = 0.02) -> tuple[int, int]:
    """The corner of a digit that lies inside the picture, nearer to its middle than to its edge."""
    at = []
    for length in picture.size:
        free = length - side
        low = margin * length
        at.append(round(np.clip(picture.random.normal(free / 2, free / 8), low, max(free - low, low))))
    return at[0], at[1]


def sized(random: Random) -> tuple[int, int]:
    """Width and height of a picture."""
    return int(random.integers(320, 600)), int(random.integers(320, 600))


def clean(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.8) * min(picture.size))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def lines(
    picture: Picture,
    spacing: float,
    width: float,
    colour: Colour,
    degrees: float,
    squared: bool = False,
) -> None:
    along, across = picture.turned(degrees)
    for distance in (across, along) if squared else (across,):
        phase = picture.random.uniform(0, spacing)
        offset = (distance + phase) % spacing - spacing / 2
        picture.lay(picture.band(offset, width), colour)


def ruling_colour(random: Random) -> Colour:
    grey = int(random.integers(80, 175))
    blue: Colour = (grey - 40, grey, min(grey + 50, 255))
    return (grey, grey, grey) if random.random() < 0.5 else blue


def ruled(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.75) * min(picture.size))
    spacing = random.uniform(0.12, 0.5) * side
    lines(picture, spacing, random.uniform(1, 5), ruling_colour(random), random.uniform(-4, 4))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def squared(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.75) * min(picture.size))
    spacing = random.uniform(0.1, 0.35) * side
    lines(picture, spacing, random.uniform(1, 4), ruling_colour(random), random.uniform(-4, 4), True)
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def wood(picture: Picture, level: float, contrast: float, degrees: float) -> Floats:
    """A table's top: [H, W, 3], with a grain along it."""
    along, across = picture.turned(degrees)
    waves = sum(
        np.sin(across * f + 2 * np.sin(along * f / 15 + p))
        for f, p in picture.random.uniform([0.05, 0], [0.5, 6], (4, 2))
    )
    return (level + contrast * waves / 3)[..., None] * np.float32([1.1, 0.95, 0.8])


def desk_edge(digit: Bytes, random: Random) -> Bytes:
    """Paper whose edge is in the picture, and beside it what it lies on, on one side or two."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.65) * min(picture.size))
    desk = wood(picture, random.uniform(30, 150), 15, random.uniform(0, 90))
    start = int(random.integers(0, 4))
    for number in range(int(random.integers(1, 3))):
        along, across = picture.turned(90 * (start + number) + random.uniform(-4, 4))
        del along
        reach = picture.size[(start + number + 1) % 2] / 2
        picture.lay((across - reach * random.uniform(0.72, 0.95)).clip(0, 1), desk)
    picture.write(thick(digit, side), BLACK, somewhere(picture, side, 0.17))
    return picture.taken()


def frame(digit: Bytes, random: Random) -> Bytes:
    """A box around the digit, of which one side or two may be missing."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.6) * min(picture.size))
    x, y = somewhere(picture, side, 0.1)
    cx, cy, reach = x + side / 2, y + side / 2, side * random.uniform(0.5, 0.62)
    along, across = picture.turned(random.uniform(-4, 4), (cx, cy))
    width = random.uniform(2, 9)
    missing = set(random.choice(4, int(random.integers(0, 3)), replace=False).tolist())
    for number, (distance, other) in enumerate(
        [(along - reach, across), (across - reach, along), (along + reach, across), (across + reach, along)]
    ):
        if number not in missing:
            inside = picture.band(other, 2 * reach + width)
            picture.lay(picture.band(distance, width) * inside, ruling_colour(random))
    picture.write(thick(digit, side), BLACK, (x, y))
    return picture.taken()


def sheet_on_table(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    picture.light[:] = wood(picture, random.uniform(25, 150), random.uniform(2, 18), random.uniform(0, 90))
    width, height = picture.size
    cx, cy = width * random.uniform(0.42, 0.58), height * random.uniform(0.42, 0.58)
    along, across = picture.turned(random.uniform(-15, 15), (cx, cy))
    half = random.uniform(0.27, 0.4) * width, random.uniform(0.27, 0.4) * height
    edge = np.maximum(np.abs(along) - half[0], np.abs(across) - half[1])
    picture.lay((0.5 - edge).clip(0, 1), WHITE)
    side = round(min(half) * random.uniform(0.9, 1.4))
    picture.write(thick(digit, side), BLACK, (round(cx - side / 2), round(cy - side / 2)))
    return picture.taken()


def shadow(digit: Bytes, random: Random) -> Bytes:
    """The edge of a shadow across the paper, hard or soft, and light from one side."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    _, across = picture.turned(random.uniform(0, 360))
    edge = (across - random.uniform(-80, 80)) / random.choice([2, 15, 80])
    picture.light *= 1 - random.uniform(0.2, 0.55) * (edge.clip(-0.5, 0.5) + 0.5)[..., None]
    return picture.taken()


def pencil(digit: Bytes, random: Random) -> Bytes:
    """Thin, grey, and white where the grain of the paper lies deep."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.8) * min(picture.size))
    grain = random.normal(0.75, 0.25, (side, side)).clip(0.2, 1)
    grey = int(random.integers(90, 160))
    ink = thin(digit, side, random.uniform(2, 5)) * grain
    picture.write(ink.astype(np.float32), (grey, grey, grey), somewhere(picture, side))
    return picture.taken()


def blue_ink(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.8) * min(picture.size))
    ink = thin(digit, side, random.uniform(3, 8))
    blue = (int(random.integers(20, 70)), int(random.integers(50, 100)), int(random.integers(140, 220)))
    picture.write(ink, blue, somewhere(picture, side))
    return picture.taken()


def blackboard(digit: Bytes, random: Random) -> Bytes:
    """Chalk, with what was wiped off still hazy."""
    picture = Picture(random, sized(random), (38, 60, 48))
    side = round(random.uniform(0.45, 0.8) * min(picture.size))
    haze = Image.fromarray(random.normal(128, 60, (12, 12)).clip(0, 255).astype(np.uint8))
    picture.light += (np.asarray(haze.resize(picture.size, Image.Resampling.BICUBIC), np.float32) / 9)[
        ..., None
    ]
    ink = thick(digit, side) * random.normal(0.85, 0.15, (side, side)).clip(0, 1)
    picture.write(ink.astype(np.float32), (225, 225, 220), somewhere(picture, side))
    return picture.taken()


def coloured(digit: Bytes, random: Random) -> Bytes:
    colour = [(235, 200, 90), (240, 160, 170), (150, 210, 160), (150, 190, 230), (120, 90, 60)]
    picture = Picture(random, sized(random), colour[int(random.integers(len(colour)))])
    side = round(random.uniform(0.45, 0.8) * min(picture.size))
    picture.write(thick(digit, side), (30, 30, 60), somewhere(picture, side))
    return picture.taken()


def crumpled(digit: Bytes, random: Random) -> Bytes:
    """Paper that was a ball: facets, each with its own light, and creases between them."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.8) * min(picture.size))
    for _ in range(25):
        _, across = picture.turned(random.uniform(0, 360), tuple(random.uniform(0, 500, 2)))
        picture.light -= (random.uniform(-6, 6) * np.sign(across))[..., None]
        picture.light -= (random.uniform(0, 10) * np.exp(-np.abs(across) / 3))[..., None]
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken(5)


def margin_line(digit: Bytes, random: Random) -> Bytes:
    """A red line down one side, and pale rulings."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.7) * min(picture.size))
    lines(picture, 0.3 * side, 2, (190, 205, 225), random.uniform(-2, 2))
    along, _ = picture.turned(random.uniform(-3, 3))
    offset = random.choice([-1, 1]) * random.uniform(0.25, 0.45) * picture.size[0]
    picture.lay(picture.band(along - offset, random.uniform(1.5, 4)), (215, 60, 70))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def dotted(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    spacing, radius = random.uniform(0.08, 0.25) * side, random.uniform(1.2, 3)
    along, across = picture.turned(random.uniform(-4, 4))
    distance = np.hypot(along % spacing - spacing / 2, across % spacing - spacing / 2)
    picture.lay(picture.band(distance, 2 * radius), ruling_colour(random))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def vignette(digit: Bytes, random: Random) -> Bytes:
    """A photograph, dark towards its corners, with coarse JPEG blocks."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.6) * min(picture.size))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    width, height = picture.size
    distance = np.hypot((picture.x - width / 2) / width, (picture.y - height / 2) / height)
    picture.light *= (1 - random.uniform(0.6, 1.2) * distance**2)[..., None]
    return picture.taken(4, 1, quality=int(random.integers(25, 50)))


def cut_close(digit: Bytes, random: Random) -> Bytes:
    """Cut out along the digit's own edge, which touches the picture's on all sides."""
    side = int(random.integers(150, 450))
    ink = thick(digit, side)
    rows, columns = np.nonzero(ink > 0.3)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    picture = Picture(random, (ink.shape[1], ink.shape[0]))
    picture.write(ink, BLACK, (0, 0))
    return picture.taken()


def low_resolution(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, (40, int(random.integers(40, 60))))
    side = round(random.uniform(0.6, 0.9) * 40)
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken(blur=0.3)


Kind = Callable[[Bytes, Random], Bytes]
KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        clean,
        ruled,
        squared,
        desk_edge,
        frame,
        sheet_on_table,
        shadow,
        pencil,
        blue_ink,
        blackboard,
        coloured,
        crumpled,
        margin_line,
        dotted,
        vignette,
        cut_close,
        low_resolution,
    )
}


def main(folder: Path) -> None:
    from unrolled.data import load

    digits = load("sample").test.sequences.numpy()
    for number, (name, kind) in enumerate(KINDS.items()):
        Image.fromarray(kind(digits[number], np.random.default_rng(number))).save(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
