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
import importlib.metadata
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.crowd import Crowd, check_answer, frame  # noqa: E402

NETWORK = "single-layer-dynamic-lstm"  # 28 numbers a step, an LSTM of 128, 10 classes
WORDS = 8  # messages of a session, sent again and again
RATE = 10_000_000  # messages a second from one address: the client has but one
VERSIONS = ("torch", "numpy", "uvicorn", "uvloop", "websockets")


class Server:
    """`unrolled serve` in a process of its own, which logs to a file.

    Args:
        log: that file.
        arguments: what follows `unrolled serve`.
    """

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        before = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "unrolled", "serve", "--rate", str(RATE), *map(str, arguments)]
        with log.open("a") as file:
            self.process = subprocess.Popen(command, stderr=file)
        while not (ready := [one for one in self._said(before) if one.get("event") == "ready"]):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server did not start: {log.read_text()[before:]}")
            time.sleep(0.02)
        self.port: int = ready[0]["port"]

    def _said(self, begin: int) -> list[dict[str, Any]]:
        whole = self.log.read_text()[begin:].rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def metrics(self) -> dict[str, float]:
        """The numbers of its engine."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {
            line.partition("{")[0].removeprefix("unrolled_engine_"): float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("unrolled_engine_")
        }

    def memory(self) -> int:
        """Bytes that it has."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )

    def processor(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it, and wait."""
        self.process.terminate()
        self.process.wait(60)


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
    """Open sessions, one after another over each connection; their names."""
    asked = [(number % len(crowd.sockets), frame('{"do": "open"}')) for number in range(count)]
    answers = crowd.ask(asked)
    for answer in answers:
        check_answer(answer)
    return [json.loads(answer)["session"] for answer in answers]


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
            words = generator.standard_normal((WORDS, length, width_of(server)), dtype=np.float32)
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


def width_of(server: Server) -> int:
    """I, the numbers of a step."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/models") as answer:
        width: int = json.load(answer)["models"][0]["step"]
    return width


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
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="what the server is told")
    options = parser.parse_args(arguments)
    print(machine() + "\n")
    with tempfile.TemporaryDirectory(prefix="unrolled-") as place:
        folder = Path(place)
        run = options.run or train(folder)
        server = Server(folder / "log", run, "--port", "0", *options.serve)
        try:
            measure(server, options, Table())
        finally:
            server.stop()


if __name__ == "__main__":
    main()
