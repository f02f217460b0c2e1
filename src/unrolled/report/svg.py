"""Figures as SVG: the same text for the same picture, and in a page the page's own colours and letters."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from unrolled.names import printable
from unrolled.report.lettering import plain_letters

# Colours that no picture has: each stands for one of the page's, which depends on light and dark.
INK, FAINT = "#0c0a01", "#0c0a02"
RUN_COLOURS = tuple(f"#0c0b{number:02x}" for number in range(1, 8))
PAGE_COLOURS = {
    INK: "currentColor",
    FAINT: "var(--line)",
    **{colour: f"var(--run-{number})" for number, colour in enumerate(RUN_COLOURS, start=1)},
}
DASHES = ("", "6 2", "1.5 1.5")

TAG = re.compile(r"<(?!!)[^>]*>")  # and no comment
PARTS = re.compile(
    r"""(?P<before>\ id="|href="\#|url\(\#)(?P<id>[^")]+)
    | (?P<factors>(?:matrix|scale)\([^)]*\))
    | (?P<place>-?\d+\.\d{4,}|-0\b(?!\.))""",
    re.VERBOSE,
)


def run_style(index: int) -> tuple[str, str]:
    """The colour and the dashes of the index-th run's line: 21 that differ, and then the same again."""
    return RUN_COLOURS[index % len(RUN_COLOURS)], DASHES[index // len(RUN_COLOURS) % len(DASHES)]


@contextlib.contextmanager
def page_colours() -> Iterator[None]:
    """Figures that are made inside take the page's colours once they are `as_svg`."""
    drawn = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    clear = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    colours: dict[Any, Any] = {**dict.fromkeys(drawn, INK), **dict.fromkeys(clear, "none")}
    with (
        plain_letters(),
        matplotlib.rc_context({**colours, "grid.color": FAINT, "font.family": "DejaVu Sans"}),
    ):
        yield


def as_svg(figure: Figure, name: str, description: str) -> Markup:
    """The figure as an SVG element.

    Args:
        figure: made inside `page_colours`.
        name: letters and hyphens, another for each figure of the page: it begins every id inside.
        description: what the figure shows, for those who do not see it.
    """
    for image in (image for axes in figure.axes for image in axes.images):
        image.set_interpolation("none")  # the values themselves, for the browser to enlarge
    for mesh in figure.findobj(QuadMesh):
        mesh.set_rasterized(True)  # a colour bar is one picture, not 256 paths
    with plain_letters(), matplotlib.rc_context({"svg.fonttype": "none"}):
        text = svg_text(figure, f"{name}-")
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = TAG.sub(lambda tag: _of_the_page(tag[0]), text)  # what is written stays as it is
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(printable(description))}"', 1))


def _of_the_page(tag: str) -> str:
    """A tag with the page's colours and letters."""
    tag = tag.replace("font-family: 'DejaVu Sans'", "font-family: inherit")
    for colour, of_the_page in PAGE_COLOURS.items():
        tag = tag.replace(colour, of_the_page)
    return tag


def svg_text(figure: Figure, prefix: str = "id-", **settings: Any) -> str:
    """The figure as the text of an SVG file, which does not depend on the last digits of a place.

    A layout may end in other last bits the second time. matplotlib makes ids of all of them, and writes six
    decimals, which tell them, too, where a place lies between two such numbers, as 1/128 does. Here the ids
    are numbers in the order of their appearance, and the places have three decimals.

    Args:
        figure: what to write.
        prefix: begins every id.
        settings: of `Figure.savefig`.
    """
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing, **settings)
    ids: dict[str, str] = {}

    def tidied(part: re.Match[str]) -> str:
        if part["id"]:
            return part["before"] + ids.setdefault(part["id"], f"{prefix}{len(ids) + 1}")
        if part["factors"]:
            return part["factors"]
        return f"{round(float(part['place']), 3) + 0:.3f}".rstrip("0").rstrip(".")  # + 0: no -0

    def tidy(tag: re.Match[str]) -> str:
        text = tag[0]
        if text.startswith("<image "):  # its id, made of its values, may occur twice, and nothing names it
            text = re.sub(r' id="[^"]*"', "", text)
        return PARTS.sub(tidied, text)

    return TAG.sub(tidy, file.getvalue())
