"""`unrolled page`: one file in which networks read a drawing, or examples, step by step."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli.options import DataDir, Threads
from unrolled.cli.report import data_at_hand, find_runs, name_folders
from unrolled.errors import UnrolledError

NAME = Path("reading.html")


@dataclasses.dataclass(frozen=True)
class PageOptions:
    """What `unrolled page` is told."""

    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders of networks that read the same, or folders of such runs; by default the newest "
            "in runs/.",
            show_default=False,
        ),
    ] = None
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = NAME
    data_dir: DataDir = None
    threads: Threads = None


def page(options: PageOptions) -> None:
    """Write one HTML file in which a network reads your own digit, row by row.

    Draw, or choose a test example, and step through the rows: the answer so far, h, c and every gate, the
    rows that the answer depends on, two networks side by side, and what happens if c is erased, a gate is
    held or a row is skipped. The weights are in the file: it needs no network and no server. Networks of
    other sequences read test examples.

    [bold]examples:[/bold]

        unrolled page
        unrolled page runs/mine -o reading.html
        unrolled page runs/lstm runs/gru -o both.html
    """
    from unrolled.cli.machine import set_threads
    from unrolled.cli.terminal import Terminal
    from unrolled.page import write_page
    from unrolled.page.writer import check_output
    from unrolled.training import Run
    from unrolled.training.run import newest

    terminal = Terminal()
    check_output(options.output)
    set_threads(options.threads)
    folders = [folder for each in options.runs or [newest(Path("runs"))] for folder in find_runs(each)]
    runs = {name: Run.open(folder) for name, folder in name_folders(folders).items()}
    first = next(iter(runs.values()))
    try:
        data = data_at_hand(first.config, options.data_dir)
    except UnrolledError as error:
        terminal.print(f"note: the page has no test examples: {error}")
        data = None
    write_page(options.output, runs, data)
    terminal.print(f"page  {options.output}  ({options.output.stat().st_size / 1e6:.1f} MB)")
