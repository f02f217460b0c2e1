"""What a network says of sequences, as a table, as JSON or as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from unrolled.training import Evaluation, RunConfig
    from unrolled.training.judge import Judgement


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
            return ("sequence", "predicted", "confidence", "runner-up", "confidence", "status")
        case "tag":
            return ("sequence", "steps", "predicted", "confidence")
        case "forecast":
            return ("sequence", "step", *config.numbers)
        case _:
            return ("sequence", *config.numbers)


def answers(
    config: RunConfig, names: Sequence[str], lengths: Tensor, evaluation: Evaluation
) -> Iterator[Answer]:
    """The answer about each sequence, in their order, of a run that doesn't name the class of each.

    Args:
        config: the run's.
        names: of the sequences, [N].
        lengths: their steps, int64 [N].
        evaluation: what the network said.
    """
    if config.task == "tag":
        for name, probabilities in zip(names, evaluation.probabilities.split(lengths.tolist()), strict=True):
            yield _of_steps(name, config.classes, probabilities)
    else:
        for name, predicted in zip(names, evaluation.predictions, strict=True):
            steps = predicted.view(-1, len(config.numbers)).tolist()
            yield (_of_series if config.task == "forecast" else _of_numbers)(name, config.numbers, steps)


def class_answers(
    classes: Sequence[str], names: Sequence[str], judgement: Judgement, what: str = "sequence"
) -> Iterator[Answer]:
    """The answer about each sequence, in their order, of a run that names the class of each.

    Args:
        classes: the names of the run's.
        names: of the sequences, [N].
        judgement: what the network said, and whether that may be called an answer.
        what: what a sequence is called.
    """
    from unrolled.training.judge import in_words

    for name, probabilities, status in zip(names, judgement.probabilities, judgement.statuses, strict=True):
        ranked = probabilities.argsort(descending=True, stable=True)[:2].tolist()
        nearest = [(classes[place], float(probabilities[place])) for place in ranked]
        (best, first), (second, other) = [*nearest, ("", 0.0)][:2]
        said = {
            what: name,
            "predicted": best,
            "confidence": first,
            "runner_up": second,
            "runner_up_confidence": other,
            "status": status,
            "refused": status != "answered",
        }
        by_class = dict(zip(classes, probabilities.tolist(), strict=True))
        shown = (name, best, f"{first:.1%}", second, f"{other:.1%}", in_words(status, classes))
        flat = {f"probability of {label}": share for label, share in by_class.items()}
        yield Answer([shown], {**said, "probabilities": by_class}, [{**said, **flat}])


def sentence(answer: Answer, classes: Sequence[str]) -> str:
    """What there is to say of one sequence, in a line."""
    from unrolled.training.judge import in_words

    name, *_ = answer.shown[0]
    said = answer.values
    best = f"{said['predicted']} ({said['confidence']:.1%})"
    other = f"{said['runner_up']} ({said['runner_up_confidence']:.1%})"
    match said["status"]:
        case "answered":
            return f"{name}: {best}, runner-up {other}"
        case "not sure":
            return f"{name}: not sure: {best} or {other}"
        case status:
            return f"{name}: {in_words(status, classes)}; the nearest is {said['predicted']}"


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
    (values,) = steps
    shown = (name, *(f"{value:.6g}" for value in values))
    predicted = dict(zip(numbers, values, strict=True))
    return Answer([shown], {"sequence": name, "predicted": predicted}, [_row(numbers, values, sequence=name)])


def _of_series(name: str, numbers: Sequence[str], steps: list[list[float]]) -> Answer:
    counted = list(enumerate(steps, start=1))
    shown: list[tuple[str, ...]] = [
        (name, str(step), *(f"{value:.6g}" for value in values)) for step, values in counted
    ]
    rows = [_row(numbers, values, sequence=name, step=step) for step, values in counted]
    predicted = {number: [values[place] for values in steps] for place, number in enumerate(numbers)}
    return Answer(shown, {"sequence": name, "predicted": predicted}, rows)


def _row(numbers: Sequence[str], values: list[float], **said: Any) -> dict[str, Any]:
    """A row of a CSV file: what is said of the numbers, and they, beside it if they are called the same.

    >>> _row(["load", "step"], [0.5, 7.0], sequence="a", step=1)
    {'sequence': 'a', 'step': 1, 'load': 0.5, 'predicted step': 7.0}
    """
    columns = (f"predicted {number}" if number in said else number for number in numbers)
    return said | dict(zip(columns, values, strict=True))
