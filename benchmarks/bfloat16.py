"""Time products of fewer bits: torch.nn in autocast beside these kernels, and these in autocast and without.

    python -m benchmarks.bfloat16 --cpu-time --save NAME            results into benchmarks/results/

A training step (forward, mean square error of the last output, backward) or a call in inference; turn by turn
in one process. Errors are those of outputs in [-1, 1] against float64, the largest of all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import unrolled
from benchmarks.pairs import Pairs
from unrolled.kernels import isa, precision

SIZES = [(128, 28, 28, 128), (128, 100, 64, 512)]  # N, T, I, H
KINDS = (nn.LSTM, nn.GRU)
SETTINGS = ("high", "medium")
Call = Callable[[], Any]


def in_autocast(call: Call) -> Call:
    """The same in autocast with bfloat16."""

    def cast() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return call()

    return cast


def at(setting: str, call: Call) -> Call:
    """The same at a matmul precision, which is set back."""

    def called() -> Any:
        torch.set_float32_matmul_precision(setting)
        try:
            return call()
        finally:
            torch.set_float32_matmul_precision("highest")

    return called


def training(layer: Any, x: torch.Tensor) -> Call:
    """A step without the optimizer's, which is the same everywhere."""

    def call() -> None:
        layer.zero_grad(set_to_none=True)
        layer(x)[0][:, -1].float().square().mean().backward()

    return call


def inference(layer: Any, x: torch.Tensor) -> Call:
    """A call without gradients."""

    @torch.inference_mode()
    def call() -> torch.Tensor:
        outputs: torch.Tensor = layer(x)[0]
        return outputs

    return call


def error(call: Call, exact: torch.Tensor) -> float:
    """The largest of the outputs' differences."""
    return float((call().double() - exact).abs().max())


def main() -> None:
    pairs = Pairs(__doc__, seconds=2.0)
    lines = [
        f"# Products of fewer bits, {pairs.found['machine']['date']}",
        "",
        f"{pairs.head()}. bfloat16 {isa.bfloat16_product() or 'by conversion'}. In each cell: how many times "
        "less time than the side before the stroke, and the error against float64 of the sides.",
        "",
        "| work | autocast: torch.nn / ours | float32: ours / ours in autocast | ours at matmul precision |",
        "|---|---|---|---|",
    ]
    torch.manual_seed(0)
    for batch, time, width, hidden in SIZES:
        for kind in KINDS:
            peer, x = kind(width, hidden, batch_first=True), torch.randn(batch, time, width)
            ours = getattr(unrolled, kind.__name__)(width, hidden, batch_first=True)
            ours.load_state_dict(peer.state_dict())
            with torch.no_grad():
                exact = copy.deepcopy(peer).double()(x.double())[0]
            errors = {
                "torch.nn": error(in_autocast(inference(peer, x)), exact),
                "autocast": error(in_autocast(inference(ours, x)), exact),
                "float32": error(inference(ours, x), exact),
                **{name: error(at(name, inference(ours, x)), exact) for name in SETTINGS},
            }
            for name, step in (("training", training), ("inference", inference)):
                work = f"{kind.__name__} N{batch} T{time} I{width} H{hidden}, {name}"
                plain, cast = step(ours, x), in_autocast(step(ours, x))
                beside_torch = pairs.time(in_autocast(step(peer, x)), cast)
                beside_itself = pairs.time(plain, cast)
                settings = {}
                for setting in SETTINGS:
                    torch.set_float32_matmul_precision(setting)
                    parts = precision.float32_parts()
                    torch.set_float32_matmul_precision("highest")
                    if parts:  # else it is float32 once more
                        settings[setting] = pairs.time(plain, at(setting, plain))
                pairs.found["rows"][work] = {
                    "torch_nn": beside_torch,
                    "float32": beside_itself,
                    "settings": settings,
                    "errors": errors,
                }
                at_settings = ", ".join(
                    f'"{one}" {found["ratio"]:.2f} ({errors[one]:.0e})' for one, found in settings.items()
                )
                lines.append(
                    f"| {work} | {beside_torch['ratio']:.2f} ({errors['torch.nn']:.0e} / "
                    f"{errors['autocast']:.0e}) | {beside_itself['ratio']:.2f} ({errors['float32']:.0e} / "
                    f"{errors['autocast']:.0e}) | {at_settings or 'as float32'} |"
                )
                print(lines[-1], flush=True)
    pairs.save("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
