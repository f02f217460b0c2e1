"""Check this library beside its peers, then time them, row by row.

    python -m benchmarks                           every row, beside torch.nn and a loop over cells
    python -m benchmarks --peers all               some rows, beside all peers: `make bench-peers` first
    python -m benchmarks lstm-h128 gru             the rows whose names begin so
    python -m benchmarks --cpu-time                one thread and its CPU time: for a machine with other work
    python -m benchmarks --avx2                    everybody capped at AVX2

Without names, the results are saved in benchmarks/results/ and docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import torch

import unrolled
from benchmarks.circumstances import circumstances
from benchmarks.goals import goals
from benchmarks.harness import PEERS, TORCH_PEERS, Harness
from benchmarks.report import line, save
from benchmarks.streaming import stream
from unrolled.bench import ROWS, Row
from unrolled.errors import UnrolledError, unknown_name

# What is timed beside the slower peers.
PEER_ROWS = (
    "lstm-h128",
    "lstm-3-layers",
    "lstm-bidirectional",
    "lstm-h512",
    "lstm-ragged",
    "gru-h128",
    "gru-3-layers",
    "gru-bidirectional",
    "gru-ragged",
    "gru-before-h128",
    "rnn-h128",
)
CAPPED = {
    "UNROLLED_ISA": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


def main() -> None:
    arguments = parse()
    if arguments.avx2 and os.environ.get("UNROLLED_ISA") != "avx2":
        # Libraries read these when they are loaded: begin again.
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], {**os.environ, **CAPPED}
        )
    if arguments.cpu_time:
        torch.set_num_threads(1)
    elif arguments.threads:
        torch.set_num_threads(arguments.threads)
    peers = {"torch": TORCH_PEERS, "all": PEERS}.get(arguments.peers) or tuple(arguments.peers.split(","))
    for peer in peers:
        if peer not in PEERS:
            raise unknown_name("peer", peer, ("torch", "all", *PEERS))
    rows, streams = chosen(arguments.names, every=arguments.peers != "all")

    clock = "process_time" if arguments.cpu_time else "perf_counter"
    harness = Harness(peers, arguments.seconds, arguments.cpu_time)
    found: dict[str, Any] = {
        "machine": {**circumstances(clock), "ceilings": harness.ceilings.rates(), "peers": {}},
        "results": [],
    }
    try:
        for row in rows:
            for result in harness.results(row):
                add(found, result)
        if streams:
            add(found, stream(arguments.seconds, harness.clock))
        found["machine"]["peers"] = harness.versions()
    finally:
        harness.close()
    name = arguments.save
    if not arguments.names and name is None:
        threads = torch.get_num_threads()
        kind = "cpu-time" if arguments.cpu_time else f"{threads}-threads"
        name = f"{arguments.peers}-{found['machine']['isa']}-{kind}"
    if name:
        print("saved:", *save(found, name))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="beginnings of the names of rows")
    parser.add_argument(
        "--peers", default="torch", help=f"torch, all, or some of {','.join(PEERS)} (default: torch)"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row and work (default: 3)")
    parser.add_argument("--threads", type=int, help="of every peer; torch's own choice by default")
    parser.add_argument("--cpu-time", action="store_true", help="one thread and its CPU time")
    parser.add_argument("--avx2", action="store_true", help="cap everybody at AVX2")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json and NAME.md")
    return parser.parse_args()


def chosen(names: list[str], every: bool) -> tuple[list[Row], bool]:
    """The rows that are asked for, and whether the streaming step is."""
    streams = hasattr(unrolled, "Stream")
    if not names:
        return [row for row in ROWS.values() if every or row.name in PEER_ROWS], streams and every
    rows = [row for row in ROWS.values() if row.name.startswith(tuple(names))]
    streams = streams and "stream" in names
    if not rows and not streams:
        raise unknown_name("row", names[0], [*ROWS, "stream"])
    return rows, streams


def add(found: dict[str, Any], result: dict[str, Any]) -> None:
    """Append a result, with its goals, and show it."""
    head = found["machine"]
    capped = head["isa"] == head["torch_isa"].lower() == "avx2"
    result["goals"] = [{**goal._asdict(), "reached": goal.reached} for goal in goals(result, capped)]
    found["results"].append(result)
    print(line(result), flush=True)


if __name__ == "__main__":
    try:
        main()
    except UnrolledError as error:
        sys.exit(f"benchmarks: {error}")
