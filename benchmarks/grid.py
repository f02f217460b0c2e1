"""Check and time the grid, LSTM and GRU over many sizes beside torch.nn: results/ and docs/benchmarks.md.

    python -m benchmarks.grid                      35 sizes of each, one thread and two: about 15 minutes
    python -m benchmarks.grid --quick --cell gru   nine sizes of one: about a minute; nothing is saved
    python -m benchmarks.grid --cpu-time           one thread and its CPU time: for a machine with other work

`unrolled bench --grid` shows the same in a terminal.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import torch

from benchmarks.circumstances import circumstances
from benchmarks.report import save_figures
from unrolled.bench import GRID_CELLS, Figure, ceilings, figures, grid
from unrolled.errors import UnrolledError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="nine sizes of each cell")
    parser.add_argument("--cell", choices=GRID_CELLS, help="one of them alone")
    parser.add_argument(
        "--threads", type=int, nargs="+", help="numbers of threads (default: 1 and torch's own)"
    )
    parser.add_argument("--cpu-time", action="store_true", help="one thread and its CPU time")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure (default: 1)")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json, and the page")
    options = parser.parse_args()
    most = torch.get_num_threads()
    counts = [1] if options.cpu_time else sorted(set(options.threads or (1, most)))
    clock = time.process_time if options.cpu_time else time.perf_counter

    limits = {}
    for count in counts:
        torch.set_num_threads(count)
        limits[count] = ceilings(clock)
    found: dict[str, Any] = {
        "machine": {
            **circumstances(clock.__name__),
            "ceilings": {str(count): one.rates() for count, one in limits.items()},
        },
        "results": [],
    }
    cells = (options.cell,) if options.cell else GRID_CELLS
    for row in (row for cell in cells for row in grid(cell, options.quick)):
        mine = list(figures(row, limits, options.seconds, clock))
        found["results"] += [one._asdict() for one in mine]
        print(f"{row.cell:5}{row.sizes:20}", *map(in_short, mine), sep="  ", flush=True)
    name = options.save
    if name is None and not (options.quick or options.cell or options.threads):
        name = f"grid-{found['machine']['isa']}{'-cpu-time' if options.cpu_time else ''}"
    if name:
        print("saved:", *save_figures(found, name))


def in_short(figure: Figure) -> str:
    """A figure for whoever watches the run."""
    limit = f"{figure.of_bound:.0%} {figure.bound_by}"
    return f"{figure.work} {figure.threads}: {figure.ratio:.2f}× ({limit})"


if __name__ == "__main__":
    try:
        main()
    except UnrolledError as error:
        sys.exit(f"benchmarks: {error}")
