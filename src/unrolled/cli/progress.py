"""What a user sees while a network trains."""

from __future__ import annotations

import math
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from unrolled.cli.terminal import Terminal
from unrolled.data import Dataset
from unrolled.networks import SequenceClassifier
from unrolled.training import RECIPES, EpochMetrics, RunConfig, Step
from unrolled.training.tasks import task_of

NARROW = 60  # a terminal of fewer columns has no room for a bar
MOST_LINES = 40  # of epochs, or a few more: of very short ones each k-th is said


class TrainingProgress:
    """A line for each epoch, or each k-th of very many, and, on a terminal, a bar over the steps below them.

    Args:
        console: where to.
        config: the run.
        data: the data set, with its examples.
    """

    def __init__(self, console: Terminal, config: RunConfig, data: Dataset) -> None:
        self.console = console
        recipe, network = config.recipe, config.cells
        self._protocol = config.protocol
        self._asked = task_of(data)
        total_steps = recipe.total_steps(len(data.train))
        self._epochs = math.ceil(total_steps / recipe.steps_per_epoch(len(data.train)))
        self._every = max(1, self._epochs // MOST_LINES)
        self._chooses = recipe.keep == "best"
        parameters = SequenceClassifier.outline(network).parameter_count
        scan = "" if network.scan == "rows" else f", reads pictures {network.order}"
        pieces = (
            f"{network.name}: {parameters:,} parameters,",
            f"{network.unroll} unrolling{scan};",
            f"{data.name}: {len(data.train):,} examples to train,",
            f"{len(data.validation):,} to validate,",
            f"{len(data.test):,} to test",
        )
        console.print_pieces(pieces, " ")
        if config.recipe_name in RECIPES:
            for number, defect in RECIPES[config.recipe_name].defects.items():
                console.print(f"known defect {number}: {defect}; --corrected repairs it")
        bar = (TextColumn("{task.description}"), BarColumn())
        is_narrow = console.width < NARROW
        columns: list[ProgressColumn] = [
            *(() if is_narrow else bar),
            MofNCompleteColumn(),
            TextColumn("steps{task.fields[loss]},"),
            TimeRemainingColumn(compact=True),
            *(() if is_narrow else (TextColumn("left"),)),
        ]
        self._bar = Progress(
            *columns,
            console=console,
            transient=True,
            disable=not console.is_interactive,
        )
        self._task = self._bar.add_task("training", total=total_steps, loss="")

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_step(self, step: Step) -> None:
        self._bar.update(self._task, completed=step.number, loss=f", loss {step.loss:.3f}")

    def say(self, line: str) -> None:
        self.console.print(line)

    def on_epoch(self, metrics: EpochMetrics) -> None:
        if self._protocol != "epochs":
            return  # a tutorial says what it says itself
        if metrics.epoch % self._every and metrics.epoch not in (1, self._epochs):
            return
        pieces = [
            f"epoch {metrics.epoch:>3}/{self._epochs}",
            f"{metrics.seconds:6.1f} s",
            f"loss {metrics.loss:.4f}",
            self._asked.verdict(metrics.measured),
        ]
        if (validation := metrics.validation[self._asked.metric]) is not None:
            pieces.append(f"validation {self._asked.shown(validation)}")
            pieces += ["best"] if metrics.best and self._chooses else []
        self.console.print_pieces(pieces)
