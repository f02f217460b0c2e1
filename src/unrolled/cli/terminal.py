"""What the command line prints: each line goes through a `Terminal`, where a name is text."""

from __future__ import annotations

import contextlib
import os
import shutil
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from unrolled.errors import UnrolledError
from unrolled.names import printable

MISTAKE = 2  # the exit code
MOST_COLUMNS = 10_000
debugging = False  # whether errors come with their tracebacks: --debug


class Terminal(Console):
    """A console on which strings are text: no markup, no `:emoji:`, no colours of rich's own guessing, and no
    control characters. A line is as long as it is, and the terminal wraps it.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, soft_wrap=True, highlight=False)
        if self.is_dumb_terminal:  # which rich takes for 80 columns wide, whatever it is
            self.size = ConsoleDimensions(*shutil.get_terminal_size())

    def render_str(self, text: str, *, style: Any = "", **layout: Any) -> Text:
        shown = printable(text).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return Text(shown, style=style, justify=layout.get("justify"), overflow=layout.get("overflow"))

    def print_pieces(self, pieces: Sequence[str], between: str = "  ", indent: str = "  ") -> None:
        """Print pieces in one line; on a terminal that is too narrow for it in several, each piece whole."""
        lines = [pieces[0]]
        for piece in pieces[1:]:
            joined = f"{lines[-1]}{between}{piece}"
            if self.is_terminal and cell_len(printable(joined)) > self.width:
                lines.append(f"{indent}{piece}")
            else:
                lines[-1] = joined
        for line in lines:
            self.print(line.rstrip())

    def print_table(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        title: str = "",
        right: Sequence[str] = (),
    ) -> None:
        """Print rows under their headings; one below the other where the terminal is too narrow for that.

        Args:
            headings: of the columns.
            rows: a cell for each of them.
            title: a line above.
            right: the headings of columns of numbers.
        """
        if title:
            self.print(title)
        for space in (1, 0):
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, space, 0, 0))
            for heading in headings:
                table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
            for row in rows:
                table.add_row(*row)
            wide = self.options.update(max_width=MOST_COLUMNS)
            if Measurement.get(self, wide, table).maximum <= self.width:
                self.print(table)
                return
        longest = max(map(len, headings))
        for row in rows:
            for heading, cell in zip(headings, row, strict=True):
                self.print(f"{heading:{longest}} {cell}")
            self.print()


def complain(error: Exception) -> None:
    """Say in one line what went wrong; with --debug, where."""
    if debugging:
        traceback.print_exception(error)
    Terminal(stderr=True).print(f"unrolled: {describe(error)}", style="red")


def describe(error: Exception) -> str:
    """An error's message; of the system's, what it is about comes first.

    >>> describe(FileNotFoundError(2, "No such file or directory", "seven.png"))
    'seven.png: No such file or directory'
    """
    if isinstance(error, TyperException):
        return error.format_message()
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


class OneByOne:
    """Several things that were asked for: one that fails costs none of the others its answer.

    Attributes:
        failed: how many did.
    """

    failed = 0

    @contextlib.contextmanager
    def each(self) -> Iterator[None]:
        """Around the work on one of them: its error becomes a line."""
        try:
            yield
        except BrokenPipeError:
            raise
        except (UnrolledError, OSError) as error:
            complain(error)
            self.failed += 1

    def settle(self) -> None:
        """End with an error's exit code if one failed."""
        if self.failed:
            raise typer.Exit(MISTAKE)
