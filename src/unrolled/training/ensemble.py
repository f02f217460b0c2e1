"""Several networks that answer together: the mean of what they say of the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from unrolled.data import Examples
from unrolled.data.targets import shown
from unrolled.errors import UnrolledError
from unrolled.training.data_file import DataRecord
from unrolled.training.judge import Judge
from unrolled.training.metrics import read_examples, task_of_classes
from unrolled.training.run import Run
from unrolled.training.run_file import shortened
from unrolled.training.tasks import Classify, Task
from unrolled.training.tasks.task import Evaluation


class EnsembleEvaluation(NamedTuple):
    """What several networks said of the same examples.

    Attributes:
        together: what their mean comes to.
        members: what each comes to by itself, as `evaluate` says it.
    """

    together: Evaluation
    members: list[Evaluation]


def evaluate_ensemble(
    members: Sequence[Run | nn.Module],
    examples: Examples,
    task: Task | None = None,
    *,
    device: torch.device | str = "cpu",
) -> EnsembleEvaluation:
    r"""Let several networks answer together, and measure that as `evaluate` measures one.

        p = 1/K Σ_k softmax(z_k / T_k)        of classes, of a sequence or of each step
        y = 1/K Σ_k y_k                       of numbers

    Symbols: K members; z_k the logits of one of them, T_k the temperature of its run, 1 of a mere network and
    of classes of steps; p the probabilities, from which the loss is, too; y_k the numbers that one predicts.
    Networks that erred in different places err less in the mean.

    Args:
        members: runs, or networks where they are; their cells, widths and directions may differ.
        examples: which all of them read.
        task: as `evaluate` takes it.
        device: where the networks of runs compute.

    Raises:
        UnrolledError: there are less than two members, one is there twice or is neither a run nor a network,
            or one does not fit the first one or the examples.

    >>> examples = Examples(torch.tensor([[[2.0, 0.0]]]), torch.tensor([0]))
    >>> sure, unsure = nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Threshold(2.0, 0.0))
    >>> found = evaluate_ensemble([sure, unsure], examples)
    >>> [evaluation.probabilities for evaluation in (*found.members, found.together)]
    [tensor([[0.8808, 0.1192]]), tensor([[0.5000, 0.5000]]), tensor([[0.6904, 0.3096]])]
    """
    if len(members) < 2:
        raise UnrolledError(f"an ensemble of {len(members)} came, expected at least two runs or networks")
    for number, member in enumerate(members, start=1):
        if not isinstance(member, Run | nn.Module):
            raise UnrolledError(
                f"member {number} is {shortened(repr(member), 100)}, expected a run or a network: "
                "`Run.open` opens the folder of a run"
            )
        if any(member is other for other in members[: number - 1]):
            raise UnrolledError(f"member {number} came twice, expected each once: leave one of them out")
    task = task_of_classes(examples) if task is None else task
    runs = [member for member in members if isinstance(member, Run)]
    _check_runs(runs, examples)
    temperatures = [
        Judge.of(member).temperature if isinstance(member, Run) and isinstance(task, Classify) else 1.0
        for member in members
    ]
    networks = [member.load_network().to(device) if isinstance(member, Run) else member for member in members]
    said, asked, baseline = read_examples(networks, examples, task)
    for number, rows in enumerate(said, start=1):
        if rows.shape != said[0].shape:
            raise UnrolledError(
                f"member {number} gives rows of {[*rows.shape]}, expected {[*said[0].shape]}, as the first "
                "one: leave it out"
            )
    together = task.mean([rows / temperature for rows, temperature in zip(said, temperatures, strict=True)])
    return EnsembleEvaluation(
        task.evaluation(together, asked, baseline),
        [task.evaluation(rows, asked, baseline) for rows in said],
    )


def _check_runs(runs: Sequence[Run], examples: Examples) -> None:
    """Raise an UnrolledError that names the first run that does not fit the first one, or the examples."""
    seen = set()
    for run in runs:
        place = run.folder.resolve()
        if place in seen:
            raise UnrolledError(f"{run.folder} came twice, expected each run once: leave one of them out")
        seen.add(place)
    for run in runs:
        _check_alike(run, runs[0])
        reads = run.config.network.input_size
        if reads != examples.width:
            raise UnrolledError(
                f"{run.folder} reads steps of {reads}, expected {examples.width}, as the examples have: "
                "leave it out, or choose other examples"
            )


def _check_alike(run: Run, first: Run) -> None:
    """Raise an UnrolledError if a run does not say what the first one says, of data prepared alike."""
    ours, theirs = run.config, first.config
    if ours.task != theirs.task:
        raise UnrolledError(
            f"{run.folder} is to {ours.task}, expected to {theirs.task}, as {first.folder} is: leave it out"
        )
    for what in ("classes", "numbers"):
        came, expected = getattr(ours, what), getattr(theirs, what)
        if came != expected:
            raise UnrolledError(
                f"{run.folder} has the {what} {shown(came)}, expected {shown(expected)}, as {first.folder} "
                "has: leave it out"
            )
    record, expected_record = (DataRecord.load(one.folder).to_dict() for one in (run, first))
    if difference := _difference(record, expected_record):
        held_out = f" (it held {ours.validation} examples out, and that one {theirs.validation})"
        raise UnrolledError(
            f"{run.folder} reads its data otherwise: {difference}, as of {first.folder}"
            f"{held_out * (ours.validation != theirs.validation)}: leave it out, or train it on the same "
            "data with the same options"
        )


def _difference(came: Any, expected: Any, name: str = "") -> str:
    """The first value of a record that is another than that of a second one; nothing if they are the same.

    >>> _difference({"a": (1, 2)}, {"a": (1, 3)})
    'a[1] is 2, expected 3'
    """
    if came == expected:
        return ""
    if isinstance(came, dict) and isinstance(expected, dict) and came.keys() == expected.keys():
        parts = [(came[key], expected[key], f"{name}.{key}".lstrip(".")) for key in came]
    elif isinstance(came, list | tuple) and isinstance(expected, list | tuple) and len(came) == len(expected):
        parts = [(a, b, f"{name}[{place}]") for place, (a, b) in enumerate(zip(came, expected, strict=True))]
    else:
        return f"{name} is {shortened(came, 100)}, expected {shortened(expected, 100)}"
    return next(filter(None, (_difference(*part) for part in parts)))
