"""Time quantized weights in inference: torch.nn and the float32 kernels against int8 and bfloat16.

    python -m benchmarks.quantized --cpu-time --save NAME           results into benchmarks/results/

One sequence of 100 steps, and one step of a stream; turn by turn in one process. Errors are those of outputs
against the float32 kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import unrolled
from benchmarks.pairs import Pairs
from unrolled.stream import Stream

SEQUENCES = [(nn.LSTM, 64, 512), (nn.LSTM, 64, 1024), (nn.GRU, 64, 512), (nn.GRU, 64, 1024)]
STEPS = [(unrolled.LSTMCell, 28, 128), (unrolled.GRUCell, 28, 128)]
T, AT_ONCE = 100, 100
DTYPES = {"int8": torch.int8, "bfloat16": torch.bfloat16}


def sequence(layer: Any, x: torch.Tensor) -> Callable[[], torch.Tensor]:
    """A call in inference."""

    @torch.inference_mode()
    def call() -> torch.Tensor:
        outputs: torch.Tensor = layer(x)[0]
        return outputs

    return call


def steps(cell: Any, x: torch.Tensor) -> Callable[[], None]:
    """Some steps of a stream."""
    step = Stream(cell).step

    def call() -> None:
        for _ in range(AT_ONCE):
            step(x)

    return call


def error(exact: Any, small: Any, x: torch.Tensor) -> float:
    """The largest of the outputs' differences."""
    return float((sequence(exact, x)() - sequence(small, x)()).abs().max())


def main() -> None:
    pairs = Pairs(__doc__, seconds=2.0)
    lines = [
        f"# Quantized weights, one sequence, {pairs.found['machine']['date']}",
        "",
        f"{pairs.head()}. x: that time / the quantized one's.",
        "",
        "| work | weights | x torch.nn | x float32 here | largest error |",
        "|---|---|---|---|---|",
    ]
    torch.manual_seed(0)
    for kind, width, hidden in SEQUENCES:
        peer, x = kind(width, hidden, batch_first=True).eval(), torch.randn(1, T, width)
        exact = getattr(unrolled, kind.__name__)(width, hidden, batch_first=True).eval()
        exact.load_state_dict(peer.state_dict())
        for name, dtype in DTYPES.items():
            small = unrolled.quantize(exact, dtype)
            work = f"{kind.__name__} N1 T{T} I{width} H{hidden}"
            by_peer = pairs.time(sequence(peer, x), sequence(small, x))
            by_own = pairs.time(sequence(exact, x), sequence(small, x))
            far = error(exact, small, x)
            pairs.found["rows"][f"{work}, {name}"] = {"peer": by_peer, "float32": by_own, "error": far}
            lines.append(f"| {work} | {name} | {by_peer['ratio']:.2f} | {by_own['ratio']:.2f} | {far:.1e} |")
            print(lines[-1], flush=True)
    for make, width, hidden in STEPS:
        cell, x = make(width, hidden), torch.randn(1, width)
        for name, dtype in DTYPES.items():
            work = f"{make.__name__} {width}→{hidden}, a step of a stream"
            by_own = pairs.time(steps(cell, x), steps(unrolled.quantize(cell, dtype), x))
            pairs.found["rows"][f"{work}, {name}"] = {"float32": by_own}
            lines.append(f"| {work} | {name} | | {by_own['ratio']:.2f} | |")
            print(lines[-1], flush=True)
    pairs.save("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
