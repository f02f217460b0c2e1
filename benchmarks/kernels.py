"""Time the fused kernels against torch.nn, in one process, turn by turn; check that they agree before timing.

    python benchmarks/kernels.py                 every row, results into benchmarks/results/
    python benchmarks/kernels.py lstm-h128 gru   the rows whose names begin so

A training step is forward, mean square error of the last output, backward and a fused Adam step; inference
is forward alone. Ratios are medians of the rounds' own ratios: both sides of a round see the same neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import unrolled
from unrolled.unroll.dynamic import dynamic_unroll


class Row(NamedTuple):
    """One line of the table: a cell, its sizes, and the ratios to torch.nn that are the floor and the aim."""

    name: str
    cell: str
    N: int
    T: int
    I: int
    H: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False
    train: tuple[float, float] | None = None
    infer: tuple[float, float] | None = None


ROWS = [
    Row("lstm-h128", "lstm", 128, 28, 28, 128, train=(1.6, 2.0), infer=(1.25, 1.6)),
    Row("lstm-3-layers", "lstm", 128, 28, 28, 128, layers=3, train=(1.7, 2.0)),
    Row("lstm-n512", "lstm", 512, 28, 28, 128, train=(2.1, 2.5)),
    Row("lstm-h28", "lstm", 128, 28, 28, 28, train=(1.9, 2.5)),
    Row("lstm-n32", "lstm", 32, 28, 28, 128, train=(1.4, 1.8)),
    Row("lstm-bidirectional", "lstm", 128, 28, 28, 128, bidirectional=True, train=(1.5, 1.9)),
    Row("lstm-3x256", "lstm", 32, 28, 28, 256, layers=3, train=(1.4, 1.6)),
    Row("lstm-h512", "lstm", 128, 100, 64, 512, train=(1.25, 1.5)),
    Row("gru-h128", "gru", 128, 28, 28, 128, train=(3.0, 4.0), infer=(2.4, 3.0)),
    Row("gru-3-layers", "gru", 128, 28, 28, 128, layers=3, train=(2.6, 3.5)),
    Row("gru-bidirectional", "gru", 128, 28, 28, 128, bidirectional=True, train=(3.0, 3.8)),
    Row("gru-h28", "gru", 128, 28, 28, 28, train=(5.0, 7.0)),
    Row("gru-3x256", "gru", 32, 28, 28, 256, layers=3, train=(1.8, 2.2)),
    Row("gru-h512", "gru", 128, 100, 64, 512, train=(1.6, 2.0)),
    Row("gru-before-loop", "gru-before", 128, 28, 28, 128, train=(3.5, 5.0)),
    Row("ragged-lstm", "lstm", 128, 100, 28, 128, ragged=True, train=(10.0, 14.0)),
    Row("ragged-gru", "gru", 128, 100, 28, 128, ragged=True, train=(10.0, 14.0)),
]


class Ours(nn.Module):
    """The layers of a torch.nn module, with its weights, on dynamic_unroll."""

    def __init__(self, peer: Any, row: Row) -> None:
        super().__init__()
        self.row = row
        directions = 2 if row.bidirectional else 1
        self.ways = nn.ModuleList()
        for direction in range(directions):
            cells = []
            for layer in range(row.layers):
                width = row.I if layer == 0 else row.H
                if row.cell == "lstm":
                    cell: Any = unrolled.LSTMCell(width, row.H)
                else:
                    cell = unrolled.GRUCell(
                        width, row.H, reset="before" if row.cell == "gru-before" else "after"
                    )
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                cell.load_state_dict({name: getattr(peer, name + suffix) for name in cell.state_dict()})
                cells.append(cell)
            self.ways.append(unrolled.StackedCell(cells) if row.layers > 1 else cells[0])

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if self.row.bidirectional:
            outputs, _ = unrolled.bidirectional_unroll(self.ways[0], self.ways[1], x, lengths)
        else:
            outputs, _ = dynamic_unroll(self.ways[0], x, lengths)
        return outputs


class Peer(nn.Module):
    """torch.nn on the same work: packed where lengths differ, a loop over cells where it has no layer."""

    def __init__(self, layers: Any, row: Row, ours: Ours) -> None:
        super().__init__()
        self.layers, self.row = layers, row
        self.loop = [ours.ways[0]]

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if self.row.cell == "gru-before":
            outputs, _ = unrolled.static_unroll(self.loop[0], x.unbind(1))
            return torch.stack(outputs, 1)
        if lengths is None:
            outputs, _ = self.layers(x)
            return outputs
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.layers(packed)[0], batch_first=True)
        return outputs


def steps_of(row: Row) -> tuple[dict[str, Callable[[], Any]], float]:
    """Both sides' training step and inference, checked against each other, and the greatest difference."""
    torch.manual_seed(0)
    kind = nn.LSTM if row.cell == "lstm" else nn.GRU
    layers = kind(row.I, row.H, row.layers, batch_first=True, bidirectional=row.bidirectional)
    ours = Ours(layers, row)
    peer = Peer(layers, row, ours)
    x = torch.randn(row.N, row.T, row.I)
    lengths = torch.randint(1, row.T + 1, (row.N,)) if row.ragged else None
    if lengths is not None:
        lengths[0] = row.T
    last = torch.full((row.N,), row.T - 1) if lengths is None else lengths - 1
    rows = torch.arange(row.N)
    # Targets that are not learnt: gradients that die out become denormals, and those slow both sides' Adam.
    target = 2 * torch.rand(row.N, (2 if row.bidirectional else 1) * row.H) - 1

    with torch.no_grad():
        difference = float((peer(x, lengths) - ours(x, lengths)).abs().max())
    if not difference < 2e-6:
        raise SystemExit(f"{row.name}: outputs differ by {difference:.1e}: not timed")

    def training(model: nn.Module) -> Callable[[], None]:
        parameters = list(ours.parameters() if row.cell == "gru-before" else model.parameters())
        adam = torch.optim.Adam(parameters, fused=True)

        def step() -> None:
            adam.zero_grad()
            outputs = model(x, lengths)
            chosen = outputs[:, -1] if lengths is None else outputs[rows, last]
            (chosen - target).square().mean().backward()
            adam.step()

        return step

    def inference(model: nn.Module) -> Callable[[], None]:
        def step() -> None:
            with torch.no_grad():
                model(x, lengths)

        return step

    steps = {"train peer": training(peer), "train ours": training(ours)}
    return steps | {"infer peer": inference(peer), "infer ours": inference(ours)}, difference


