"""A training step and an inference of `dynamic_unroll` beside torch.nn's fused layers.

    make bench
    make bench ARGS="--rounds 40 --threads 1"

First the results are checked against torch.nn, with the same weights; then both are timed in turn, in one
process, so that what slows the machine down slows both. The ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

import unrolled


class Case(NamedTuple):
    """One shape: N sequences of T steps, I inputs, H units."""

    cell: str
    batch: int
    time: int
    inputs: int
    hidden: int


CASES = [
    Case(cell, *shape)
    for cell, shape in itertools.product(
        ("lstm", "gru", "rnn"), ((128, 28, 28, 128), (128, 28, 28, 28), (32, 28, 28, 128))
    )
]
MAKERS = {
    "lstm": (unrolled.LSTMCell, nn.LSTM),
    "gru": (unrolled.GRUCell, nn.GRU),
    "rnn": (unrolled.RNNCell, nn.RNN),
}


def make_pair(
    case: Case,
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], list[nn.Parameter]]:
    """Ours and torch.nn's last output as functions of x, with the same weights, and all parameters."""
    ours, theirs = MAKERS[case.cell]
    cell, layer = ours(case.inputs, case.hidden), theirs(case.inputs, case.hidden, batch_first=True)
    layer.load_state_dict({f"{name}_l0": tensor for name, tensor in cell.state_dict().items()})
    return (
        lambda x: unrolled.dynamic_unroll(cell, x)[0][:, -1],
        lambda x: layer(x)[0][:, -1],
        [*cell.parameters(), *layer.parameters()],
    )


def seconds(run: Callable[[], object]) -> float:
    """The time of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(case: Case, rounds: int) -> dict[str, tuple[float, float, float]]:
    """For training and inference: our and torch.nn's median in ms, and the median of torch.nn's over ours."""
    ours, theirs, parameters = make_pair(case)
    x = torch.rand(case.batch, case.time, case.inputs)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=2e-6)

    def train(model: Callable[[Tensor], Tensor]) -> None:
        model(x).square().mean().backward()

    def infer(model: Callable[[Tensor], Tensor]) -> None:
        with torch.inference_mode():
            model(x)

    results = {}
    for what, step in (("training", train), ("inference", infer)):
        pairs = []
        for _ in range(rounds + 3):
            pairs.append((seconds(lambda: step(ours)), seconds(lambda: step(theirs))))  # noqa: B023
            for parameter in parameters:
                parameter.grad = None
        pairs = pairs[3:]  # the first rounds fill caches and pools
        mine, torchs = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
        results[what] = (mine, torchs, statistics.median(b / a for a, b in pairs))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {torch.backends.cpu.get_cpu_capability()}")
    print(f"{'':28}{'training, ms':>24}{'inference, ms':>24}")
    print(f"{'':28}" + 2 * f"{'ours':>8}{'nn':>8}{'nn/ours':>8}")
    for case in CASES:
        results = measure(case, options.rounds)
        name = f"{case.cell} N{case.batch} T{case.time} I{case.inputs} H{case.hidden}"
        print(f"{name:28}" + "".join(f"{a:8.2f}{b:8.2f}{ratio:8.2f}" for a, b, ratio in results.values()))


if __name__ == "__main__":
    main()
