"""Drawings in the page: brought into MNIST's form as `predict` brings pictures, and kept in an address."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from unrolled.data.digit import as_mnist
from unrolled.data.grey import read_grey
from unrolled.errors import UnrolledError

PREPARE = """
(strokes) => {
  const grey = modules.inked(strokes);
  try {
    return [Array.from(grey.values), Array.from(modules.asMnist(grey))];
  } catch (error) {
    if (!(error instanceof modules.NoDigit)) throw error;
    return [Array.from(grey.values), null];
  }
}
"""
OPEN = """
async (content) => {
  try {
    return Array.from(await modules.digitIn(new Blob([Uint8Array.from(content)])));
  } catch (error) {
    if (!(error instanceof modules.NoDigit)) throw error;
    return null;
  }
}
"""
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
STROKES_DATA = Path(os.environ.get("UNROLLED_DATA_DIR", "")) / "mnist-strokes" / "strokes_test.npz"


def check_alike(blank, strokes: list) -> np.ndarray | None:
    """The page prepares a drawing exactly as Python does, or both refuse it."""
    grey, found = blank.evaluate(PREPARE, strokes)
    try:
        expected = as_mnist(np.array(grey, dtype=np.float32).reshape(280, 280))
    except UnrolledError:
        expected = None
    assert (found is None) == (expected is None)
    if expected is not None:
        differing = np.abs(np.array(found).reshape(28, 28) - expected.astype(int))
        assert differing.max() == 0, (differing.max(), (differing > 0).sum())
    return expected


def arc(x, y, wide, high, start, turn, points=24):
    angles = [start + turn * k / (points - 1) for k in range(points)]
    return [[clip(x + wide * math.cos(a)), clip(y + high * math.sin(a))] for a in angles]


def clip(value):
    return min(max(round(value), 0), 255)


places = st.integers(0, 255)
lines = st.tuples(places, places, places, places).map(lambda ends: [[ends[0], ends[1]], [ends[2], ends[3]]])
arcs = st.builds(
    arc,
    st.integers(40, 210),
    st.integers(40, 210),
    st.integers(8, 110),
    st.integers(8, 110),
    st.floats(0, 6),
    st.floats(1, 6.28),
)
dots = st.tuples(places, places).map(lambda at: [list(at)])
level = st.tuples(places, st.integers(0, 60), st.integers(190, 255)).map(
    lambda line: [[line[1], line[0]], [line[2], line[0]]]
)
upright = level.map(lambda line: [[y, x] for x, y in line])


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(strokes=st.lists(st.one_of(arcs, lines, dots, level, upright), min_size=1, max_size=4))
def test_a_drawing_is_prepared_as_a_picture_is_by_predict(blank, strokes):
    check_alike(blank, strokes)


@pytest.mark.parametrize(
    "strokes",
    [
        [arc(128, 128, 60, 100, 0, 6.3)],
        [[[128, 20], [128, 230]]],
        [[[90, 60], [128, 20], [128, 225]], [[60, 252], [200, 252]]],  # a 1 with its foot apart
        [[[40, 40], [200, 40], [110, 240]], [[90, 130], [180, 130]]],
        [[[20, 20], [240, 20], [240, 240], [20, 240], [20, 20]], arc(128, 128, 40, 60, 0, 6.3)],  # in a box
        [[[0, 30], [255, 30]], [[0, 220], [255, 220]], arc(128, 128, 40, 60, 0, 6.3)],  # between lines
        [[[0, 120], [255, 120]], arc(128, 120, 60, 90, 0, 6.3)],  # on a line
        [[[128, 128], [150, 150]], [[20, 20]]],  # with a speck
        [],
    ],
    ids=["0", "1", "a foot", "7", "box", "between lines", "on a line", "speck", "nothing"],
)
def test_these_drawings_are_prepared_as_pictures_are(blank, strokes):
    expected = check_alike(blank, strokes)
    assert (expected is None) == (not strokes)


@pytest.mark.skipif(not STROKES_DATA.exists(), reason="needs mnist-strokes in UNROLLED_DATA_DIR")
def test_digits_as_pens_drew_them_are_prepared_as_pictures_are(blank):
    with np.load(STROKES_DATA) as data:
        steps, lengths = data["steps"][:4000], data["lengths"]
    ends = lengths.astype(int).cumsum()
    for row in range(40):
        check_alike(blank, pen_strokes(steps[ends[row] - lengths[row] : ends[row]].astype(float)))


def pen_strokes(steps: np.ndarray) -> list:
    """Strokes in the page's coordinates of moves (dx, dy, end of stroke, ...)."""
    places = steps[:, :2].cumsum(axis=0)
    low, high = places.min(axis=0), places.max(axis=0)
    scaled = ((places - low) / (high - low).max() * 200 + 25).round().astype(int)
    ends = np.flatnonzero(steps[:, 2] > 0.5) + 1
    return [part.tolist() for part in np.split(scaled, ends) if len(part)]


points = st.lists(st.tuples(places, places).map(list), min_size=1, max_size=600)


@settings(max_examples=50, deadline=None, suppress_health_check=QUIET)
@given(strokes=st.lists(points, max_size=4))
def test_an_address_holds_a_drawing_as_it_is(blank, strokes):
    inked = "(strokes) => Array.from(modules.inked(strokes).values)"
    again = blank.evaluate(
        "(drawing) => modules.fromAddress(modules.toAddress({ drawing, t: 3, unit: 5, way: 'backward', "
        "changes: { reversed: true, skipped: [2], erased: [0, 4], held: { f: 1, o: 0 } } }))",
        strokes,
    )
    assert again["changes"] == {"reversed": True, "skipped": [2], "erased": [0, 4], "held": {"f": 1, "o": 0}}
    assert (again["t"], again["unit"], again["way"]) == (3, 5, "backward")
    if sum(map(len, strokes)) <= 500:
        kept = again["drawing"] or []
        assert blank.evaluate(inked, kept) == blank.evaluate(inked, strokes)


