"""Train what the records of docs/results.md say, each by its line of `unrolled train`, and keep what came of it.

    python scripts/records.py run --data DATA --runs RUNS                all that is missing
    python scripts/records.py run --data DATA --runs RUNS --only best    one record's
    python scripts/records.py ensemble --data DATA --runs RUNS           what its members say together

DATA has the folders mnist, fashion-mnist, mnist-strokes, japanese-vowels and free-spoken-digits. A run is in
RUNS/RECORD-SEED; one that was stopped goes on, and one that is over is taken as it is, if it is of the record's
line. The figures are kept in docs/results/records.json, and `scripts/results.py write` makes the page of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError, unknown_name

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.circumstances import circumstances  # noqa: E402
from scripts.results_page import MISSING, Figures, mean_and_range, read, several, table  # noqa: E402

KEPT = ROOT / "docs/results/records.json"


class Record(NamedTuple):
    """A task, how we train for it, and what others reached.

    Attributes:
        task: in words.
        line: what `unrolled train` is told, in DATA, besides --seed, --run and --threads.
        seeds: of its trainings.
        published: what others report, with the source.
        differs: in what their protocol is another.
    """

    task: str
    line: str
    seeds: tuple[int, ...]
    published: tuple[str, ...]
    differs: str


RECORDS: dict[str, Record] = {
    "best": Record(
        "MNIST, row by row",
        "--recipe best",
        (1234, 1, 2),
        (
            "hierarchical RNN 98.64 (Keras' example `mnist_hierarchical_rnn`)",
            "ReNet 99.55 (four directions over patches)",
            "convolutional networks 99.83 to 99.87",
        ),
        "ReNet reads patches, not rows; our pictures are distorted while training",
    ),
    "columns": Record(
        "MNIST, column by column",
        "--recipe best --scan columns",
        (0,),
        (),
        "a member of the ensemble below",
    ),
    "fashion": Record(
        "Fashion-MNIST, row by row",
        "--recipe fashion",
        (0,),
        (
            "GRU and SVM 88.8, with dropout 89.7 (zalandoresearch/fashion-mnist)",
            "people 83.5, the same",
            "DenseNet, wide residual networks 95 to 96.7",
        ),
        "ours are distorted and mirrored while training",
    ),
    "sequential-mnist": Record(
        "sequential MNIST, 784 steps of a pixel",
        "--recipe sequential-mnist",
        (0,),
        (
            "LSTM 98.9 (as papers report it)",
            "coRNN 99.4 (tk-rusch/coRNN)",
            "LEM 99.5 (tk-rusch/LEM)",
            "S5 99.65",
        ),
        "others train for 100 epochs and more",
    ),
    "permuted-mnist": Record(
        "permuted MNIST, 784 steps of a pixel",
        "--recipe permuted-mnist",
        (0,),
        (
            "LSTM 95.1 (as papers report it)",
            "LEM 96.6 (tk-rusch/LEM)",
            "coRNN 97.34 (tk-rusch/coRNN)",
            "LMU 97.2",
            "HiPPO-LegS 98.3",
            "parallel LMU 98.49 (arXiv 2102.11417)",
        ),
        "the order is that of `numpy.random.RandomState(92916)`, as in most of them",
    ),
    "japanese-vowels": Record(
        "JapaneseVowels, 9 speakers",
        "--data japanese-vowels/JapaneseVowels_TRAIN.ts --test japanese-vowels/JapaneseVowels_TEST.ts",
        (0, 1, 2),
        (
            "TWIESN, recurrent, 96.5; FCN 99.3 (dl-4-tsc, ten runs)",
            "MLSTM-FCN 100",
            "InterpGN 99.73; MambaSL 98.65 (one protocol for 21 methods)",
        ),
        "the split is the archive's, and lengths are as they are; others pad; MLSTM-FCN's LSTM steps over "
        "the variables, not over time",
    ),
    "spoken-digits": Record(
        "spoken digits, recordings 0 to 4 of each",
        "--data free-spoken-digits/recordings --names '{label}_{speaker}_{index}' --test index=0,1,2,3,4",
        (0,),
        (),
        "the set's own test part; speakers are the same on both sides",
    ),
    "strokes": Record(
        "MNIST as pen strokes",
        "--data mnist-strokes --hidden 128 --dropout 0.3 --noise 0.05 --affine 0.2 --time-mask 0.1 "
        "--batch-size 128 --steps 11000",
        (0,),
        (),
        "no published figure of a recurrent reader was found",
    ),
}
# Of the ensemble: it follows the last of them in the table.
MEMBERS = (*(("best", seed) for seed in RECORDS["best"].seeds), ("columns", 0))


class Records:
    """The records as a part of docs/results.md; `missing` names the trainings that were not kept."""

    def __init__(self, path: Path) -> None:
        self.found = read(path)
        self.missing: list[str] = []
        rows = []
        for name, record in RECORDS.items():
            rows.append(self._row(name, record))
            if name == MEMBERS[-1][0]:
                rows.append(self._together())
        heads = (
            "task | accuracy | minutes | `unrolled train` | published | what differs",
            "---|---:|---:|---|---|---",
        )
        self.text = "\n".join([HEAD, table(*heads, rows), self._circumstances(), ""])

    def _row(self, name: str, record: Record) -> list[str]:
        kept = self.found.get(name, {})
        runs = [kept[str(seed)] for seed in record.seeds if str(seed) in kept]
        self.missing += [f"{name}: seed {seed}" for seed in record.seeds if str(seed) not in kept]
        lacking = f", {len(record.seeds) - len(runs)} of {len(record.seeds)} {MISSING}" if runs else MISSING
        accuracy = mean_and_range([run["accuracy"] for run in runs]) if runs else ""
        minutes = f"{max(run['cpu_seconds'] for run in runs) / 60:.0f}" if runs else ""
        return [
            record.task,
            accuracy + lacking * (len(runs) < len(record.seeds)),
            minutes,
            f"`{record.line}`",
            "; ".join(record.published) or "nothing found",
            record.differs,
        ]

    def _together(self) -> list[str]:
        figures = self.found.get("ensemble")
        if figures is None:
            self.missing.append("ensemble")
        accuracy = MISSING if figures is None else f"{100 * figures['accuracy']:.2f}"
        line = f"`unrolled evaluate --ensemble` of the {len(MEMBERS)} above"
        return ["MNIST, rows and columns together", accuracy, "", line, "nothing found", ""]

    def _circumstances(self) -> str:
        runs = [run for seeds in self.found.values() for run in seeds.values() if isinstance(run, dict)]
        said = (several(runs, key) for key in ("cpu", "isa", "date"))
        return f"{', '.join(said)}; commits {several(runs, 'commit')}."


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
        subprocess.run(command, cwd=options.data, env=os.environ | data_at(options.data), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    check_line(folder, name)
    lines = metrics(folder)
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
    keep(found)
    print(f"{name}, seed {seed}: {figures['accuracy']:.4f}", flush=True)


def check_line(folder: Path, name: str) -> None:
    """Raise an UnrolledError if the run in the folder is of another recipe or network than the record's line."""
    from unrolled.training import Run, lookup

    words = shlex.split(RECORDS[name].line)
    said = dict(zip(words[::2], words[1::2], strict=True))
    if "--recipe" not in said:
        return
    named, config = lookup(said["--recipe"]), Run.open(folder).config
    network = named.network.changed(scan=said.get("--scan", named.network.scan))
    if (config.network, config.recipe) != (network, named.recipe):
        raise UnrolledError(f"{folder} is not of the line {RECORDS[name].line}: remove it, and train anew")


