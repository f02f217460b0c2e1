"""More kinds of paper, of the same families as `papers`, drawn in other ways."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tests.data.papers import (
    BLACK,
    WHITE,
    Bytes,
    Colour,
    Kind,
    Picture,
    Random,
    clean,
    lines,
    ruling_colour,
    sized,
    somewhere,
    thick,
    thin,
)

BLUE: Colour = (40, 60, 160)


def either_pen(digit: Bytes, random: Random, side: int) -> np.ndarray:
    return (
        thick(digit, side) if random.random() < 0.5 else thin(digit, side, random.uniform(0.02, 0.07) * side)
    )


def bent_rulings(digit: Bytes, random: Random) -> Bytes:
    """Paper that curls, seen from its side: the lines bend and run together."""
    picture = Picture(random, sized(random))
    width, height = picture.size
    side = round(random.uniform(0.4, 0.7) * min(picture.size))
    bent = picture.y + random.uniform(-0.02, 0.02) * width * np.sin(np.pi * picture.x / width)
    fan = 1 + random.uniform(-0.06, 0.06) * (picture.x / width - 0.5)
    across = (bent - height / 2) * fan + random.uniform(0, 100)
    spacing = random.uniform(0.12, 0.5) * side
    cover = picture.band(across % spacing - spacing / 2, random.uniform(1.5, 6), random.uniform(0.5, 2))
    picture.lay(cover, ruling_colour(random))
    picture.write(either_pen(digit, random, side), BLACK, somewhere(picture, side))
    return picture.taken()


def graph_paper(digit: Bytes, random: Random) -> Bytes:
    """Millimetres: each fifth line is bolder."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.5, 0.8) * min(picture.size))
    small = random.uniform(8, 16)
    colour = [(230, 150, 90), (120, 180, 120), (140, 140, 150)][int(random.integers(3))]
    degrees = random.uniform(-6, 6)
    lines(picture, small, 1, tuple((c + 2 * 240) // 3 for c in colour), degrees, True)
    lines(picture, 5 * small, random.uniform(1.5, 3), colour, degrees, True)
    picture.write(either_pen(digit, random, side), BLUE, somewhere(picture, side))
    return picture.taken()


def carpet(picture: Picture, level: float, contrast: float) -> np.ndarray:
    width, height = picture.size
    grain = picture.random.normal(level, contrast, (height // 3 + 1, width // 3 + 1)).clip(0, 255)
    rough = Image.fromarray(grain.astype(np.uint8)).resize(picture.size, Image.Resampling.BILINEAR)
    return np.asarray(rough, np.float32)[..., None] * np.float32([0.9, 1, 1.05])


def corner_of_a_desk(digit: Bytes, random: Random) -> Bytes:
    """The paper's corner in the picture, a soft shadow along its edges, what it lies on rough or black."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.6) * min(picture.size))
    desk = carpet(picture, random.uniform(5, 170), random.uniform(0, 25))
    degrees = random.uniform(0, 360)
    along, across = picture.turned(degrees)
    reach = 0.4 * min(picture.size)
    beyond = np.maximum(along - reach, across - reach * random.uniform(1, 1.5))
    picture.lay(beyond.clip(0, 1), desk)
    picture.light *= 1 - 0.3 * np.exp(-np.abs(beyond[..., None] - 4) / 6)
    picture.write(either_pen(digit, random, side), BLACK, somewhere(picture, side, 0.2))
    return picture.taken()


def box_of_a_form(digit: Bytes, random: Random) -> Bytes:
    """One box in a row of boxes, as forms have them, with rounded or sharp corners, thin or bold."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.55) * min(picture.size))
    x, y = somewhere(picture, side, 0.12)
    image = Image.new("L", picture.size)
    pen = ImageDraw.Draw(image)
    gap, width = round(side * random.uniform(0.01, 0.12)), int(random.integers(2, 14))
    radius = int(random.choice([0, 0.15 * side]))
    for place in range(-1, 2) if random.random() < 0.5 else (0,):
        left = x - gap + place * (side + 3 * gap + width)
        pen.rounded_rectangle(
            [left, y - gap, left + side + 2 * gap, y + side + 2 * gap], radius, None, 255, width
        )
    picture.lay(np.asarray(image, np.float32) / 255, ruling_colour(random))
    picture.write(thick(digit, side), BLACK, (x, y))
    return picture.taken()


def torn_sheet(digit: Bytes, random: Random) -> Bytes:
    """A four-cornered piece of paper, torn at its edges and seen askew, on a table that may be black."""
    picture = Picture(random, sized(random))
    picture.light[:] = carpet(picture, random.uniform(5, 190), random.uniform(0, 20))
    width, height = picture.size
    corners = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]) + random.uniform(-0.09, 0.09, (4, 2))
    outline = []
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        outline += [
            (*((one + t * (other - one)) * picture.size + random.normal(0, 1.2, 2)),)
            for t in np.arange(0, 1, 0.05)
        ]
    image = Image.new("L", picture.size)
    ImageDraw.Draw(image).polygon(outline, fill=255)
    picture.lay(np.asarray(image, np.float32) / 255, [WHITE, (250, 230, 140)][int(random.integers(2))])
    side = round(0.38 * min(picture.size))
    x, y = round((width - side) / 2), round((height - side) / 2)
    picture.write(either_pen(digit, random, side), BLACK, (x, y))
    return picture.taken()


def shadow_of_a_hand(digit: Bytes, random: Random) -> Bytes:
    """A round shadow from one side, hard at its edge, over light that falls off."""
    picture = Picture(random, sized(random))
    width, height = picture.size
    side = round(random.uniform(0.45, 0.7) * min(picture.size))
    picture.write(either_pen(digit, random, side), BLACK, somewhere(picture, side))
    angle = random.uniform(0, 2 * np.pi)
    cx, cy = width / 2 + 0.6 * width * np.cos(angle), height / 2 + 0.6 * height * np.sin(angle)
    inside = random.uniform(0.35, 0.6) * max(picture.size) - np.hypot(picture.x - cx, picture.y - cy)
    picture.light *= (
        1 - random.uniform(0.2, 0.5) * (inside / random.choice([1, 8, 30]) + 0.5).clip(0, 1)[..., None]
    )
    picture.light *= 1 - 0.25 * (picture.x / width)[..., None]
    return picture.taken()


def pencil_on_rulings(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    lines(
        picture,
        random.uniform(0.2, 0.5) * side,
        random.uniform(1, 2.5),
        (170, 180, 205),
        random.uniform(-3, 3),
    )
    grain = random.normal(0.8, 0.2, (side, side)).clip(0.3, 1)
    ink = (thin(digit, side, random.uniform(4, 8)) * grain).astype(np.float32)
    picture.write(ink, (95, 95, 98), somewhere(picture, side))
    return picture.taken()


def ball_pen_on_squares(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.5, 0.75) * min(picture.size))
    lines(
        picture,
        random.uniform(0.2, 0.45) * side,
        random.uniform(1, 2),
        (150, 165, 190),
        random.uniform(-5, 5),
        True,
    )
    picture.write(thin(digit, side, random.uniform(4, 9)), BLUE, somewhere(picture, side))
    return picture.taken()


def ruled_blackboard(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random), (45, 48, 52))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    squares = bool(random.random() < 0.5)
    lines(
        picture,
        random.uniform(0.2, 0.5) * side,
        random.uniform(1, 4),
        (120, 100, 95),
        random.uniform(-2, 2),
        squares,
    )
    picture.write(0.9 * thick(digit, side), (230, 230, 225), somewhere(picture, side))
    return picture.taken(6)


def marker_on_brown(digit: Bytes, random: Random) -> Bytes:
    """Cardboard, striped a little, and a marker of colour, darker or white."""
    picture = Picture(random, sized(random), (176, 140, 100))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    _, across = picture.turned(random.uniform(0, 180))
    picture.light += 4 * np.sin(across / 3)[..., None]
    colour = [(160, 20, 30), (20, 90, 40), (250, 250, 250)][int(random.integers(3))]
    picture.write(thick(digit, side), colour, somewhere(picture, side))
    return picture.taken()


def folded(digit: Bytes, random: Random) -> Bytes:
    """A sheet that was folded twice: four fields of their own light, dark creases between them."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.45, 0.75) * min(picture.size))
    along, across = picture.turned(random.uniform(-5, 5))
    for distance in (along, across):
        picture.light -= (random.uniform(-15, 15) * np.sign(distance))[..., None]
        picture.light -= (random.uniform(20, 50) * np.exp(-np.abs(distance) / 2))[..., None]
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken(4)


def across_the_margin(digit: Bytes, random: Random) -> Bytes:
    """The digit stands on the margin's line, on paper that is ruled darkly."""
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.4, 0.7) * min(picture.size))
    lines(picture, random.uniform(0.2, 0.4) * side, 2, (140, 150, 175), random.uniform(-2, 2))
    along, _ = picture.turned(random.uniform(-3, 3))
    offset = random.uniform(-0.1, 0.1) * picture.size[0]
    for double in (0, random.uniform(6, 12)):
        picture.lay(picture.band(along - offset - double, random.uniform(1, 3)), (205, 70, 80))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken()


