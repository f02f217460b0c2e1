"""Kill trainings again and again, resume them, and see that nothing is lost: as long as one likes.

    python scripts/soak.py --cycles 1000
    python scripts/soak.py --minutes 60 --seed 7

A cycle is one `kill -9` of a training, at a random moment of one of these kinds:

    cold       a new interpreter, in its first two seconds: while Python, torch and the data are loaded
    begin      a forked process that has torch already, in its first half second: folder, config, data
    step       after a random number of checkpoints, in the middle of an epoch
    write      the same, with a checkpoint after every step: most of the time one is being written
    resume     in the first moments of a resumed training, where its folder is put in order
    draw       when the test's line is there, while the pictures are drawn

All but "cold" are forked from a server that has imported torch once; what they do from there on is the
command line's own. After some kills a training is let run to its end. Then its weights, its checkpoint and
its metrics must be, bit for bit, those of a training that was never killed; every line of the metrics must be
there once, all pictures too, and nothing else may have been left in the folder or beside it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

KINDS = ("cold", "begin", "step", "write", "resume", "draw")
LEFT = {
    "config.json",
    "metrics.jsonl",
    "weights.safetensors",
    "checkpoint.safetensors",
    "data.json",
    "calibration.json",
    "likeness.safetensors",
    "curves.png",
    "confusion.png",
    "reliability.png",
    "misread.png",
    "reading.png",
}
MOST_SECONDS = 3600  # for a training that is let run: the machine may be busy


class LostError(AssertionError):
    """A training that was killed is not the one that never was."""


class Kill(NamedTuple):
    """What a cycle came to: its kind, and the process's exit code, -9 if the kill came in time."""

    kind: str
    code: int | None
    step: int


def call_unrolled(arguments: Sequence[str], output: str) -> None:
    """In a process of its own: the command line."""
    with open(output, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import torch

    from unrolled.cli.main import main

    torch.set_num_threads(1)
    main(list(arguments))


class Soak:
    """Trainings in a folder, and one beside them that is never killed.

    Args:
        folder: to work in.
        seed: of the moments.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            ["torch", "unrolled.cli.main", "unrolled.training.session", "unrolled.report"]
        )
        self.output = folder / "output.txt"
        self.kills: list[Kill] = []
        make_data(folder / "data")
        self.whole = folder / "whole" / "run"
        process = self.start(self.begin_arguments(self.whole, every=15.0))
        process.join(MOST_SECONDS)
        if process.exitcode != 0:
            raise LostError(f"the training that is never killed failed:\n{self.said()}")
        self.expected = record(self.whole)

    def begin_arguments(self, run: Path, every: float) -> list[str]:
        options = {
            "--network": "seed-000",
            "--data": self.folder / "data",
            "--batch-size": 8,
            "--epochs": 6,
            "--seed": 5,
            "--run": run,
            "--checkpoint-every": every,
        }
        return ["train", *(str(part) for option in options.items() for part in option)]

    def arguments(self, run: Path, every: float) -> list[str]:
        """To begin the run, or to go on with it."""
        if run.exists():
            return ["train", "--resume", str(run), "--checkpoint-every", str(every)]
        return self.begin_arguments(run, every)

    def start(self, arguments: Sequence[str]) -> Any:
        process = self.context.Process(target=call_unrolled, args=(arguments, str(self.output)))  # type: ignore[attr-defined]
        process.start()
        return process

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-3000:] if self.output.exists() else ""

    def training(self, most_kills: int) -> int:
        """One training that is killed so many times at most, ended, and compared."""
        place = self.folder / "killed"
        run = place / "run"
        place.mkdir()
        before = len(self.kills)
        plan = ["cold"] if self.random.random() < 0.5 else ["begin"]
        plan += [*self.random.choices(KINDS[:-1], k=most_kills - 2), "draw"]
        for kind in plan:
            kill = self.kill(kind, run)
            self.kills.append(kill)
            if kill.code is not None and kill.code > 0:  # an error, and no kill
                raise LostError(f"{kind}: exit code {kill.code} before the kill:\n{self.said()}")
            if kill.code == 0:  # it was quicker than the kill: it is over
                break
        self.finish(run)
        compare(run, self.expected)
        beside = [path.name for path in place.iterdir() if path.name != "run"]
        if beside:
            raise LostError(f"left beside the run: {beside}")
        shutil.rmtree(place)
        return len(self.kills) - before

    def finish(self, run: Path) -> None:
        """Let the training run to its end, if it is not there."""
        if run.exists() and {path.name for path in run.iterdir()} >= LEFT and is_tested(run):
            # Killed when all was there, its lock included: the next one to come says so, and takes that away.
            process = self.start(self.arguments(run, 15.0))
            process.join(MOST_SECONDS)
            if process.exitcode != 2 or "is finished" not in self.said():
                raise LostError(f"a finished run was not recognised:\n{self.said()}")
            return
        process = self.start(self.arguments(run, 15.0))
        process.join(MOST_SECONDS)
        if process.exitcode != 0:
            process.kill()
            raise LostError(f"a killed training does not go on, exit code {process.exitcode}:\n{self.said()}")

    def kill(self, kind: str, run: Path) -> Kill:
        draw = self.random.random
        if kind == "cold":
            command = [sys.executable, "-m", "unrolled", *self.arguments(run, 15.0)]
            with self.output.open("a") as output:
                child = subprocess.Popen(command, stdout=output, stderr=output)
            time.sleep(2 * draw())
            child.kill()
            return Kill(kind, child.wait(), step_of(run))
        every = 1e-6 if kind in ("write", "resume") else 0.05
        process = self.start(self.arguments(run, every))
        if kind == "begin":
            time.sleep(0.5 * draw())
        elif kind == "resume":
            self.until(process, lambda: (run / ".lock").exists())
            time.sleep(0.15 * draw())
        elif kind == "draw":
            self.until(process, lambda: is_tested(run))
            time.sleep(1.5 * draw() ** 2)
        else:
            self.wait_for_checkpoints(run, process, self.random.randint(1, 8 if kind == "write" else 3))
            time.sleep(0.02 * draw())
        process.kill()
        process.join()
        return Kill(kind, process.exitcode, step_of(run))

    def until(self, process: Any, is_so: Any) -> None:
        deadline = time.monotonic() + MOST_SECONDS
        while process.is_alive() and time.monotonic() < deadline and not is_so():
            time.sleep(0.001)

    def wait_for_checkpoints(self, run: Path, process: Any, count: int) -> None:
        path = run / "checkpoint.safetensors"
        seen = {identity(path)}

        def enough() -> bool:
            seen.add(identity(path))
            return len(seen) > count

        self.until(process, enough)


def identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def make_data(folder: Path) -> None:
    """Sequences that are read in no time, and whose classes can be learned."""
    import numpy as np

    from unrolled import data

    random = np.random.default_rng(1)

    def examples(count: int) -> list[tuple[Any, Any]]:
        labels = random.integers(0, 3, count)
        sequences = random.random((count, 7, 5), dtype=np.float32)
        sequences[np.arange(count), 2 * labels, 2] += 2
        return [(sequences, labels)]

    data.save_arrays(
        folder, train=examples(96), validation=examples(24), test=examples(30), classes=("a", "b", "c")
    )


def is_tested(run: Path) -> bool:
    try:
        return "test_accuracy" in (run / "metrics.jsonl").read_text()
    except FileNotFoundError:
        return False


def step_of(run: Path) -> int:
    """The step of the checkpoint, 0 without one. It must be whole at any moment."""
    from unrolled.training.checkpoint import load_checkpoint

    path = run / "checkpoint.safetensors"
    return load_checkpoint(path).progress.step if path.exists() else 0


def record(run: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The lines of the metrics without the seconds, and all tensors, as bytes."""
    from safetensors.torch import load_file

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    tensors = {
        f"{name}: {key} {tensor.dtype} {list(tensor.shape)}": tensor.reshape(-1).numpy().tobytes()
        for name in ("weights", "checkpoint")
        for key, tensor in load_file(run / f"{name}.safetensors").items()
    }
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines], tensors


