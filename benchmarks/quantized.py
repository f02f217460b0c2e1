"""Time weights of fewer bits in inference: torch.nn and the float32 kernels against int8 and bfloat16.

    python -m benchmarks.quantized --cpu-time --save NAME           results into benchmarks/results/
    python -m benchmarks.quantized --threads 2 --save NAME --only "GRU N1"     some; NAME keeps what it has

One sequence of 100 steps, 32 sequences of 28, and a step of a stream; turn by turn in one process. Errors are
the largest differences of outputs, which lie in [-1, 1], from torch.nn's in float64.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import unrolled
from benchmarks.circumstances import circumstances
from unrolled.bench import interleaved, median_ms, median_ratio
from unrolled.stream import Stream

RESULTS = Path(__file__).parent / "results"
WIDTH = 64
TIMES = {1: 100, 32: 28}  # steps of so many sequences
LAYERS = {
    f"{kind} N{batch} H{hidden}": (kind, batch, hidden)
    for batch, kind, hidden in itertools.product(TIMES, ("LSTM", "GRU", "RNN"), (128, 512, 1024))
}
STREAMS = {f"{kind} 28→128, a step of a stream": kind for kind in ("LSTM", "GRU")}
DTYPES = {"int8": torch.int8, "bfloat16": torch.bfloat16}
AT_ONCE = 100  # steps of a stream

Call = Callable[[], Any]


def call(layer: Any, x: torch.Tensor) -> Call:
    """A layer's outputs in inference."""
    return torch.inference_mode()(lambda: layer(x)[0])


def steps(cell: Any, x: torch.Tensor) -> Call:
    """Some steps of a stream."""
    step = Stream(cell).step

    def run() -> None:
        for _ in range(AT_ONCE):
            step(x)

    return run


def layers(kind: str, batch: int, hidden: int) -> tuple[dict[str, Call], dict[str, float]]:
    """What is timed of a layer, and the errors."""
    peer = getattr(nn, kind)(WIDTH, hidden, batch_first=True).eval()
    ours = getattr(unrolled, kind)(WIDTH, hidden, batch_first=True).eval()
    ours.load_state_dict(peer.state_dict())
    x = torch.randn(batch, TIMES[batch], WIDTH)
    sides = {"torch.nn": peer, "float32": ours}
    sides |= {name: unrolled.quantize(ours, dtype) for name, dtype in DTYPES.items()}
    calls = {name: call(layer, x) for name, layer in sides.items()}
    exact = call(copy.deepcopy(peer).double(), x.double())()
    return calls, {name: float((one() - exact).abs().max()) for name, one in calls.items()}


def stream(kind: str) -> tuple[dict[str, Call], dict[str, float]]:
    """The same of a stream, whose steps have the bits of whole sequences."""
    cell, x = getattr(unrolled, f"{kind}Cell")(28, 128), torch.randn(1, 28)
    sides = {"float32": cell}
    sides |= {name: unrolled.quantize(cell, dtype) for name, dtype in DTYPES.items()}
    return {name: steps(one, x) for name, one in sides.items()}, {}


def measured(calls: dict[str, Call], errors: dict[str, float], seconds: float, clock: Any) -> dict[str, Any]:
    """Of each side the median of its milliseconds, how many times less that is, and its error."""
    times = interleaved(calls, seconds, clock)
    return {
        name: {
            "ms": median_ms(own),
            **{
                f"x {peer}": median_ratio(times[peer], own)
                for peer in ("torch.nn", "float32")
                if peer in times
            },
            **({"error": errors[name]} if errors else {}),
        }
        for name, own in times.items()
    }


def cell_of(row: dict[str, Any], name: str) -> str:
    """What a table says of a side: its speed and its error."""
    if name not in row:
        return ""
    side = row[name]
    if name == "torch.nn":
        return f"{side['ms']:.3g} ms, {side['error']:.0e}"
    peers = ("torch.nn",) if name == "float32" else ("torch.nn", "float32")
    ratios = [f"{side[f'x {peer}']:.1f}×" for peer in peers if f"x {peer}" in side]
    return ", ".join(
        [*ratios, *([f"{side['error']:.0e}"] if "error" in side else [f"{side['ms'] * 10:.2f} µs"])]
    )


def page(found: dict[str, Any]) -> str:
    """The table of all that was found."""
    here = found["machine"]
    names = ("torch.nn", "float32", *DTYPES)
    rows = found["rows"]
    return "\n".join(
        [
            f"# Weights of fewer bits in inference, {here['date']}",
            "",
            f"{here['cpu']}, {here['threads']} threads, {here['isa']}, torch {here['torch']} "
            f"({here['torch_isa']}), commit {here['commit']}, {here['clock']}, load {here['load']}.",
            "×: how many times less time than torch.nn, and for weights of fewer bits also than the float32 "
            "kernels; the last number is the error.",
            "",
            f"| work | {' | '.join(names)} |",
            "|" + "---|" * (1 + len(names)),
            *(
                f"| {work} | {' | '.join(cell_of(rows[work], name) for name in names)} |"
                for work in (*LAYERS, *STREAMS)
                if work in rows
            ),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each work")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="one thread and its CPU time")
    parser.add_argument("--only", metavar="TEXT", nargs="+", default=[""], help="works that begin with it")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json and .md")
    options = parser.parse_args()
    torch.set_num_threads(1 if options.cpu_time else options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter

    found: dict[str, Any] = {"machine": circumstances(clock.__name__), "rows": {}}
    path = RESULTS / f"{options.save}.json"
    if options.save and path.exists():
        found["rows"] = json.loads(path.read_text())["rows"]
    torch.manual_seed(0)
    for work, how in (LAYERS | STREAMS).items():
        if not work.startswith(tuple(options.only)):
            continue
        found["rows"][work] = measured(
            *(stream(how) if isinstance(how, str) else layers(*how)), options.seconds, clock
        )
        print(work, *(cell_of(found["rows"][work], name) for name in DTYPES), sep=" | ", flush=True)
    if options.save:
        path.write_text(json.dumps(found, indent=1) + "\n")
        path.with_suffix(".md").write_text(page(found))


if __name__ == "__main__":
    main()
