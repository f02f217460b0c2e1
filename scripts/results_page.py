"""docs/results.md: the files of results as a page."""

from __future__ import annotations

from pathlib import Path

from scripts.records_page import Records
from scripts.tables import MISSING, Figures, mean_and_range, read, several, table
from unrolled.cli.networks import layers
from unrolled.networks import NetworkConfig
from unrolled.training.recipes import TUTORIALS

SEEDS = (1234, 1, 2)  # of the runs as written; the first one, TensorFlow's too, is the corrected run's
OWN = ("fast", "default")
PRINTED = {
    "seed-001-net-1": "69.53 on the batch of step 200",
    "seed-003": "96.09 on the first 1,280",
}


def twin(name: str) -> str | None:
    """The recipe that trains the same network to the same numbers, static for dynamic or dynamic for static.

    >>> twin("seed-001-net-5"), twin("seed-003")
    ('seed-001-net-8', None)
    """
    network, recipe, *_ = TUTORIALS[name][0]
    for other, (named, _) in TUTORIALS.items():
        same = named.network.changed(name=network.name, unroll=network.unroll) == network
        if other != name and same and named.recipe == recipe:
            return other
    return None


def words_for(network: NetworkConfig) -> str:
    """A network in short, as `LSTM 3×128, both ways, static`."""
    ways = "" if network.direction == "forward" else ", both ways"
    return f"{layers(network)}{ways}, {network.unroll}"


# What makes the figures, by the side they are of.
MAKERS = {
    "here": "scripts/results.py run",
    "torch.nn": "scripts/torch_peer.py",
    "TensorFlow": "tests/golden/make_tf1_trace.py",
    "times": "python -m benchmarks.recipes",
    "records": "scripts/records.py run",
    "ensemble": "scripts/records.py ensemble",
}


class Page:
    """docs/results.md from the files of results; `missing` has what makes each figure that is not there."""

    def __init__(self, kept: Path, tensorflow: Path, times: Path) -> None:
        self.ours, self.tensorflow, self.times = read(kept / "unrolled.json"), read(tensorflow), read(times)
        self.own = {name: (read(kept / f"{name}.json"), read(kept / f"{name}-torch.json")) for name in OWN}
        records = Records(kept / "records.json")
        self.missing: dict[str, str] = dict.fromkeys(records.missing, MAKERS["records"])
        if "ensemble" in self.missing:
            self.missing["ensemble"] = MAKERS["ensemble"]
        self.text = self._text() + records.text

    def _cell(self, figure: str | None, what: str, maker: str) -> str:
        if figure is None:
            self.missing[what] = MAKERS[maker]
            return MISSING
        return figure

    def _text(self) -> str:
        tutorials = table(
            "recipe | network | the tutorial printed | TensorFlow | as written | corrected "
            "| TensorFlow, ms | here, ms | ratio",
            "---|---|---|---:|---:|---:|---:|---:|---:",
            map(self._tutorial, TUTORIALS),
        )
        own = table(
            "recipe | network | data | threads | seconds | steps | accuracy "
            "| torch.nn: seconds | steps | accuracy",
            "---|---|---|---:|---:|---:|---:|---:|---:|---:",
            map(self._own, OWN),
        )
        parts = [HEAD, tutorials, self._accuracies(), "", self._step_times(), "", OWN_HEAD, own, OWN_FOOT]
        return "\n".join(parts)

    def _tutorial(self, name: str) -> list[str]:
        times = self.times.get("recipes", {}).get(name, {})
        theirs, ours, ratio = (
            self._cell(form.format(times[key]) if key in times else None, f"{name}: {key}", "times")
            for key, form in (("tensorflow_ms", "{:.1f}"), ("ours_ms", "{:.1f}"), ("ratio", "{:.2f}"))
        )
        return [
            f"`{name}`",
            words_for(TUTORIALS[name][0].network),
            PRINTED.get(name, "nothing"),
            self._cell(self._tensorflow(name), f"{name}: TensorFlow", "TensorFlow"),
            self._runs(name, "faithful", SEEDS),
            self._runs(name, "corrected", SEEDS[:1]),
            theirs,
            ours,
            ratio,
        ]

    def _tensorflow(self, name: str) -> str | None:
        """TensorFlow's accuracy; that of the twin, which is another run there, under the twin's name."""
        for one in filter(None, (name, twin(name))):
            if "accuracy" in self.tensorflow.get(one, {}):
                whose = "" if one == name else f" ({one.removeprefix('seed-001-')})"
                return in_words(name, [self.tensorflow[one]]) + whose
        return None

    def _runs(self, name: str, form: str, seeds: tuple[int, ...]) -> str:
        found = (self.ours.get(name) or self.ours.get(twin(name) or "", {})).get(form, {})
        there = [found[str(seed)] for seed in seeds if str(seed) in found]
        for seed in seeds:
            if str(seed) not in found:
                self.missing[f"{name}: {form}, seed {seed}"] = MAKERS["here"]
        if not there:
            return MISSING
        lacking = len(seeds) - len(there)
        return in_words(name, there) + (f", {lacking} of {len(seeds)} {MISSING}" if lacking else "")

    def _own(self, name: str) -> list[str]:
        ours, torch_nn = self.own[name]
        cells = [
            self._cell(form.format(figures[key]) if key in figures else None, f"{name}: {side}, {key}", side)
            for side, figures in (("here", ours), ("torch.nn", torch_nn))
            for key, form in (("seconds", "{:.0f}"), ("steps", "{:,}"), ("accuracy", "{:.2%}"))
        ]
        about = [str(ours[key]) if key in ours else "" for key in ("network", "data", "threads")]
        return [f"`{name}`", *about, *cells]

    def _accuracies(self) -> str:
        runs = [run for forms in self.ours.values() for seeds in forms.values() for run in seeds.values()]
        versions = ", ".join(sorted({trace["tensorflow"] for trace in self.tensorflow.values()}))
        return (
            f"{ACCURACIES} TensorFlow is {versions}. This library: "
            f"{several(runs, 'cpu')}, {several(runs, 'isa')}, {several(runs, 'threads')} thread, "
            f"torch {several(runs, 'torch')}, commit {several(runs, 'commit')}, {several(runs, 'date')}."
        )

    def _step_times(self) -> str:
        here = self.times.get("machine")
        if here is None:
            return f"{STEP_TIMES} {MISSING}"
        return (
            f"{STEP_TIMES} {here['cpu']}, {here['isa']}, {here['threads']} thread"
            f"{'s'[: here['threads'] > 1]}, torch {here['torch']}, "
            f"{', '.join(here['peers'].values())}, commit {here['commit']}, {here['date']}, "
            f"load {here['load']}{', CPU time' * (here['clock'] == 'process_time')}."
        )


