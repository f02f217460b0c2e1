"""Train the records of docs/results.md, each by its line of `unrolled train`, and keep what came of it.

    python scripts/records.py run --data DATA --runs RUNS                all that is missing
    python scripts/records.py run --data DATA --runs RUNS --only best    one record's
    python scripts/records.py ensemble --data DATA --runs RUNS           what its members say together

DATA has the folders mnist, fashion-mnist, mnist-strokes, japanese-vowels and free-spoken-digits. A run is in
RUNS/RECORD-SEED; one that was stopped goes on, and one that is over is taken as it is, if it is what the
record's line would begin now, on the same data. What it took before must be said with --cpu-seconds: `run`
says it when it is stopped. The figures are kept in docs/results/records.json, of which
`scripts/results.py write` makes the page.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from unrolled.errors import UnrolledError, unknown_name
from unrolled.training import Run, evaluate_ensemble

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.circumstances import circumstances  # noqa: E402
from scripts.asked import check_run, data_of, of_line  # noqa: E402
from scripts.records_page import MEMBERS, RECORDS  # noqa: E402
from scripts.results import is_over, keep  # noqa: E402
from scripts.tables import read  # noqa: E402

KEPT = ROOT / "docs/results/records.json"


def run(options: argparse.Namespace) -> None:
    """Train what is missing, if what is there already is of its line."""
    names = options.only or list(RECORDS)
    for name in names:
        if name not in RECORDS:
            raise unknown_name("record", name, RECORDS)
    seeds = sorted({seed for name in names for seed in RECORDS[name].seeds})
    if options.seed is not None and options.seed not in seeds:
        raise UnrolledError(f"--seed is {options.seed}, expected one of {', '.join(map(str, seeds))}")
    kept = read(KEPT)
    missing = [
        (name, seed)
        for name in names
        for seed in RECORDS[name].seeds
        if options.seed in (None, seed) and str(seed) not in kept.get(name, {})
    ]
    if options.cpu_seconds is not None and len(missing) != 1:
        raise UnrolledError(
            f"--cpu-seconds is of one run, and {len(missing)} are missing: say which with --only and --seed"
        )
    for name, seed in missing:
        check_what_is_there(name, seed, options)
    for name, seed in missing:
        keep_run(name, seed, options)


def check_what_is_there(name: str, seed: int, options: argparse.Namespace) -> None:
    """Raise an UnrolledError if a run cannot be begun, gone on with or kept, before it takes an hour."""
    folder = folder_of(name, seed, options)
    if folder.exists():
        check_line(name, seed, options)
        if options.cpu_seconds is None:
            raise UnrolledError(
                f"{folder} was begun before: say with --cpu-seconds what it took so far, which is added to "
                "what it still takes, or remove it"
            )
    elif options.cpu_seconds is not None:
        raise UnrolledError(
            f"--cpu-seconds is {options.cpu_seconds:g}, but {folder} is not there: leave it out"
        )


def keep_run(name: str, seed: int, options: argparse.Namespace) -> None:
    """Train one run, or what is left of it, and keep its figures."""
    folder = folder_of(name, seed, options)
    print(f"{name}, seed {seed} ...", flush=True)
    seconds = options.cpu_seconds or 0.0
    if not (folder.exists() and is_over(folder)):
        seconds += train(name, seed, options)
    lines = Run.open(folder).metrics()
    here = circumstances("perf_counter")
    figures = {
        "accuracy": lines[-1]["test_accuracy"],
        "steps": max(line.get("step", 0) for line in lines),
        "cpu_seconds": round(seconds),
        **{key: here[key] for key in ("cpu", "isa", "commit")},
        "date": time.strftime("%Y-%m-%d"),
    }
    found = read(KEPT)
    found.setdefault(name, {})[str(seed)] = figures
    keep(KEPT, found)
    print(f"{name}, seed {seed}: {figures['accuracy']:.4f}", flush=True)


def train(name: str, seed: int, options: argparse.Namespace) -> float:
    """Begin a run, or go on with it, in a process of its own: the CPU time that this took."""
    folder = folder_of(name, seed, options)
    words = ["--resume"] if folder.exists() else [*line_of(name, seed), "--run"]
    command = [sys.executable, "-m", "unrolled", "train", *words, str(folder), "--threads", "1"]
    places = {"UNROLLED_DATA_DIR": str(options.data.absolute())}
    before = cpu_seconds_of_children()
    try:
        subprocess.run(command, cwd=options.data, env=os.environ | places, check=True)
    except (subprocess.CalledProcessError, KeyboardInterrupt):
        said = f"the training of {name}, seed {seed}, has no result yet"
        if folder.exists():
            spent = (options.cpu_seconds or 0.0) + cpu_seconds_of_children() - before
            said += f": `--only {name} --seed {seed} --cpu-seconds {spent:.0f}` goes on with it"
        raise UnrolledError(said) from None
    return cpu_seconds_of_children() - before


def cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def folder_of(name: str, seed: int, options: argparse.Namespace) -> Path:
    runs: Path = options.runs
    return runs.absolute() / f"{name}-{seed}"


def line_of(name: str, seed: int) -> list[str]:
    return [*shlex.split(RECORDS[name].line), "--seed", str(seed)]


def check_line(name: str, seed: int, options: argparse.Namespace) -> None:
    """Raise an UnrolledError if the run in the folder is another one than its line would begin."""
    run = Run.open(folder_of(name, seed, options))
    with contextlib.chdir(options.data):
        config = of_line(line_of(name, seed))
        data = data_of(config, options.data.absolute())
    check_run(run, config, data, f"the line {RECORDS[name].line} --seed {seed}")


def ensemble(options: argparse.Namespace) -> None:
    """Measure what the members of the ensemble say together."""
    for name, seed in MEMBERS:
        check_line(name, seed, options)
        folder = folder_of(name, seed, options)
        if not is_over(folder):
            raise UnrolledError(f"{folder} is not over yet: `records.py run` goes on with it")
    runs = [Run.open(folder_of(name, seed, options)) for name, seed in MEMBERS]
    test = data_of(runs[0].config, options.data).test
    figures = {"accuracy": evaluate_ensemble(runs, test).together.accuracy, "date": time.strftime("%Y-%m-%d")}
    keep(KEPT, read(KEPT) | {"ensemble": figures})
    print(f"ensemble of {len(runs)}: {figures['accuracy']:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    runner = verbs.add_parser("run", help="train what is missing, and keep its figures")
    runner.add_argument("--only", nargs="+", metavar="RECORD")
    runner.add_argument("--seed", type=int, help="of several trainings this one")
    runner.add_argument("--cpu-seconds", type=float, help="that the run took so far, if it was begun before")
    together = verbs.add_parser("ensemble", help="measure the ensemble")
    for verb in (runner, together):
        verb.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
        verb.add_argument("--runs", type=Path, required=True, help="the folder of the runs")
    options = parser.parse_args()
    try:
        if not options.data.is_dir():
            raise UnrolledError(
                f"--data is {options.data}, which is no folder: expected the one that has the data sets"
            )
        {"run": run, "ensemble": ensemble}[options.verb](options)
    except UnrolledError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