@settings(max_examples=50, deadline=None, suppress_health_check=QUIET)
@given(pixels=st.lists(st.one_of(st.just(0), st.integers(0, 255)), min_size=784, max_size=784))
def test_an_address_holds_a_picture_as_it_is(blank, pixels):
    found = blank.evaluate(
        "(pixels) => Array.from(modules.fromAddress(modules.toAddress("
        "{ pixels: Uint8Array.from(pixels), changes: { skipped: [], erased: [], held: {} } })).pixels)",
        pixels,
    )
    assert found == pixels


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(
    text=st.one_of(
        st.text(max_size=80),
        st.from_regex(r"#?([nbdpetluwxrszg]=[A-Za-z0-9_.%<>-]{0,30}&?){0,6}", fullmatch=True),
    )
)
def test_any_address_is_understood_or_left_alone(blank, text):
    said = blank.evaluate("(text) => modules.fromAddress(text)", text)
    assert set(said["changes"]) == {"reversed", "skipped", "erased", "held"}
    assert said["way"] in ("forward", "backward")
    assert all(isinstance(said[key], int | None) for key in ("network", "beside", "example", "t", "unit"))
    assert set(said["changes"]["held"].values()) <= {0, 1}


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(stroke=points)
def test_a_simplified_stroke_stays_within_a_pixel(blank, stroke):
    found = blank.evaluate("(stroke) => modules.simplified(stroke)", stroke)
    assert found[0] == stroke[0]
    assert found[-1] == stroke[-1]
    assert len(found) <= max(len(stroke), 1)
    for x, y in stroke:
        assert min(distance(x, y, *ends) for ends in zip(found, found[1:] or found, strict=False)) < 1.0


def distance(x, y, start, end):
    dx, dy = end[0] - start[0], end[1] - start[1]
    square = dx * dx + dy * dy
    along = min(max(((x - start[0]) * dx + (y - start[1]) * dy) / square, 0), 1) if square else 0
    return math.hypot(x - start[0] - along * dx, y - start[1] - along * dy)


def pen_picture(high: int, wide: int, pen: int, paper: int, ink: int) -> np.ndarray:
    """A 7 with a pen so many pixels wide, on paper of one grey."""
    image = Image.new("L", (wide, high), paper)
    places = [(0.25, 0.2), (0.75, 0.2), (0.4, 0.8)]
    ImageDraw.Draw(image).line([(x * wide, y * high) for x, y in places], fill=ink, width=pen)
    return np.asarray(image, dtype=np.float32)


@pytest.mark.parametrize(
    "grey",
    [
        pen_picture(300, 200, 3, 230, 40),  # thinner than MNIST's strokes
        pen_picture(280, 280, 20, 0, 255),  # light on dark
        pen_picture(700, 500, 40, 200, 90),
        pen_picture(18, 14, 2, 250, 10),  # smaller than it is to be
        pen_picture(28, 28, 3, 255, 0),  # of the form already, but dark on light
        pen_picture(28, 28, 3, 0, 255),
    ],
    ids=["thin", "light on dark", "large", "small", "28 x 28 dark", "28 x 28"],
)
def test_a_picture_on_even_paper_is_prepared_as_in_python(blank, grey):
    found = blank.evaluate(
        "([height, width, values]) =>"
        " Array.from(modules.asMnist(modules.picture(height, width, Float32Array.from(values))))",
        [*grey.shape, grey.ravel().tolist()],
    )
    differing = np.abs(np.array(found).reshape(28, 28) - as_mnist(grey).astype(int))
    assert differing.max() <= 1  # a half may be rounded up or down
    assert (differing > 0).sum() <= 3


COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def coloured(paper, ink, hidden=None) -> Image.Image:
    """A 7 of one colour on another; with `hidden` in corners that cannot be seen."""
    image = Image.new("RGB", (200, 240), paper)
    pen = ImageDraw.Draw(image)
    pen.line([(50, 48), (150, 48), (80, 190)], fill=ink, width=16)
    if hidden is None:
        return image
    pen.rectangle((0, 0, 20, 20), fill=hidden)
    alpha = Image.new("L", image.size, 255)
    ImageDraw.Draw(alpha).rectangle((0, 0, 20, 20), fill=0)
    image.putalpha(alpha)
    return image


@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(COLOURS, COLOURS, st.none() | COLOURS)
@example((60, 160, 60), (230, 70, 90), None)  # red on a green as light
@example((60, 160, 60), (230, 70, 90), (0, 0, 0))  # and with corners of nothing, as pictures of a screen have
@example((120, 120, 200), (150, 115, 60), (255, 255, 255))
@example((255, 255, 255), (255, 255, 40), None)  # yellow on white
@example((200, 40, 40), (40, 40, 200), None)
@example((90, 90, 90), (90, 90, 90), None)
def test_a_picture_in_colours_is_read_as_in_python(blank, tmp_path_factory, paper, ink, hidden):
    path = tmp_path_factory.mktemp("colours") / "seven.png"
    coloured(paper, ink, hidden).save(path)
    found = blank.evaluate(OPEN, list(path.read_bytes()))
    try:
        expected = as_mnist(read_grey(path))
    except UnrolledError:
        expected = None
    assert (found is None) == (expected is None)
    if expected is not None:
        assert np.abs(np.array(found).reshape(28, 28) - expected.astype(int)).max() <= 2
