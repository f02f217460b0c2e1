"""The records of docs/results.md: what is trained, what others reached, and both as a table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scripts.tables import MISSING, mean_and_range, read, several, table

HEAD = """\
## Records

What one line of `unrolled train` reaches, beside what others have published. `scripts/records.py` gives the
line `--threads 1` and, one after the other, each `--seed` beside it, in a folder of data that it describes.
Accuracy is that on the test examples, in per cent, of the weights that the validation examples chose, or of
the last ones where the recipe says so; of several trainings it is the mean, and from where to where they go.
Networks and recipes were chosen by validation examples alone. Minutes are CPU time on one thread, of the
longest training. Published figures are as their authors, or later papers, report them. The machine, commits
and days below the table are those at which figures were kept: a training may have begun at an earlier commit.
"""


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
    "default": Record(
        "the digits that come with the package, row by row",
        "--data sample",
        (0, 1, 2, 3, 4),
        (),
        "3,600 are trained on, 400 held out; the 1,000 test digits are not MNIST's",
    ),
    "fast": Record(
        "MNIST, row by row, in seconds",
        "--recipe fast",
        (0, 1, 2),
        (),
        "as much as ten seconds on two cores give",
    ),
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
        "--recipe best --scan columns --epochs 20",
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
            "LSTM 98.9 (cited from paper to paper, its source not traced)",
            "coRNN 99.4 (tk-rusch/coRNN)",
            "LEM 99.5 (tk-rusch/LEM)",
            "S5 99.65 (as later papers list it)",
        ),
        "24 epochs, pictures distorted a little while training; 5,000 training images are held out",
    ),
    "permuted-mnist": Record(
        "permuted MNIST, 784 steps of a pixel",
        "--recipe permuted-mnist",
        (0,),
        (
            "LSTM 95.1 (as above)",
            "LEM 96.6 (tk-rusch/LEM)",
            "coRNN 97.34 (tk-rusch/coRNN)",
            "LMU 97.2 (as later papers list it)",
            "HiPPO-LegS 98.3 (NeurIPS 2020)",
            "parallel LMU 98.49 (arXiv 2102.11417)",
        ),
        "the same, but half of the pictures stay as they are; the order is that of "
        "`numpy.random.RandomState(92916)`, as in many papers",
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
        "--data mnist-strokes",
        (0,),
        (),
        "13 to 117 steps; a longer training with more noise has 98.55, see [Recipes](recipes.md)",
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
        minutes = max((run["cpu_seconds"] for run in runs), default=0) / 60
        return [
            record.task,
            accuracy + lacking * (len(runs) < len(record.seeds)),
            f"{minutes:.{minutes < 10:d}f}" if runs else "",
            f"`{record.line}`, seed{'s' * (len(record.seeds) > 1)} {', '.join(map(str, record.seeds))}",
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