def in_words(name: str, runs: list[Figures]) -> str:
    """The accuracies of some runs of one recipe, in per cent: their mean, and from where to where they go.

    >>> in_words("seed-000", [{"accuracy": 0.97}, {"accuracy": 0.98}])
    '97.50 (97.00 to 98.00)'
    """
    words = mean_and_range([run["accuracy"] for run in runs])
    if name == "seed-003":
        words += f"; first 1,280: {mean_and_range([run['accuracy_1280'] for run in runs])}"
    return words


HEAD = """\
# Results

Every number of this page is made by `scripts/results.py` from files in the repository; do not edit it here.

## The tutorials' recipes

`unrolled train --recipe NAME` trains a tutorial's network as the tutorial did, down to the update rule, the
order of the batches and the initial weights; `--corrected` repairs its defects. The accuracy is that on all
10,000 test images of MNIST, in per cent, after the recipe's last step. A step is loss, backward and update
of one batch.
"""

ACCURACIES = """\
*As written* is the mean of three runs with the seeds 1234, 1 and 2, and from where to where they go;
*TensorFlow* and *corrected* are one run each, with the seed 1234. TensorFlow trains the same graph with its
TF1 API (`tests/golden/make_tf1_trace.py`): initial weights and batches are the same bits here and there,
and the first 50 losses agree; later on rounding leads the runs apart. Here a static network and the dynamic
one of the same layers train to the same bits, and one training fills both rows; TensorFlow adds up their
gradients in different orders, and where it trained one of the two, its figure stands in both rows with the
name of the network that was trained. Two tutorials show an accuracy that they reached, one of them on the
128 images it had just trained on, after 200 of 5,000 steps, where its text ends. `seed-002` takes two steps
in all, to show what a state is; `seed-002-multi-lstm` is the training that lies beside it."""

STEP_TIMES = """\
The times are medians of steps on batches that were ready, both sides in turns on the same machine; a ratio
above 1 says that this library is faster (`python -m benchmarks.recipes`). The bidirectional networks
classify by the outputs at the last row, where the backward direction has read that row only: the other 27
steps of that layer are left out here, and in TensorFlow's unrolled graph, but not in its dynamic loop."""

OWN_HEAD = """\
## Our own recipes

Beside each, the same network made of `torch.nn`'s layers, trained by the same recipe for the same time
(`scripts/torch_peer.py`): what differs is how many steps that time holds. With two threads the time is the
clock's, on a machine that does nothing else; with one it is the process's CPU time.
"""

OWN_FOOT = """\
`fast` is made for 10 seconds on two cores, and `default` is what `unrolled train` does when it is told
nothing. Networks and recipes were chosen by validation images alone.

"""
