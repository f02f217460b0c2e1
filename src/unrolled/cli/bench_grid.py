"""`unrolled bench --grid`: over many sizes, on the user's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.cli.terminal import OneByOne, Terminal
from unrolled.errors import UnrolledError, unknown_name

if TYPE_CHECKING:
    from unrolled.bench import Figure
    from unrolled.cli.bench import BenchOptions

OTHERS = ("rows", "batch", "steps", "input", "hidden", "layers")  # what the grid decides


def bench_grid(options: BenchOptions) -> None:
    """Check and time the grid with one thread and with all, or with --threads, and print it."""
    import torch

    from unrolled import bench
    from unrolled.cli.bench import described, save

    for name in OTHERS:
        if getattr(options, name) is not None:
            raise UnrolledError(f"--{name} and --grid: the grid has sizes of its own, give one of them")
    if options.bidirectional or options.ragged:
        raise UnrolledError(
            "--grid reads dense sequences in one direction: leave out --bidirectional, --ragged"
        )
    if options.cell is not None and options.cell not in bench.GRID_CELLS:
        raise unknown_name("cell of the grid", options.cell, bench.GRID_CELLS)
    cells = bench.GRID_CELLS if options.cell is None else (options.cell,)
    rows = [row for cell in cells for row in bench.grid(cell, options.quick)]
    most = torch.get_num_threads()
    counts = sorted({most} if options.threads is not None else {1, most})

    console, one_by_one = Terminal(), OneByOne()
    limits = {}
    for count in counts:
        with console.status(f"what the machine can do at most, {bench.in_threads(count)}"):
            torch.set_num_threads(count)
            limits[count] = bench.ceilings()
    torch.set_num_threads(most)
    found: list[Figure] = []
    for number, row in enumerate(rows, start=1):
        with one_by_one.each(), console.status(f"{row.sizes}, {row.cell}, {number} of {len(rows)}"):
            found += bench.figures(row, limits, options.seconds)
    if found:
        head = bench.machine()
        for line in described(head, limits[most]):
            console.print(line)
        show(found, console)
        save(options.json, limits, head, found, console)
    one_by_one.settle()


def show(found: list[Figure], console: Terminal) -> None:
    """Print a table for each kind of cell and work, and the geometric means."""
    from unrolled.bench import WORDS, in_threads, means, square

    counts = sorted({figure.threads for figure in found}, reverse=True)
    most = in_threads(counts[0])
    others = f" ({', '.join(in_threads(count) for count in counts[1:])})" if counts[1:] else ""
    for cell in sorted({figure.cell for figure in found}, reverse=True):
        for work, name in WORDS.items():
            headings, *lines = square(found, cell, work)
            title = f"{cell.upper()}, {name}: torch.nn's time by ours, {most}{others}; T40, I = H"
            console.print()
            console.print_table(headings, lines, title, right=headings)
    mean = means(found)
    lines = [
        [cell.upper(), in_threads(count), *(f"{mean[cell, count, work]:.2f}" for work in WORDS)]
        for cell, count in sorted(
            {(cell, count) for cell, count, _ in mean}, key=lambda key: (key[0], -key[1])
        )
    ]
    console.print()
    console.print_table(
        ("cell", "threads", *WORDS.values()), lines, "geometric means", right=tuple(WORDS.values())
    )
