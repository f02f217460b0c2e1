"""Runs the Python of a page, compares what it prints with what is shown, and keeps the figures that it draws.

A page is Markdown. Its blocks ```python run one after the other, with common names, in a folder of their own.
What a block prints is what the block ```output after it shows, to the letter. Figures that are saved in
`figures/` are the page's pictures of that name.

    python docs/extensions/pages.py docs/lessons/step.md    # writes into the page what its Python prints
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = re.compile(r"^```(python|output)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FIGURES = "figures"
# Okabe and Ito's colours, which everybody can tell apart.
STYLE = {
    "axes.prop_cycle": "cycler('color', ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'])",
    "axes.spines.top": "False",
    "axes.spines.right": "False",
    "svg.hashsalt": "unrolled",  # the same figure is the same file
}


class PageError(Exception):
    """A page whose Python fails, or prints what the page does not show."""


class Block(NamedTuple):
    """Python of a page, and what the page says that it prints.

    Attributes:
        line: of the page, of its first line of Python.
        code: the Python.
        shown: the output block after it; None if there is none.
        place: where in the page that stands.
    """

    line: int
    code: str
    shown: str | None
    place: tuple[int, int]


def blocks(text: str) -> list[Block]:
    r"""The Python blocks of a page, each with the output that follows it.

    Raises:
        PageError: an output that follows no Python.

    >>> (block,) = blocks("```python\nprint(1 + 1)\n```\n\n```output\n2\n```\n")
    >>> block.line, block.code, block.shown
    (2, 'print(1 + 1)\n', '2\n')
    """
    found: list[Block] = []
    open_for_output = False
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        if match[1] == "python":
            found.append(Block(line, match[2], None, (match.end(), match.end())))
        elif not open_for_output:
            raise PageError(f"line {line}: an output that follows no Python")
        else:
            found[-1] = found[-1]._replace(shown=match[2], place=match.span(2))
        open_for_output = match[1] == "python"
    return found


def printed_by(text: str, name: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run the Python of a page in a folder: each block, and what it printed.

    Raises:
        PageError: the Python fails; it says where and why.
    """
    import matplotlib

    (folder / FIGURES).mkdir(exist_ok=True)
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder), matplotlib.rc_context():
        matplotlib.use("agg")
        matplotlib.rcParams.update(STYLE)
        for block in blocks(text):
            code = "\n" * (block.line - 1) + block.code  # so that tracebacks have the page's lines
            printed = io.StringIO()
            try:
                with contextlib.redirect_stdout(printed):
                    exec(compile(code, name, "exec"), names)
            except Exception as error:
                raise PageError(f"{name}, the Python at line {block.line}: {error!r}") from error
            yield block, printed.getvalue()


def check(text: str, name: str, folder: Path) -> None:
    """Run a page, and compare.

    Raises:
        PageError: the Python fails, or prints what the page does not show; it says where, and both.
    """
    for block, printed in printed_by(text, name, folder):
        if lines(printed) != lines(block.shown or ""):
            shown = block.shown or "nothing: a block ```output after it is missing\n"
            raise PageError(
                f"{name}, the Python at line {block.line} prints\n{printed}\nbut shown is\n{shown}"
            )


def lines(text: str) -> list[str]:
    """The lines of a text, without blanks at their ends and empty lines at the end of all."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def rewritten(text: str, name: str, folder: Path) -> str:
    """A page that shows what its Python prints.

    Raises:
        PageError: the Python fails.
    """
    parts, end = [], 0
    for block, printed in printed_by(text, name, folder):
        output = "".join(f"{line}\n" for line in lines(printed))
        start, stop = block.place
        if block.shown is None and output:
            output = f"\n\n```output\n{output}```"
        parts += [text[end:start], output]
        end = stop
    return "".join([*parts, text[end:]])


def run_before_reading(app: Any, docname: str, source: list[str]) -> None:
    """Run a page when Sphinx reads it, so that its figures are there when they are looked for."""
    from sphinx.errors import ExtensionError

    page = Path(app.env.doc2path(docname))
    with tempfile.TemporaryDirectory() as folder:
        try:
            if docname.startswith("lessons/"):
                check(source[0], docname, Path(folder))
                shutil.copytree(Path(folder, FIGURES), page.parent / FIGURES, dirs_exist_ok=True)
            else:
                list(printed_by(source[0], docname, Path(folder)))
        except PageError as error:
            raise ExtensionError(str(error)) from error


def setup(app: Any) -> dict[str, Any]:
    """Run every page as it is read."""
    app.connect("source-read", run_before_reading)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(
                rewritten(page.read_text(encoding="utf-8"), page.name, Path(folder)), encoding="utf-8"
            )
