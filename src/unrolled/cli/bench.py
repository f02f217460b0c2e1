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
    from unrolled.bench import Row
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
    of_sgemm: float
    output_error: float
    gradient_error: float | None


def bench(options: BenchOptions) -> None:
    """Check the kernels against float64, then time them beside torch.nn, turn by turn.

    Training is forward, backward and a step of Adam on the mean square error of the last output; inference
    is forward alone. A cell that torch.nn lacks is timed beside a loop of torch's operations. The peak is
    the rate of one large matrix product. Let nothing else run meanwhile.

    [bold]examples:[/bold]

        unrolled bench
        unrolled bench --rows lstm-h128,gru-ragged --seconds 3 --threads 1
        unrolled bench --cell gru --batch 64 --steps 50 --hidden 256 --layers 2 --json gru.json
    """
    from unrolled.bench import machine, sgemm_gflops
    from unrolled.cli.machine import set_threads
    from unrolled.cli.terminal import OneByOne, Terminal

    rows = chosen(options)
    if not options.seconds > 0:
        raise UnrolledError(f"--seconds is {options.seconds}, expected more than 0")
    if options.json is not None and not options.json.parent.is_dir():
        raise UnrolledError(f"--json {options.json}: {options.json.parent} is not a folder: make it first")
    set_threads(options.threads)
    console, one_by_one = Terminal(), OneByOne()
    lines: list[Line] = []
    with console.status("the rate of a large matrix product"):
        found: dict[str, Any] = {**machine(), "sgemm_gflops": sgemm_gflops()}
    for number, row in enumerate(rows, start=1):
        with one_by_one.each(), console.status(f"{row.name}, {number} of {len(rows)}"):
            lines += measure(row, options.seconds, found["sgemm_gflops"])
    if lines:
        show(found, lines, console)
    if lines and options.json is not None:
        values = {"machine": found, "results": [line._asdict() for line in lines]}
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        console.print(f"saved as {options.json}")
    one_by_one.settle()


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


def measure(row: Row, seconds: float, sgemm: float) -> list[Line]:
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
        rate = bench.gflop(problem, work) / statistics.median(times["unrolled"])
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
                rate / sgemm,
                output,
                gradient if work == "train" else None,
            )
        )
    return lines


def show(machine: dict[str, Any], lines: list[Line], console: Terminal) -> None:
    """Print what it ran on, and the table."""
    console.print(
        f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']}; torch {machine['torch']}; "
        f"peak {machine['sgemm_gflops']:.0f} GFLOP/s"
    )
    headings = ("row", "sizes", "work", "ms", "peer takes", "of peak")
    rows = []
    for line in lines:
        time, peer = f"{line.ms:.3g}", f"{line.ratio:.2f}× {line.peer}"
        rows.append((line.row, line.sizes, line.work, time, peer, f"{line.of_sgemm:.0%}"))
    console.print_table(headings, rows, right=("ms", "of peak"))
    output = max(line.output_error for line in lines)
    gradient = max(line.gradient_error or 0.0 for line in lines)
    console.print(f"outputs within {output:.0e} of float64, gradients within {gradient:.0e} of their scale")