def compare(run: Path, expected: tuple[list[dict[str, Any]], dict[str, bytes]]) -> None:
    """Raise a LostError if a run is not the one that was never killed."""
    names = {path.name for path in run.iterdir()}
    if names != LEFT:
        raise LostError(f"in {run}: missing {sorted(LEFT - names)}, left {sorted(names - LEFT)}")
    lines, tensors = record(run)
    if lines != expected[0]:
        raise LostError(f"other metrics:\n{lines}\nexpected:\n{expected[0]}")
    keys = tensors.keys() | expected[1].keys()
    if other := sorted(key for key in keys if tensors.get(key) != expected[1].get(key)):
        raise LostError(f"other bits in {', '.join(other)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=100, help="kills; one training takes about eight")
    parser.add_argument("--minutes", type=float, help="in place of --cycles: for so long")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="to work in; by default a temporary one")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # as every training here: other threads may give other bits
    folder = options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(exist_ok=True)
    began = time.monotonic()
    soak = Soak(folder, options.seed)
    trainings = 0
    try:
        while (
            len(soak.kills) < options.cycles
            if options.minutes is None
            else time.monotonic() - began < 60 * options.minutes
        ):
            soak.training(8)
            trainings += 1
            if trainings % 5 == 0:
                print(summary(soak, trainings, began), flush=True)
    except LostError as lost:
        sys.exit(f"LOST after {len(soak.kills)} kills, seed {options.seed}, in {folder}: {lost}")
    print(summary(soak, trainings, began) + ": nothing lost, all bits equal", flush=True)
    if options.folder is None:
        shutil.rmtree(folder)


def summary(soak: Soak, trainings: int, began: float) -> str:
    kinds = Counter(kill.kind for kill in soak.kills if kill.code == -9)
    early = sum(kill.code == -9 and kill.step == 0 for kill in soak.kills)
    late = sum(kill.code == 0 for kill in soak.kills)
    return (
        f"{len(soak.kills)} cycles in {trainings} trainings, {time.monotonic() - began:.0f} s: "
        + ", ".join(f"{kind} {kinds[kind]}" for kind in KINDS)
        + f"; before the first checkpoint {early}; ended before the kill {late}"
    )


if __name__ == "__main__":
    main()
