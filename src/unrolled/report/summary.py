"""What a run came to, in the numbers that a report shows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from torch import Tensor

from unrolled.networks import SequenceClassifier
from unrolled.report.measures import MAIN, of_test
from unrolled.training import Evaluation, Run
from unrolled.training.data_file import DataRecord
from unrolled.training.metrics_file import is_of_test
from unrolled.training.run import WEIGHTS


class RunSummary(NamedTuple):
    """One run, summed up.

    Attributes:
        name: how the report calls it.
        run: its folder.
        settings: everything that config.json says, by dotted names such as "recipe.batch_size".
        parameters: how many the network has.
        epochs: the lines of its metrics that are about an epoch.
        status: "finished"; "unfinished", with how far it came; "imported": weights without a training; or
            "no epoch finished".
        best: the epoch whose weights are kept; None without one.
        test_metrics: as the run measured them, by name; none if it did not.
        test_examples: on how many; None if it did not keep that.
        seconds: spent in training; None without an epoch.
        step_ms: the mean over all steps in milliseconds, validation included.
        record: how files were read and what was done to sequences.
    """

    name: str
    run: Run
    settings: dict[str, Any]
    parameters: int
    epochs: list[dict[str, Any]]
    status: str
    best: dict[str, Any] | None
    test_metrics: dict[str, float]
    test_examples: int | None
    seconds: float | None
    step_ms: float | None
    record: DataRecord


def summarize(run: Run, name: str) -> RunSummary:
    """Read a run's record.

    Raises:
        UnrolledError: it is damaged.
    """
    lines = run.metrics()
    epochs = [line for line in lines if "epoch" in line]
    test = next((line for line in lines if is_of_test(line)), None)
    last = epochs[-1] if epochs else None
    status = _status(run, last, test)
    seconds = None if last is None else (test or last).get("seconds", last["seconds"])
    return RunSummary(
        name=name,
        run=run,
        settings=_settings(run, trained=status != "imported"),
        parameters=SequenceClassifier.outline(run.config.cells).parameter_count,
        epochs=epochs,
        status=status,
        best=next((line for line in reversed(epochs) if line.get("best")), last),
        test_metrics=of_test(test) if test else {},
        test_examples=test.get("test_examples") if test else None,
        seconds=seconds,
        step_ms=None if last is None or seconds is None else 1000 * seconds / last["step"],
        record=DataRecord.load(run.folder),
    )


def _status(run: Run, last: dict[str, Any] | None, test: dict[str, Any] | None) -> str:
    if last is None:
        return "imported" if (run.folder / WEIGHTS).exists() else "no epoch finished"
    if test is not None:
        return "finished"
    recipe = run.config.recipe
    if recipe.steps is not None:
        return f"unfinished: step {last['step']:,} of {recipe.steps:,}"
    return f"unfinished: epoch {last['epoch']} of {recipe.epochs}"


def _settings(run: Run, trained: bool) -> dict[str, Any]:
    """What the run was told, its defaults filled in, and where it ran as far as config.json knows."""
    settings = flatten({**run.circumstances, **dataclasses.asdict(run.config)})
    if not trained:  # what stands there of a training is nobody's choice
        names = ("recipe.", "seed", "validation")
        settings = {name: value for name, value in settings.items() if not name.startswith(names)}
    return settings


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names.

    >>> flatten({"data": "mnist", "recipe": {"steps": None}})
    {'data': 'mnist', 'recipe.steps': None}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names whose values are not the same in all runs that have them, in order.

    >>> differing([{"seed": 0, "data": "mnist"}, {"seed": 1, "data": "mnist"}])
    ['seed']
    """
    values: dict[str, set[str]] = {}
    for run in settings:
        for name, value in run.items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, different in values.items() if len(different) > 1]


def wilson_interval(share: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    r"""The interval of a probability of which `count` trials gave `share`.

        (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)

    Symbols: p the share; n the count; z the normal quantile of the confidence, 1.96 for 95 %.

    Reference: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.

    >>> low, high = wilson_interval(0.98, 10_000)
    >>> print(f"{low:.4f} to {high:.4f}")
    0.9771 to 0.9826
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


class TestResult(NamedTuple):
    """What came out on test examples.

    Attributes:
        metrics: by name.
        main: the name of the one that tables show.
        examples: on how many; None if that is not known.
        interval: of the accuracy on any number of examples of their kind, at 95 % (Wilson); None where that
            is not known, or no accuracy of independent examples: the steps of a sequence are not.
        recorded: whether the run's training measured it, not somebody later.
    """

    metrics: dict[str, float]
    main: str
    examples: int | None
    interval: tuple[float, float] | None
    recorded: bool

    @property
    def value(self) -> float:
        """The metric that tables show."""
        return self.metrics[self.main]


def judge(summary: RunSummary, evaluation: Evaluation | None, examples: int | None) -> TestResult | None:
    """The test result that a run recorded, else the one of an evaluation, None without both.

    Args:
        summary: of the run.
        evaluation: made for the report, of test examples, if there is one.
        examples: how many these are: as many as those of a run that did not record their number.
    """
    task = summary.run.config.task
    main = MAIN[task]
    recorded = main in summary.test_metrics
    metrics = summary.test_metrics if recorded else {} if evaluation is None else evaluation.metrics
    if main not in metrics:
        return None
    examples = summary.test_examples or examples
    interval = wilson_interval(metrics[main], examples) if examples and task == "classify" else None
    return TestResult(metrics, main, examples, interval, recorded)


class Confusion(NamedTuple):
    """How many examples of one class were predicted as another."""

    true: str
    predicted: str
    times: int


def most_confused(matrix: Tensor, classes: Sequence[str], most: int = 3) -> list[Confusion]:
    """The most frequent mistakes, the most frequent first.

    Args:
        matrix: counts [classes, classes], rows what an example is, columns what was predicted.
        classes: their names.
        most: how many at most.
    """
    mistakes = matrix.clone().fill_diagonal_(0).flatten()
    order = mistakes.argsort(descending=True, stable=True)[:most].tolist()
    return [
        Confusion(classes[place // len(classes)], classes[place % len(classes)], int(mistakes[place]))
        for place in order
        if mistakes[place]
    ]


def recalls(matrix: Tensor) -> list[float]:
    """Of each class, the share that was predicted correctly (its recall): NaN of one that does not occur."""
    counts = matrix.double()
    shares: list[float] = (counts.diagonal() / counts.sum(dim=1)).tolist()
    return shares