CLOCK = time.perf_counter


def interleaved(peer: Callable[[], Any], ours: Callable[[], Any], seconds: float) -> dict[str, float]:
    """Medians over rounds of both sides, in milliseconds, and of the rounds' ratios."""
    for step in (peer, ours, peer, ours):
        step()
    times: list[tuple[float, float]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 5:
        moments = [CLOCK()]
        for step in (peer, ours):
            step()
            moments.append(CLOCK())
        times.append((moments[1] - moments[0], moments[2] - moments[1]))
    return {
        "peer_ms": 1e3 * statistics.median(p for p, _ in times),
        "ours_ms": 1e3 * statistics.median(o for _, o in times),
        "peer_min_ms": 1e3 * min(p for p, _ in times),
        "ours_min_ms": 1e3 * min(o for _, o in times),
        "ratio": statistics.median(p / o for p, o in times),
        "ratio_of_minima": min(p for p, _ in times) / min(o for _, o in times),
        "rounds": len(times),
    }


def streaming(seconds: float) -> dict[str, float]:
    """One step from Python, N = 1, LSTM 28 to 128, against nn.LSTMCell."""
    cell, peer = unrolled.LSTMCell(28, 128), nn.LSTMCell(28, 128)
    stream = unrolled.Stream(cell)
    x, state = torch.randn(1, 28), (torch.zeros(1, 128), torch.zeros(1, 128))

    def many_ours() -> None:
        for _ in range(100):
            stream.step(x)

    def many_peer() -> None:
        with torch.inference_mode():
            for _ in range(100):
                peer(x, state)

    return interleaved(many_peer, many_ours, seconds)


def sgemm_rate() -> float:
    """The machine's own rate on a large matrix product, in GFLOP/s."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    times = []
    for _ in range(8):
        begin = CLOCK()
        a @ b
        times.append(CLOCK() - begin)
    return 2 * 2048**3 / min(times) / 1e9


def gflop(row: Row, training: bool) -> float:
    """Useful floating-point operations of a dense row, in 1e9."""
    gates, total = 4 if row.cell == "lstm" else 3, 0.0
    for layer in range(row.layers):
        width = row.I if layer == 0 else row.H
        products = 2 * (width + row.H) + (row.H + (width if layer else 0)) if training else width + row.H
        total += 2.0 * row.N * row.T * gates * row.H * products
    return total * (2 if row.bidirectional else 1) / 1e9


def machine() -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": name,
        "threads": torch.get_num_threads(),
        "isa": unrolled.isa.active(),
        "torch": torch.__version__,
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "clock": CLOCK.__name__,
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "sgemm_gflops": round(sgemm_rate(), 1),
        "load": os.getloadavg()[0],
    }


def table(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    head = found["machine"]
    lines = [
        f"# Kernels against torch.nn, {head['date']}",
        "",
        f"{head['cpu']}, {head['threads']} threads, {head['isa']}, torch {head['torch']} "
        f"({head['torch_capability']}), commit {head['commit']}, {head['clock']}, load {head['load']:.1f}, "
        f"SGEMM {head['sgemm_gflops']} GFLOP/s.",
        "",
        "| row | work | peer ms | ours ms | ratio | of minima | floor | aim | of SGEMM | difference |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found["rows"]:
        share = f"{one['of_sgemm']:.0%}" if one["of_sgemm"] else ""
        lines.append(
            f"| {one['row']} | {one['work']} | {one['peer_ms']:.2f} | {one['ours_ms']:.2f} | "
            f"{one['ratio']:.2f} | {one['ratio_of_minima']:.2f} | {one['floor']} | {one['aim']} | "
            f"{share} | {one['difference']:.0e} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="beginnings of the names of rows; all if none")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row and work")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json and .md")
    parser.add_argument(
        "--cpu-time", action="store_true", help="one thread and its CPU time: for a machine with other work"
    )
    arguments = parser.parse_args()
    if arguments.cpu_time:
        global CLOCK
        CLOCK = time.process_time
        torch.set_num_threads(1)

    found: dict[str, Any] = {"machine": machine(), "rows": []}
    for row in ROWS:
        if arguments.names and not row.name.startswith(tuple(arguments.names)):
            continue
        steps, difference = steps_of(row)
        for work, goal in (("train", row.train), ("infer", row.infer)):
            if goal is None:
                continue
            times = interleaved(steps[f"{work} peer"], steps[f"{work} ours"], arguments.seconds)
            rate = gflop(row, work == "train") / times["ours_min_ms"] * 1e3
            one = {"row": row.name, "work": work, **times, "floor": goal[0], "aim": goal[1]}
            one |= {"difference": difference}
            one |= {"of_sgemm": None if row.ragged else rate / found["machine"]["sgemm_gflops"]}
            found["rows"].append(one)
            print(table(found).splitlines()[-1], flush=True)
    if hasattr(unrolled, "Stream") and (not arguments.names or "stream" in arguments.names):
        times = streaming(arguments.seconds)
        one = {"row": "stream, 100 steps", "work": "infer", **times, "floor": 8.0, "aim": 12.0}
        found["rows"].append(one | {"difference": 0.0, "of_sgemm": None})
        print(table(found).splitlines()[-1], flush=True)
    if arguments.save:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{arguments.save}.json").write_text(json.dumps(found, indent=1) + "\n")
        (folder / f"{arguments.save}.md").write_text(table(found))


if __name__ == "__main__":
    main()
