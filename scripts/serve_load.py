"""How many sessions and steps `unrolled serve` bears, and how soon it answers, client and all on one machine.

    python scripts/serve_load.py                      all rows: some two minutes
    python scripts/serve_load.py --run runs/mine --sessions 2000 --connected 100 --seconds 2

A real server runs in a process of its own, with the default settings apart from the rate for one address, and
this process is all clients at once. Throughput: each connection has one message on its way all the time.
Latency: messages come at random moments at half that rate, whether or not the service keeps up, and each is
timed from the moment at which it was due. Processor time is that of all threads, server's and client's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.crowd import Crowd, frame  # noqa: E402
from scripts.serve_kill import kill  # noqa: E402
from scripts.served import Server  # noqa: E402

NETWORK = "single-layer-dynamic-lstm"  # 28 numbers a step, an LSTM of 128, 10 classes
WORDS = 8  # messages of a session, sent again and again
VERSIONS = ("torch", "numpy", "uvicorn", "uvloop", "websockets")


def as_json(session: str, steps: np.ndarray) -> bytes:
    """The frame of a message of steps [T, I], as text."""
    return frame(json.dumps({"session": session, "steps": steps.tolist()}))


def as_numbers(session: str, steps: np.ndarray) -> bytes:
    """The frame of one in the compact form."""
    name = session.encode()
    return frame(struct.pack("<H", len(name)) + name + steps.astype("<f4").tobytes())


FORMS: dict[str, Callable[[str, np.ndarray], bytes]] = {"JSON": as_json, "compact": as_numbers}


def train(folder: Path) -> Path:
    """A run of the network, trained for a moment."""
    run = folder / "run"
    command = [sys.executable, "-m", "unrolled", "train", "--network", NETWORK, "--epochs", "1", "--run"]
    subprocess.run([*command, str(run)], check=True, capture_output=True, cwd=folder)
    return run


def open_sessions(crowd: Crowd, count: int) -> list[str]:
    """Open sessions over all connections; their names."""
    asked = ((number % len(crowd.sockets), frame('{"do": "open"}')) for number in range(count))
    answers = [json.loads(answer) for answer in crowd.ask(asked)]
    return [answer["session"] for answer in answers]


class Table:
    """What was measured, a line each as it comes."""

    def __init__(self) -> None:
        print("| what | figure | server | client | load of the machine |")
        print("|---|---:|---:|---:|---:|")

    def row(self, what: str, figure: str, server: float | None = None, client: float | None = None) -> None:
        cores = ["" if one is None else f"{one:.2f} cores" for one in (server, client)]
        print(f"| {what} | {figure} | {' | '.join(cores)} | {os.getloadavg()[0]:.1f} |", flush=True)


class Meter:
    """Cores that server and client keep busy from here on."""

    def __init__(self, server: Server) -> None:
        self.server, self.begin = server, (time.perf_counter(), server.processor(), time.process_time())

    def cores(self) -> tuple[float, float]:
        seconds = time.perf_counter() - self.begin[0]
        return (
            (self.server.processor() - self.begin[1]) / seconds,
            (time.process_time() - self.begin[2]) / seconds,
        )


def measure(server: Server, options: argparse.Namespace, table: Table) -> None:
    """All rows of load, on one server."""
    empty = server.memory()
    crowd = Crowd(server.port, options.connected)
    began = time.perf_counter()
    names = open_sessions(crowd, options.sessions)
    seconds = time.perf_counter() - began
    grown = (server.memory() - empty) / options.sessions
    table.row(
        f"sessions open, {options.connected:,} of them connected",
        f"{server.metrics()['in_memory']:,.0f} "
        f"({options.sessions / seconds:,.0f}/s, {grown / 1000:.1f} KB each)",
    )
    generator = np.random.default_rng(0)
    for form in options.forms:
        for length in options.steps:
            words = generator.standard_normal((WORDS, length, server.width()), dtype=np.float32)
            messages = [[FORMS[form](name, word) for word in words] for name in names[: options.connected]]
            measure_form(crowd, messages, server, options, table, f"{form}, messages of {length}", length)
    crowd.close()


def measure_form(
    crowd: Crowd,
    messages: Sequence[Sequence[bytes]],
    server: Server,
    options: argparse.Namespace,
    table: Table,
    what: str,
    length: int,
) -> None:
    """Throughput with messages of one kind, and latency at half of that."""
    before, meter = server.metrics(), Meter(server)
    rate = crowd.saturate(messages, options.seconds)
    cores, after = meter.cores(), server.metrics()
    rows = (after["rows"] - before["rows"]) / max(1, after["calls"] - before["calls"])
    steps = "" if length == 1 else f", {length * rate:,.0f} steps/s"
    table.row(what, f"{rate:,.0f} messages/s{steps} ({rows:.0f} in a call)", *cores)
    for load in (rate / 2, *options.rates):
        meter = Meter(server)
        times, late = crowd.at_rate(messages, load, options.seconds)
        table.row(
            f"{what}, {load:,.0f}/s",
            f"p50 {milliseconds(times, 0.5)}, p99 {milliseconds(times, 0.99)}, most {milliseconds(times, 1)} "
            f"(client late: p99 {milliseconds(late, 0.99)})",
            *meter.cores(),
        )


def milliseconds(times: Sequence[float], share: float) -> str:
    """A quantile of sorted times."""
    return f"{1000 * times[min(len(times) - 1, int(share * len(times)))]:.2f} ms"


def machine() -> str:
    """Where this runs, and on what."""
    model = next(
        (
            line.partition(":")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    return f"{os.cpu_count()} cores of {model.strip()}; Python {platform.python_version()}, {versions}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="a run folder; by default one is trained for a moment")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--connected", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each row")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--steps", nargs="+", type=int, default=[1, 10], help="of a message")
    parser.add_argument("--rates", nargs="*", type=float, default=[], help="other loads, messages a second")
    parser.add_argument("--kill", action="store_true", help="nothing but the row of the kill")
    parser.add_argument("--no-kill", action="store_true", help="all rows but that")
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="what the server is told")
    options = parser.parse_args(arguments)
    print(machine() + "\n")
    with tempfile.TemporaryDirectory(prefix="unrolled-") as place, contextlib.ExitStack() as servers:
        folder = Path(place)
        run = options.run or train(folder)

        def start(*told: object) -> Server:
            server = Server(folder / "log", run, *told, *options.serve)
            servers.callback(server.kill)
            return server

        table = Table()
        if not options.kill:
            server = start("--port", 0)
            measure(server, options, table)
            server.stop()
        if not options.no_kill:
            came = kill(start, run, folder, options.sessions, options.connected, options.seconds / 2)
            table.row("kill -9 under load, restart", came.told)
            if came.same < options.sessions or came.left:
                sys.exit(f"{options.sessions - came.same:,} sessions were lost, {came.left} files left over")


if __name__ == "__main__":
    main()
