"""`unrolled bench`: how fast the kernels are on this machine, beside torch.nn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from unrolled.atomic import atomic_path
from unrolled.cli.options import Threads
from unrolled.errors import UnrolledError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from unrolled.bench import Ceilings, Figure, Row
    from unrolled.cli.terminal import Terminal

DEFAULT_ROWS = ("lstm-h128", "lstm-3-layers", "lstm-ragged", "gru-h128", "gru-3-layers", "gru-ragged")
OWN: dict[str, Any] = {"cell": "lstm", "batch": 128, "steps": 28, "input": 28, "hidden": 128, "layers": 1}


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """What `unrolled bench` is told."""

    rows: Annotated[
        str | None, typer.Option(help="Names of rows, with commas between; by default six of them.")
    ] = None
    cell: Annotated[
        str | None, typer.Option(help="A row of your own: lstm, gru, gru-before, rnn, lstm-peephole ...")
    ] = None
    batch: Annotated[int | None, typer.Option(help="Its sequences, N; by default 128.")] = None
    steps: Annotated[int | None, typer.Option(help="Its steps, T; by default 28.")] = None
    input: Annotated[int | None, typer.Option(help="Its numbers in a step, I; by default 28.")] = None
    hidden: Annotated[int | None, typer.Option(help="The width of its layers, H; by default 128.")] = None
    layers: Annotated[int | None, typer.Option(help="Its layers; by default 1.")] = None
    bidirectional: Annotated[bool, typer.Option("--bidirectional", help="Read both ways.")] = False
    ragged: Annotated[bool, typer.Option("--ragged", help="Lengths from 1 to T in place of T.")] = False
    grid: Annotated[
        bool,
        typer.Option(
            "--grid", help="LSTM and GRU over many sizes, with one thread and all: a quarter of an hour."
        ),
    ] = False
    quick: Annotated[bool, typer.Option("--quick", help="With --grid: nine sizes of each, two minutes.")] = (
        False
    )
    seconds: Annotated[float, typer.Option(help="How long to time each row and work.")] = 1.0
    threads: Threads = None
    json: Annotated[Path | None, typer.Option(help="A file to write all figures to.")] = None


class Line(NamedTuple):
    """One line of the table: milliseconds, and how many times longer the peer takes.

    The errors are the greatest against float64; that of the gradients is relative to their scale.
    """

    row: str
    sizes: str
    work: str
    ms: float
    peer: str
    peer_ms: float
    ratio: float
    bound_by: str
    of_bound: float
    output_error: float
    gradient_error: float | None


def bench(options: BenchOptions) -> None:
    """Check the kernels against float64, then time them beside torch.nn, turn by turn.

    Training is forward, backward and a step of Adam on the mean square error of the last output; inference
    is forward alone. A cell that torch.nn lacks is timed beside a loop of torch's operations. The limit is
    the rate of one large matrix product (FLOP), or that of reading the weights from the smallest cache that
    holds them (L2, L3, memory), whichever binds. Let nothing else run meanwhile.

    [bold]examples:[/bold]

        unrolled bench
        unrolled bench --rows lstm-h128,gru-ragged --seconds 3 --threads 1
        unrolled bench --cell gru --batch 64 --steps 50 --hidden 256 --layers 2 --json gru.json
        unrolled bench --grid --quick --cell gru --threads 1
    """
    from unrolled.bench import ceilings, machine
    from unrolled.cli.machine import set_threads
    from unrolled.cli.terminal import OneByOne, Terminal

    if options.quick and not options.grid:
        raise UnrolledError("--quick is for --grid: give both")
    rows = [] if options.grid else chosen(options)
    if not options.seconds > 0:
        raise UnrolledError(f"--seconds is {options.seconds}, expected more than 0")
    if options.json is not None and not options.json.parent.is_dir():
        raise UnrolledError(f"--json {options.json}: {options.json.parent} is not a folder: make it first")
    set_threads(options.threads)
    if options.grid:
        from unrolled.cli.bench_grid import bench_grid

        bench_grid(options)
        return
    console, one_by_one = Terminal(), OneByOne()
    lines: list[Line] = []
    with console.status("what the machine can do at most"):
        limits = ceilings()
    for number, row in enumerate(rows, start=1):
        with one_by_one.each(), console.status(f"{row.name}, {number} of {len(rows)}"):
            lines += measure(row, options.seconds, limits)
    if lines:
        found = machine()
        for line in described(found, limits):
            console.print(line)
        show(lines, console)
        save(options.json, {found["threads"]: limits}, found, lines, console)
    one_by_one.settle()


def described(machine: dict[str, Any], limits: Ceilings) -> tuple[str, str]:
    """What it ran on, and what that can do at most."""
    levels = ", ".join(f"{level.name} {level.gbytes:.0f}" for level in limits.levels)
    return (
        f"{machine['cpu']}, threads: {machine['threads']}, {machine['isa']}; torch {machine['torch']}",
        f"limits: {limits.sgemm_gflops:.0f} GFLOP/s; reads {levels} GB/s",
    )


def save(
    target: Path | None,
    limits: Mapping[int, Ceilings],
    machine: dict[str, Any],
    results: Sequence[Line | Figure],
    console: Terminal,
) -> None:
    """Write all figures to a file, if one was asked for."""
    if target is None:
        return
    saved = {threads: one.rates() for threads, one in limits.items()}
    values = {"machine": machine, "limits": saved, "results": [one._asdict() for one in results]}
    with atomic_path(target) as path:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    console.print(f"saved as {target}")


def chosen(options: BenchOptions) -> list[Row]:
    """The rows that are asked for.

    Raises:
        UnrolledError: an unknown name, a size below 1, or both rows by name and a row of one's own.
    """
    from unrolled.bench import ROWS, Row

    own = {name: getattr(options, name) for name in OWN if getattr(options, name) is not None}
    if not own and not options.bidirectional and not options.ragged:
        names = DEFAULT_ROWS if options.rows is None else options.rows.split(",")
        for name in names:
            if name not in ROWS:
                raise unknown_name("row", name, ROWS)
        return [ROWS[name] for name in names]
    if options.rows is not None:
        raise UnrolledError(
            f"--rows {options.rows} and a row of your own (--cell, --batch ...): give one of them"
        )
    cell, N, T, I, H, layers = (OWN | own).values()
    return [Row("own", cell, N, T, I, (H,) * layers, options.bidirectional, options.ragged).check()]


def measure(row: Row, seconds: float, limits: Ceilings) -> list[Line]:
    """A row's two lines."""
    import statistics

    from unrolled import bench
    from unrolled.bench.check import find, judge

    problem = bench.draw(row)
    has_torch = bench.TorchModel.has(row.cell)
    peer = "torch.nn" if has_torch else "loop"
    models = {
        "unrolled": bench.CellModel(problem),
        peer: bench.TorchModel(problem) if has_torch else bench.CellModel(problem, kind="static"),
    }
    expected = judge(problem)
    errors = {
        name: bench.checked(name, find(model, problem), expected, row.name) for name, model in models.items()
    }
    lines = []
    for work in bench.WORKS:
        steps = {name: bench.step(model, problem, work) for name, model in models.items()}
        times = bench.interleaved(steps, seconds)
        limit = bench.bound(problem, work, limits)
        output, gradient = errors["unrolled"]
        lines.append(
            Line(
                row.name,
                row.sizes,
                work,
                bench.median_ms(times["unrolled"]),
                peer,
                bench.median_ms(times[peer]),
                bench.median_ratio(times[peer], times["unrolled"]),
                limit.by,
                limit.seconds / statistics.median(times["unrolled"]),
                output,
                gradient if work == "train" else None,
            )
        )
    return lines


def show(lines: list[Line], console: Terminal) -> None:
    """Print the table."""
    headings = ("row", "sizes", "work", "ms", "peer takes", "of limit")
    rows = []
    for line in lines:
        time, peer = f"{line.ms:.3g}", f"{line.ratio:.2f}× {line.peer}"
        limit = f"{line.of_bound:.0%} {line.bound_by}"
        rows.append((line.row, line.sizes, line.work, time, peer, limit))
    console.print_table(headings, rows, right=("ms",))
    output = max(line.output_error for line in lines)
    gradient = max(line.gradient_error or 0.0 for line in lines)
    console.print(f"outputs within {output:.0e} of float64, gradients within {gradient:.0e} of their scale")
