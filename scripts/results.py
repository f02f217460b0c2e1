"""Train what docs/results.md compares, and write that page.

    python scripts/results.py run --data-dir DATA                     what is missing, the most telling first
    python scripts/results.py run --data-dir DATA --only seed-003     some recipes of it
    python scripts/results.py run --data-dir DATA --only fast --threads 2
    python scripts/results.py collect --data-dir DATA FOLDER...       run folders that are there already
    python scripts/results.py write                                   docs/results.md
    python scripts/results.py write --check                           fails if a figure is missing

`run` takes one training after the other, by default on one thread, and keeps each one's figures as soon as it
is over: stop it when you like, and start it again. The page is made from these files, and from nothing else:

    docs/results/unrolled.json         the tutorials' recipes here
    docs/results/RECIPE.json           our own recipes
    docs/results/RECIPE-torch.json     torch.nn in the same time, by scripts/torch_peer.py
    docs/results/records.json          what single lines of `unrolled train` reach, by scripts/records.py
    tests/golden/tf1_traces.json       TensorFlow, by tests/golden/make_tf1_trace.py
    benchmarks/results/recipes.json    the time of a step on both sides, by `python -m benchmarks.recipes`
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError, unknown_name
from unrolled.networks import SequenceClassifier
from unrolled.training import RECIPES, Run, RunConfig, evaluate, lookup, train_run
from unrolled.training.recipes import TUTORIALS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.circumstances import circumstances  # noqa: E402
from scripts.asked import check_run, data_of  # noqa: E402
from scripts.results_page import SEEDS, Page, twin, words_for  # noqa: E402
from scripts.tables import Figures, read  # noqa: E402

PAGE = ROOT / "docs/results.md"
KEPT = ROOT / "docs/results"
TENSORFLOW = ROOT / "tests/golden/tf1_traces.json"
TIMES = ROOT / "benchmarks/results/recipes.json"
FEW = 1280  # test images that seed 003 looks at


class Job(NamedTuple):
    """One training of a tutorial's recipe."""

    recipe: str
    form: str  # "faithful" or "corrected"
    seed: int


def jobs() -> Iterator[Job]:
    """All trainings, the most telling first: one run of everything, then further seeds; of twins one."""

    def cost(name: str) -> int:
        network, recipe, *_ = TUTORIALS[name][0]
        return SequenceClassifier(network).parameter_count * recipe.batch_size * recipe.total_steps(55_000)

    names = sorted({trained(name) for name in TUTORIALS}, key=cost)
    first, *further = SEEDS
    for form, seed in (("faithful", first), ("corrected", first), *(("faithful", seed) for seed in further)):
        yield from (Job(name, form, seed) for name in names)


def trained(name: str) -> str:
    """The recipe whose training gives a recipe's figures: itself, or the dynamic twin of a static one."""
    other = twin(name)
    return other if other and TUTORIALS[name][0].network.unroll == "static" else name


def run(options: argparse.Namespace) -> None:
    """Train what is missing."""
    torch.set_num_threads(options.threads)
    only = options.only or list(TUTORIALS)
    for name in only:
        if name not in RECIPES:
            raise unknown_name("recipe", name, RECIPES)
    here = about(options)
    runs = options.runs or Path(tempfile.mkdtemp(prefix="results-"))
    own = [Job(name, "faithful", SEEDS[0]) for name in only if name not in TUTORIALS]
    tutorials = {trained(name) for name in only if name in TUTORIALS}
    for job in (*(job for job in jobs() if job.recipe in tutorials), *own):
        if is_kept(options.kept, job):
            continue
        folder = runs / "-".join([job.recipe, str(job.seed), *["corrected"][: job.form == "corrected"]])
        print(f"{folder.name} ...", flush=True)
        if not is_over(folder):
            train(folder, job, options.data_dir)
        collect_one(folder, options, here)


def train(folder: Path, job: Job, data_dir: str | None) -> None:
    """Train a recipe in a new run folder, on all that it says and nothing else."""
    config = of_recipe(job)
    data = data_of(config, data_dir)
    train_run(folder, config.completed(data), data, say=lambda line: None)


def of_recipe(job: Job) -> RunConfig:
    """What a training is of; the data then complete it."""
    named = lookup(job.recipe, corrected=job.form == "corrected")
    return RunConfig(
        named.network,
        named.recipe,
        named.data,
        classes=(),
        seed=job.seed,
        validation=None,
        recipe_name=job.recipe + (", corrected" if job.form == "corrected" else ""),
        protocol=named.protocol,
    )


