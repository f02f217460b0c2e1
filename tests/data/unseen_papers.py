"""Papers of other families than `papers` and `other_papers`: nothing in the reader was chosen by them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.data.papers import (
    BLACK,
    Bytes,
    Colour,
    Floats,
    Kind,
    Picture,
    Random,
    clean,
    lines,
    sized,
    somewhere,
    thick,
    thin,
)

BLUE: Colour = (45, 55, 150)


def blurred(cover: Floats, radius: float) -> Floats:
    image = Image.fromarray((255 * cover).clip(0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def music(digit: Bytes, random: Random) -> Bytes:
    """Staves of five lines, the digit written over one of them."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.7) * min(picture.size))
    _, across = picture.turned(random.uniform(-3, 3))
    spacing = random.uniform(0.07, 0.13) * side
    place = (across + random.uniform(0, 200)) % (9 * spacing)
    for line in range(5):
        picture.lay(picture.band(place - (line + 1) * spacing, random.uniform(1, 2)), (90, 90, 90))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def gutter(digit: Bytes, random: Random) -> Bytes:
    """A page of an open book, dark towards the fold at one side."""
    picture = Picture(random, sized(random), (235, 228, 210))
    side = round(random.uniform(0.4, 0.6) * min(picture.size))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side, 0.15))
    along, _ = picture.turned(float(random.choice([0, 180])) + random.uniform(-3, 3))
    depth = along + picture.size[0] * 0.5
    picture.light *= 1 - 0.75 * np.exp(-depth.clip(0) / random.uniform(15, 50))[..., None]
    return picture.taken()


