"""Time models of other packages before and after `unrolled.accelerate`: whole forwards and training steps.

    make packages ARGS="--save packages"              in an environment of its own, one thread, CPU time
    python -m benchmarks.packages openunmix crnn      the rows whose names begin so, of what is installed

Each model is the package's own class, with random weights, in the sizes that it ships with; `crnn` and
`deepfilternet` are rebuilt from their sources (models_of_packages.py says which, and why). The model before
and the model after start with the same weights; a row is timed only if both compute the same outputs.
Training is forward, mean square of the outputs, backward and a step of Adam. They take turns; a ratio is the
median of the rounds' own ratios, and `least` the ratio of the shortest times.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

import unrolled
from benchmarks.circumstances import circumstances
from benchmarks.models_of_packages import ROWS, Row, Subject, outputs_of
from benchmarks.report import save_figures
from unrolled.bench import WORKS, WrongResultError, interleaved, median_ms, median_ratio
from unrolled.errors import UnrolledError, unknown_name

LIMIT = 1e-4  # of the largest output: far above float32 in another order of summation


def difference(one: list[Tensor], other: list[Tensor]) -> float:
    """The largest difference of outputs, relative to the largest number."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(one, other, strict=True))


def step(model: nn.Module, subject: Subject, work: str) -> Callable[[], None]:
    """One step of `work`."""
    if work == "infer":

        @torch.no_grad()
        def infer() -> None:
            subject.run(model)

        return infer
    adam = torch.optim.Adam(model.parameters(), fused=True)

    def train() -> None:
        adam.zero_grad()
        torch.stack([one.square().mean() for one in outputs_of(subject.run(model))]).sum().backward()
        adam.step()

    return train


def drawn(row: Row) -> Subject:
    """A row's model and inputs, the same every time."""
    torch.manual_seed(0)
    return row.build()


def measured(row: Row, seconds: float, clock: Callable[[], float]) -> dict[str, Any]:
    """Both works of one model.

    Raises:
        WrongResultError: the outputs change.
    """
    subject = drawn(row)
    before, after = subject.model, unrolled.accelerate(drawn(row).model)
    with torch.no_grad():
        found, expected = (outputs_of(subject.run(model.eval())) for model in (after, before))
    wrong = difference(found, expected)
    if not wrong < LIMIT:
        raise WrongResultError(f"outputs after accelerate differ by {wrong:.1e}: not timed")
    layers = [str(finding) for finding in unrolled.layers.explain(after)]
    result: dict[str, Any] = {"sizes": row.sizes, "layers": layers, "difference": wrong}
    for work in reversed(WORKS):  # inference first: training moves the weights apart
        for model in (before, after):
            model.train(work == "train")
        times = interleaved(
            {"before": step(before, subject, work), "after": step(after, subject, work)}, seconds, clock
        )
        result[work] = {
            "before_ms": median_ms(times["before"]),
            "after_ms": median_ms(times["after"]),
            "ratio": median_ratio(times["before"], times["after"]),
            "least_ratio": min(times["before"]) / min(times["after"]),
            "rounds": len(times["after"]),
        }
    return result


def in_short(name: str, row: dict[str, Any]) -> str:
    """A row for whoever watches the run."""
    works = (
        f"{work} {row[work]['before_ms']:.1f} to {row[work]['after_ms']:.1f} ms, {row[work]['ratio']:.2f}× "
        f"(least {row[work]['least_ratio']:.2f}×)"
        for work in reversed(WORKS)
    )
    return f"{name:30} {'   '.join(works)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="beginnings of the names of rows")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each model and work (default: 4)")
    parser.add_argument("--threads", type=int, default=1, help="above 1, wall time is measured (default: 1)")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json, and the page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter

    found: dict[str, Any] = {"machine": circumstances(clock.__name__), "versions": [], "rows": {}}
    chosen = [name for name in ROWS if not options.names or name.startswith(tuple(options.names))]
    if not chosen:
        raise unknown_name("row", options.names[0], ROWS)
    for name in chosen:
        row = ROWS[name]
        try:
            label = f"{row.package} {version(row.package)}" if row.package else ""
            found["rows"][name] = measured(row, options.seconds, clock)
        except (PackageNotFoundError, ImportError) as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        if label and label not in found["versions"]:
            found["versions"].append(label)
        print(in_short(name, found["rows"][name]), flush=True)
    if options.save and found["rows"]:
        print("saved:", *save_figures(found, options.save))


if __name__ == "__main__":
    try:
        main()
    except UnrolledError as error:
        raise SystemExit(f"packages: {error}") from error