def collect(options: argparse.Namespace) -> None:
    """Keep the figures of run folders."""
    here = about(options)
    for folder in options.folders:
        Run.open(folder)  # or an error: what is no run folder will not be over one day
        if is_over(folder):
            collect_one(folder, options, here)
        else:
            print(f"{folder}: not over yet")


def about(options: argparse.Namespace) -> Figures:
    """What stands beside the figures; the day is added to each."""
    here = circumstances("perf_counter")
    commit = getattr(options, "commit", None) or here["commit"]
    return {"cpu": here["cpu"], "isa": here["isa"], "threads": options.threads, "commit": commit}


def is_over(folder: Path) -> bool:
    """Whether there is a run in the folder whose network was tested."""
    return folder.is_dir() and any("test_accuracy" in line for line in Run.open(folder).metrics())


def is_kept(kept: Path, job: Job) -> bool:
    if job.recipe not in TUTORIALS:
        return (kept / f"{job.recipe}.json").exists()
    return str(job.seed) in read(kept / "unrolled.json").get(job.recipe, {}).get(job.form, {})


def collect_one(folder: Path, options: argparse.Namespace, here: Figures) -> None:
    """Keep the figures of a run that is over.

    Raises:
        UnrolledError: the run is of another network, recipe or data than its name says.
    """
    ended = Run.open(folder)
    config, lines = ended.config, ended.metrics()
    name, _, form = config.recipe_name.partition(", ")
    asked = of_recipe(Job(name, form or "faithful", config.seed))
    data = data_of(asked, options.data_dir)
    check_run(ended, asked, data, f"the recipe {config.recipe_name}")
    figures = {
        "accuracy": lines[-1]["test_accuracy"],
        "steps": max(line.get("step", 0) for line in lines),
        "seconds": round(lines[-1]["seconds"], 1),
        **here,
        "torch": json.loads((folder / "config.json").read_text(encoding="utf-8"))["versions"]["torch"],
        "date": time.strftime("%Y-%m-%d", time.localtime((folder / "metrics.jsonl").stat().st_mtime)),
    }
    if name == "seed-003":
        figures["accuracy_1280"] = evaluate(ended.load_network(), data.test[:FEW]).accuracy
    if name in TUTORIALS:
        path = options.kept / "unrolled.json"
        found = read(path)  # again: another process may have added to it
        found.setdefault(name, {}).setdefault(form or "faithful", {})[str(config.seed)] = figures
        keep(path, found)
    else:
        network = {"network": words_for(config.network), "data": config.data}
        keep(options.kept / f"{name}.json", {"recipe": name, **network, **figures})
    print(f"{config.recipe_name}, seed {config.seed}: {figures['accuracy']:.4f}", flush=True)


def keep(path: Path, found: Figures) -> None:
    """Write a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as beside:
        beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def write(options: argparse.Namespace) -> None:
    """Write the page, or check it."""
    page = Page(options.kept, TENSORFLOW, TIMES)
    for what in page.missing:
        print(f"missing: {what}")
    if not options.check:
        with atomic_path(PAGE) as path:
            path.write_text(page.text, encoding="utf-8")
        print(PAGE)
        return
    if page.missing:
        makers = Counter(page.missing.values())
        made = ", ".join(f"`{maker}` makes {count}" for maker, count in makers.items())
        raise UnrolledError(f"{len(page.missing)} figures are missing: {made}")
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page.text:
        raise UnrolledError(f"{PAGE} is not what the results make of it: run `results.py write`")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    runner = verbs.add_parser("run", help="train what is missing")
    runner.add_argument("--only", nargs="+", metavar="RECIPE", help="the tutorials' recipes by default")
    runner.add_argument("--runs", type=Path, help="where the run folders go; a temporary folder by default")
    collector = verbs.add_parser("collect", help="keep the figures of run folders")
    collector.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    collector.add_argument("--commit", help="that they were trained at; by default the present one")
    for verb in (runner, collector):
        verb.add_argument("--data-dir", help="a folder with MNIST")
        verb.add_argument("--threads", type=int, default=1)
    writer = verbs.add_parser("write", help="write docs/results.md")
    writer.add_argument("--check", action="store_true", help="write nothing; fail unless all is there")
    for verb in (runner, collector, writer):
        verb.add_argument("--kept", type=Path, default=KEPT, help="the folder of our figures")
    options = parser.parse_args()
    try:
        {"run": run, "collect": collect, "write": write}[options.verb](options)
    except UnrolledError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