def spiral_binding(digit: Bytes, random: Random) -> Bytes:
    """Holes with dark wire in them down one side, on pale squares."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.6) * min(picture.size))
    lines(picture, 0.2 * side, 1.3, (180, 195, 215), random.uniform(-2, 2), True)
    pitch, radius = random.uniform(22, 40), random.uniform(4, 8)
    holes = np.hypot(picture.x - 1.8 * radius, picture.y % pitch - pitch / 2)
    picture.lay((radius - holes + 0.5).clip(0, 1), (50, 50, 55))
    picture.write(thin(digit, side, random.uniform(0.03, 0.06) * side), BLUE, somewhere(picture, side, 0.16))
    return picture.taken()


def coffee(digit: Bytes, random: Random) -> Bytes:
    """The ring of a cup across the digit, pale brown."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.7) * min(picture.size))
    cx, cy = (random.uniform(0.2, 0.8) * length for length in picture.size)
    distance = np.hypot(picture.x - cx, picture.y - cy)
    radius = random.uniform(0.25, 0.45) * min(picture.size)
    cover = 0.45 * picture.band(distance - radius, random.uniform(5, 12), 2)
    cover += 0.15 * (radius - distance).clip(0, 1)
    picture.lay(cover, (170, 125, 75))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def lamp(digit: Bytes, random: Random) -> Bytes:
    """The round light of a torch: white in its middle, dusk around it."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.6) * min(picture.size))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    cx, cy = (random.uniform(0.4, 0.6) * length for length in picture.size)
    far = np.hypot(picture.x - cx, picture.y - cy) / max(picture.size)
    picture.light *= (0.35 + 0.75 * np.exp(-((far / random.uniform(0.35, 0.6)) ** 2)))[..., None]
    return picture.taken(5)


def glare(digit: Bytes, random: Random) -> Bytes:
    """A whiteboard: a green or blue marker, and a lamp mirrored beside it."""
    picture = Picture(random, sized(random), (215, 218, 222))
    side = round(random.uniform(0.45, 0.65) * min(picture.size))
    colour = [(20, 110, 60), (30, 60, 170), (180, 30, 40)][int(random.integers(3))]
    picture.write(thick(digit, side), colour, somewhere(picture, side))
    cx, cy = (float(random.choice([0.1, 0.9])) * length for length in picture.size)
    far = np.hypot(picture.x - cx, (picture.y - cy) * 1.5) / max(picture.size)
    picture.lay((1.3 * np.exp(-((far / random.uniform(0.06, 0.15)) ** 2))).clip(0, 1), (255, 255, 255))
    return picture.taken()


def sticky_note(digit: Bytes, random: Random) -> Bytes:
    """A yellow or pink note on white paper, with a shadow below it."""
    picture = Picture(random, sized(random), (232, 232, 230))
    short = min(picture.size)
    along, across = picture.turned(random.uniform(-10, 10))
    half = random.uniform(0.3, 0.4) * short
    for shift, grow, soft, colour in ((6, 0, 8, (150, 150, 150)), (0, 0, 0.5, None)):
        edge = np.maximum(np.abs(along - shift), np.abs(across - shift)) - half - grow
        note = [(245, 220, 110), (245, 150, 170)][int(random.integers(2))]
        picture.lay((0.5 - edge / (2 * soft)).clip(0, 1) * (0.6 if colour else 1), colour or note)
    side = round(half * random.uniform(1, 1.4))
    x, y = ((length - side) // 2 for length in picture.size)
    picture.write(thick(digit, side), BLACK, (x, y))
    return picture.taken()


def index_card(digit: Bytes, random: Random) -> Bytes:
    """A ruled card, its head line red, on a table of one colour, a little turned."""
    picture = Picture(random, (int(random.integers(450, 600)), int(random.integers(350, 450))))
    degrees = random.uniform(-7, 7)
    lines(picture, random.uniform(24, 50), 1.4, (165, 185, 215), degrees)
    along, across = picture.turned(degrees)
    half = 0.4 * picture.size[0], 0.4 * picture.size[1]
    picture.lay(picture.band(across + 0.75 * half[1], 2), (210, 80, 90))
    edge = np.maximum(np.abs(along) - half[0], np.abs(across) - half[1])
    table = [(60, 45, 35), (40, 70, 60), (120, 40, 45), (95, 95, 100)][int(random.integers(4))]
    picture.lay((edge + 0.5).clip(0, 1), table)
    side = round(half[1] * random.uniform(0.9, 1.3))
    x, y = ((length - side) // 2 for length in picture.size)
    picture.write(thin(digit, side, random.uniform(0.04, 0.07) * side), BLACK, (x, y))
    return picture.taken()


def scanner(digit: Bytes, random: Random) -> Bytes:
    """A scan whose lid was open: black beyond the page on two or three sides, the page a little turned."""
    picture = Picture(random, sized(random), (250, 250, 250))
    side = round(random.uniform(0.4, 0.55) * min(picture.size))
    width, height = picture.size
    along, across = picture.turned(random.uniform(-3, 3))
    sides = [along - 0.42 * width, -along - 0.43 * width, across - 0.42 * height]
    for beyond in sides[: int(random.integers(2, 4))]:
        picture.lay((beyond + 0.5).clip(0, 1), (8, 8, 8))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side, 0.2))
    return picture.taken(1)


def fax(digit: Bytes, random: Random) -> Bytes:
    """Black and white alone, with specks of both."""
    picture = Picture(random, sized(random), (255, 255, 255))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    picture.write(thick(digit, side), (0, 0, 0), somewhere(picture, side))
    dark = picture.light[..., 0] < 128
    dark ^= random.random(dark.shape) < random.uniform(0.002, 0.02)
    return np.where(dark, 0, 255).astype(np.uint8)


def seen_through(digit: Bytes, random: Random) -> Bytes:
    """Thin paper: what is written on its back, mirrored and faint, shows."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.7) * min(picture.size))
    back = blurred(thin(digit.T, side, 5)[:, ::-1], 2.5)
    picture.write(0.16 * back, BLACK, somewhere(picture, side))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def underlined(digit: Bytes, random: Random) -> Bytes:
    """A field of a form: one line below the digit, or through its foot."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.65) * min(picture.size))
    x, y = somewhere(picture, side, 0.12)
    _, across = picture.turned(random.uniform(-2, 2), (x + side / 2, y + side * random.uniform(0.83, 1)))
    inside = (np.abs(picture.x - x - side / 2) < side * random.uniform(0.55, 0.8)).astype(np.float32)
    picture.lay(picture.band(across, random.uniform(1.5, 4)) * inside, (100, 100, 105))
    picture.write(thick(digit, side), BLACK, (x, y))
    return picture.taken()


def kraft(digit: Bytes, random: Random) -> Bytes:
    """Brown paper with dark and light fibres all over."""
    picture = Picture(random, sized(random), (185, 150, 110))
    image = Image.new("L", picture.size, 128)
    pen = ImageDraw.Draw(image)
    for _ in range(500):
        x, y = random.uniform(0, picture.size[0]), random.uniform(0, picture.size[1])
        dx, dy = random.normal(0, 6, 2)
        pen.line([x, y, x + dx, y + dy], fill=int(128 + random.choice([-35, 35])))
    picture.light += (np.asarray(image, np.float32) - 128)[..., None]
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    picture.write(thick(digit, side), (25, 25, 30), somewhere(picture, side))
    return picture.taken()


def screen(digit: Bytes, random: Random) -> Bytes:
    """A tablet in its dark mode: a white pen on a grid of grey lines, or on none."""
    picture = Picture(random, sized(random), (24, 26, 30))
    side = round(random.uniform(0.45, 0.7) * min(picture.size))
    if random.random() < 0.6:
        spacing = random.uniform(0.15, 0.3) * side
        lines(picture, spacing, 1.2, (70, 74, 80), 0, True)
    picture.write(thin(digit, side, random.uniform(4, 12)), (240, 240, 240), somewhere(picture, side))
    return picture.taken(0.5, 0.3, 95)


def window_blind(digit: Bytes, random: Random) -> Bytes:
    """The sun through a blind: broad soft stripes of light and shade."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.65) * min(picture.size))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    _, across = picture.turned(random.uniform(0, 180))
    stripes = 0.5 + 0.5 * np.tanh(3 * np.sin(2 * np.pi * across / random.uniform(70, 160)))
    picture.light *= (1 - random.uniform(0.15, 0.35) * stripes)[..., None]
    return picture.taken()


def out_of_focus(digit: Bytes, random: Random) -> Bytes:
    """A blurred photograph at dusk: grain, and little contrast."""
    picture = Picture(random, sized(random), (120, 112, 100))
    side = round(random.uniform(0.5, 0.75) * min(picture.size))
    picture.write(thick(digit, side), (70, 66, 64), somewhere(picture, side))
    return picture.taken(7, random.uniform(2, 5), 60)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        clean,
        music,
        gutter,
        spiral_binding,
        coffee,
        lamp,
        glare,
        sticky_note,
        index_card,
        scanner,
        fax,
        seen_through,
        underlined,
        kraft,
        screen,
        window_blind,
        out_of_focus,
    )
}
# Read worse by more than 5 points: stains and light with edges of its own look like ink; paper on paper.
HARD = ("coffee", "lamp", "sticky_note", "window_blind")