def ensemble(options: argparse.Namespace) -> None:
    """Measure what the members of the ensemble say together."""
    from unrolled import data as datasets
    from unrolled.training import Run, evaluate_ensemble

    runs = [Run.open(options.runs / f"{name}-{seed}") for name, seed in MEMBERS]
    test = datasets.load("mnist", options.data).test
    figures = {"accuracy": evaluate_ensemble(runs, test).accuracy, "date": time.strftime("%Y-%m-%d")}
    keep(read(KEPT) | {"ensemble": figures})
    print(f"ensemble of {len(runs)}: {figures['accuracy']:.4f}")


HEAD = """\
## Records

What one line of `unrolled train` reaches, in DATA as `scripts/records.py` says it, beside what others have
published. Accuracy is that on the test examples, in per cent, of the weights that the validation examples
chose, or of the last ones where the recipe says so: networks and recipes were chosen by validation examples
alone, and where there are several trainings it is their mean, and from where to where they go. Minutes are
CPU time on one thread, of the longest. Published figures are as their authors, or later papers, report them.
"""


def data_at(folder: Path) -> dict[str, str]:
    """Where MNIST's files are looked for."""
    return {"UNROLLED_DATA_DIR": str(folder.absolute())}


def metrics(folder: Path) -> list[Figures]:
    from unrolled.training import Run

    return Run.open(folder).metrics()


def is_over(folder: Path) -> bool:
    """Whether there is a run in the folder whose network was tested."""
    return folder.is_dir() and any("test_accuracy" in line for line in metrics(folder))


def keep(found: Figures) -> None:
    with atomic_path(KEPT) as beside:
        beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


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
