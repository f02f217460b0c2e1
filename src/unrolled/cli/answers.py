"""What a network says of sequences, as a table, as JSON or as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from unrolled.training import Evaluation, RunConfig


class Answer(NamedTuple):
    """Of one sequence.

    Attributes:
        shown: its lines of the table, a cell for each heading.
        values: all that is said, for JSON.
        rows: the same as rows of a CSV file.
    """

    shown: list[tuple[str, ...]]
    values: dict[str, Any]
    rows: list[dict[str, Any]]


def headings(config: RunConfig) -> tuple[str, ...]:
    """Of the table."""
    match config.task:
        case "classify":
            return ("sequence", "predicted", "probability", "runner-up", "probability")
        case "tag":
            return ("sequence", "steps", "predicted", "probability")
        case "forecast":
            return ("sequence", "step", *config.numbers)
        case _:
            return ("sequence", *config.numbers)


def answers(
    config: RunConfig, names: Sequence[str], lengths: Tensor, evaluation: Evaluation
) -> Iterator[Answer]:
    """The answer about each sequence, in their order.

    Args:
        config: the run's.
        names: of the sequences, [N].
        lengths: their steps, int64 [N].
        evaluation: what the network said.
    """
    if config.task == "classify":
        for name, probabilities in zip(names, evaluation.probabilities, strict=True):
            yield _of_class(name, config.classes, probabilities)
    elif config.task == "tag":
        for name, probabilities in zip(names, evaluation.probabilities.split(lengths.tolist()), strict=True):
            yield _of_steps(name, config.classes, probabilities)
    else:
        for name, predicted in zip(names, evaluation.predictions, strict=True):
            steps = predicted.view(-1, len(config.numbers)).tolist()
            yield (_of_series if config.task == "forecast" else _of_numbers)(name, config.numbers, steps)


def _of_class(name: str, classes: Sequence[str], probabilities: Tensor) -> Answer:
    best, second = probabilities.topk(min(2, len(classes))).indices.tolist() * (3 - min(2, len(classes)))
    by_class = dict(zip(classes, probabilities.tolist(), strict=True))
    said = {
        "sequence": name,
        "predicted": classes[best],
        "probability": by_class[classes[best]],
        "runner_up": classes[second],
        "runner_up_probability": by_class[classes[second]],
    }
    shown = (
        name,
        classes[best],
        f"{probabilities[best]:.1%}",
        classes[second],
        f"{probabilities[second]:.1%}",
    )
    flat = {f"probability of {label}": share for label, share in by_class.items()}
    return Answer([shown], {**said, "probabilities": by_class}, [{**said, **flat}])


def _of_steps(name: str, classes: Sequence[str], probabilities: Tensor) -> Answer:
    shares, best = probabilities.max(dim=1)
    predicted = [classes[index] for index in best.tolist()]
    shown: list[tuple[str, ...]] = []
    first = 0
    for label, steps in groupby(predicted):
        end = first + len(list(steps))
        shown.append((name, f"{first}-{end - 1}", label, f"{shares[first:end].mean():.1%}"))
        first = end
    rows = [
        {"sequence": name, "step": step, "predicted": label, "probability": share}
        for step, (label, share) in enumerate(zip(predicted, shares.tolist(), strict=True))
    ]
    values = {"sequence": name, "predicted": predicted, "probabilities": shares.tolist()}
    return Answer(shown, values, rows)


def _of_numbers(name: str, numbers: Sequence[str], steps: list[list[float]]) -> Answer:
    predicted = dict(zip(numbers, steps[0], strict=True))
    shown = (name, *(f"{value:.6g}" for value in steps[0]))
    return Answer([shown], {"sequence": name, "predicted": predicted}, [{"sequence": name, **predicted}])


def _of_series(name: str, numbers: Sequence[str], steps: list[list[float]]) -> Answer:
    rows = [
        {"sequence": name, "step": step, **dict(zip(numbers, values, strict=True))}
        for step, values in enumerate(steps, start=1)
    ]
    shown: list[tuple[str, ...]] = [
        (name, str(row["step"]), *(f"{row[number]:.6g}" for number in numbers)) for row in rows
    ]
    predicted = {number: [row[number] for row in rows] for number in numbers}
    return Answer(shown, {"sequence": name, "predicted": predicted}, rows)
