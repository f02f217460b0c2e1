"""Train the records of docs/results.md, each by its line of `unrolled train`, and keep what came of it.

    python scripts/records.py run --data DATA --runs RUNS                all that is missing
    python scripts/records.py run --data DATA --runs RUNS --only best    one record's
    python scripts/records.py ensemble --data DATA --runs RUNS           what its members say together

DATA has the folders mnist, fashion-mnist, mnist-strokes, japanese-vowels and free-spoken-digits. A run is in
RUNS/RECORD-SEED; one that was stopped goes on, and one that is over is taken as it is, if it is of the
record's line. The figures are kept in docs/results/records.json, of which `scripts/results.py write` makes
the page.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from unrolled import data as datasets
from unrolled.errors import UnrolledError, unknown_name
from unrolled.training import Run, evaluate_ensemble, lookup

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.circumstances import circumstances  # noqa: E402
from scripts.records_page import MEMBERS, RECORDS  # noqa: E402
from scripts.results import is_over, keep  # noqa: E402
from scripts.tables import read  # noqa: E402

KEPT = ROOT / "docs/results/records.json"


def run(options: argparse.Namespace) -> None:
    """Train what is missing."""
    for name in options.only or RECORDS:
        if name not in RECORDS:
            raise unknown_name("record", name, RECORDS)
        for seed in RECORDS[name].seeds:
            if str(seed) not in read(KEPT).get(name, {}):
                keep_run(name, seed, options)


def keep_run(name: str, seed: int, options: argparse.Namespace) -> None:
    """Train one run, if it is not there yet, and keep its figures."""
    folder = options.runs.absolute() / f"{name}-{seed}"
    words = [*shlex.split(RECORDS[name].line), "--seed", str(seed), "--run", str(folder), "--threads", "1"]
    if folder.exists():
        words = ["--resume", str(folder), "--threads", "1"]
    print(f"{name}, seed {seed} ...", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not is_over(folder):
        command = [sys.executable, "-m", "unrolled", "train", *words]
        places = {"UNROLLED_DATA_DIR": str(options.data.absolute())}
        subprocess.run(command, cwd=options.data, env=os.environ | places, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    check_line(folder, name)
    lines = Run.open(folder).metrics()
    here = circumstances("perf_counter")
    figures = {
        "accuracy": lines[-1]["test_accuracy"],
        "steps": max(line.get("step", 0) for line in lines),
        "cpu_seconds": round(options.cpu_seconds or seconds),
        **{key: here[key] for key in ("cpu", "isa", "commit")},
        "date": time.strftime("%Y-%m-%d"),
    }
    found = read(KEPT)
    found.setdefault(name, {})[str(seed)] = figures
    keep(KEPT, found)
    print(f"{name}, seed {seed}: {figures['accuracy']:.4f}", flush=True)


def check_line(folder: Path, name: str) -> None:
    """Raise an UnrolledError if the run in the folder is of another recipe or network than its line."""
    words = shlex.split(RECORDS[name].line)
    said = dict(zip(words[::2], words[1::2], strict=True))
    if "--recipe" not in said:
        return
    named, config = lookup(said["--recipe"]), Run.open(folder).config
    network = named.network.changed(scan=said.get("--scan", named.network.scan))
    recipe = dataclasses.replace(named.recipe, epochs=int(said.get("--epochs", named.recipe.epochs)))
    if (config.network, config.recipe) != (network, recipe):
        raise UnrolledError(f"{folder} is not of the line {RECORDS[name].line}: remove it, and train anew")


def ensemble(options: argparse.Namespace) -> None:
    """Measure what the members of the ensemble say together."""
    runs = [Run.open(options.runs / f"{name}-{seed}") for name, seed in MEMBERS]
    test = datasets.load("mnist", options.data).test
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
    runner.add_argument("--cpu-seconds", type=float, help="of a run that is over already")
    together = verbs.add_parser("ensemble", help="measure the ensemble")
    for verb in (runner, together):
        verb.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
        verb.add_argument("--runs", type=Path, required=True, help="the folder of the runs")
    options = parser.parse_args()
    try:
        {"run": run, "ensemble": ensemble}[options.verb](options)
    except UnrolledError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError:
        sys.exit("error: the training ended without a result: see above")


if __name__ == "__main__":
    main()