def dense_dots(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, sized(random))
    side = round(random.uniform(0.5, 0.75) * min(picture.size))
    spacing, radius = random.uniform(0.05, 0.12) * side, random.uniform(1, 2)
    along, across = picture.turned(random.uniform(-10, 10))
    odd = (np.floor(across / spacing) % 2) * spacing / 2
    distance = np.hypot((along + odd) % spacing - spacing / 2, across % spacing - spacing / 2)
    picture.lay(picture.band(distance, 2 * radius), (120, 120, 130))
    picture.write(either_pen(digit, random, side), BLACK, somewhere(picture, side))
    return picture.taken()


def large_photograph(digit: Bytes, random: Random) -> Bytes:
    """12 megapixels of a ruled sheet on a table."""
    picture = Picture(random, (500, 375), WHITE)
    lines(picture, random.uniform(20, 40), 1.5, (150, 165, 195), random.uniform(-3, 3))
    desk = carpet(picture, random.uniform(30, 120), 12)
    along, across = picture.turned(random.uniform(-8, 8))
    picture.lay((np.maximum(np.abs(along) - 200, np.abs(across) - 150) + 0.5).clip(0, 1), desk)
    side = round(random.uniform(100, 180))
    picture.write(thick(digit, side), BLACK, (250 - side // 2, 187 - side // 2))
    image = Image.fromarray(picture.light.clip(0, 255).astype(np.uint8)).resize(
        (4000, 3000), Image.Resampling.BICUBIC
    )
    return np.asarray(image)


def small_and_ruled(digit: Bytes, random: Random) -> Bytes:
    picture = Picture(random, (int(random.integers(56, 80)), int(random.integers(48, 70))))
    side = round(random.uniform(0.6, 0.8) * min(picture.size))
    lines(picture, random.uniform(0.25, 0.5) * side, 1, (165, 175, 200), random.uniform(-3, 3))
    picture.write(thick(digit, side), BLACK, somewhere(picture, side))
    return picture.taken(2, 0.4)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        clean,
        bent_rulings,
        graph_paper,
        corner_of_a_desk,
        box_of_a_form,
        torn_sheet,
        shadow_of_a_hand,
        pencil_on_rulings,
        ball_pen_on_squares,
        ruled_blackboard,
        marker_on_brown,
        folded,
        across_the_margin,
        dense_dots,
        large_photograph,
        small_and_ruled,
    )
}
