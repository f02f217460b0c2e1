"""Names as matplotlib may draw them: as text, short enough for their place, and never two alike."""

from __future__ import annotations

import contextlib
import re
import textwrap
from collections.abc import Iterator, Sequence

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, get_font

from unrolled.names import escaped, printable

WIDEST = 0.7  # of a letter, about, as a share of its height


@contextlib.contextmanager
def plain_letters() -> Iterator[None]:
    """Figures that are made and saved inside have letters, whatever matplotlib's settings say of TeX."""
    with matplotlib.rc_context({"text.usetex": False, "text.parse_math": True}):
        yield


def lettered(names: Sequence[str], most: int = 24, wide: int | None = None) -> list[str]:
    r"""Each name as matplotlib draws it, in at most about so many characters.

    Dollars begin no formula, and a character that the fonts in force lack is its number, not a box. What is
    left out of a long name is its middle; if two look alike, each has its place in the list behind it. With
    `wide` a name takes as many lines as it needs to be no wider than so many characters.

    >>> lettered(["naïve", "$x$", "a\tb"])
    ['naïve', '\\$x\\$', 'a\\tb']
    >>> lettered(["a very long name", "a very wrong name", "another"], most=9)
    ['a very…me (0)', 'a very…me (1)', 'another (2)']
    >>> lettered(["a very long name", "another_long_name"], wide=9)
    ['a very\nlong name', 'another_\nlong_name']
    """
    known: set[int] = set()
    for family in FontProperties().get_family():
        known |= get_font(findfont(FontProperties(family=[family]))).get_charmap().keys()
    shown = [_shortened(_drawable(name, known), most) for name in names]
    if len(set(shown)) < len(shown):
        shown = [f"{name} ({place})" for place, name in enumerate(shown)]
    if wide is not None:
        shown = [_Lines(wide, break_on_hyphens=False).fill(name) for name in shown]
    return [name.replace("$", r"\$") for name in shown]


class _Lines(textwrap.TextWrapper):
    """Lines that end at spaces, and behind what joins words in names of files and columns."""

    wordsep_simple_re = re.compile(r"(\s+)|(?<=[-_./])(?=\w)")


def fits(names: Sequence[str], room: float, size: float) -> bool:
    """Whether the lines of names, of letters of so many points, lie within so many inches with a gap between.

    >>> fits(["cat", "dog"], 0.4, 8), fits(["caterpillar", "dog"], 0.4, 8)
    (True, False)
    """
    longest = max(len(line) for name in names for line in name.split("\n"))
    return (longest + 1) * WIDEST * size <= 72 * room


def _drawable(name: str, known: set[int]) -> str:
    name = printable(name) if name.strip() else f'"{name}"'
    return "".join(c if ord(c) in known else escaped(c) for c in name)


def _shortened(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    end = (most - 1) // 3
    return f"{name[: most - 1 - end]}…{name[-end:]}"
