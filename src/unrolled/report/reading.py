"""How a network reads one sequence, step by step: what it answers after each, and what its layers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.data import Examples
from unrolled.networks import SequenceClassifier
from unrolled.networks.scan import scanned
from unrolled.networks.traces import Trace, trace
from unrolled.training import Evaluation
from unrolled.training.metrics import flat_labels
from unrolled.training.tasks import Task
from unrolled.training.tasks.numbers import NumberTask

CANDIDATES = 40
LONGEST = 784  # steps that are read of a sequence: each costs as many as come before it
MOST_READ = 1 << 20  # steps in all, to choose by


class Reading(NamedTuple):
    """What a network answers after each step of one sequence, and what its layers do meanwhile.

    Attributes:
        sequence: [T, I], step after step as the cells read it.
        probabilities: [T, classes], what the network would answer if the sequence ended at step t, or, where
            it answers at every step, what it does there; [T, 0] where numbers are predicted.
        traces: what each layer does in each direction, when the whole sequence is read.
        numbers: [T, K], the same of numbers, in their own units; None where classes are predicted.
        whole: whether the answers are those of a network that has read all.
        scan: how a picture became the sequence, see `NetworkConfig`.
    """

    sequence: Tensor
    probabilities: Tensor
    traces: tuple[Trace, ...] = ()
    numbers: Tensor | None = None
    whole: bool = False
    scan: str = "rows"


def read_stepwise(network: SequenceClassifier, sequence: Tensor, task: Task | None = None) -> Reading:
    """Let the network read x_1 ... x_t for each t = 1 ... T.

    Args:
        network: it is run in evaluation mode, and left in the mode it was in.
        sequence: [T, I] floats, of whose steps, as the network's scan makes them, the first LONGEST are read.
        task: where numbers are predicted, theirs, which knows their units.
    """
    steps, scan = _steps(network, sequence), network.config.scan
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        traces = trace(network, steps.to(next(network.parameters()).device))
    network.train(was_training)
    outputs, whole = outputs_stepwise(network, sequence), network.config.read == "steps"
    if isinstance(task, NumberTask):
        return Reading(steps, outputs[:, :0], traces, task.in_units(outputs), whole, scan)
    return Reading(steps, outputs.softmax(dim=1), traces, whole=whole, scan=scan)


def outputs_stepwise(network: SequenceClassifier, sequence: Tensor) -> Tensor:
    """What the network gives [T, classes] after each step, logits or standardised numbers.

    Of a network that speaks at every step it is what that says when it has read the whole sequence. Of
    others the T beginnings are one batch with the lengths 1 ... T, so this holds for networks of both
    directions: there, the backward half at step t has read x_t ... x_1.

    Args:
        network, sequence: as for `read_stepwise`.
    """
    steps = _steps(network, sequence)
    time = len(steps)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        x = steps.to(next(network.parameters()).device)
        if network.config.read == "steps":  # it has an answer at each step, from all that it may read
            outputs: Tensor = network(x[None])[0]
        else:
            read = network.features_of_steps(x.expand(time, *x.shape), torch.arange(1, time + 1))
            outputs = network.speak(read)
    network.train(was_training)
    return outputs.cpu()


def _steps(network: SequenceClassifier, sequence: Tensor) -> Tensor:
    """What the cells read of a sequence [T, I], LONGEST steps of it at most."""
    return scanned(sequence[None], network.config.scan)[0, :LONGEST]


def changes_of_mind(logits: Tensor) -> int:
    """How often the most probable class [T, classes] is another one than a step before."""
    answers = logits.argmax(dim=1)
    return int((answers[1:] != answers[:-1]).sum())


def most_telling(
    networks: Sequence[SequenceClassifier], examples: Examples, evaluations: Sequence[Evaluation]
) -> int:
    """Of the first examples that all networks predict correctly, the one over which they waver most.

    Args:
        networks: one or more.
        examples: what they have read; the first is the answer if there is none that all predict correctly.
        evaluations: what each network predicts for the examples.
    """
    correct = torch.stack([evaluation.predictions == flat_labels(examples) for evaluation in evaluations])
    rows: list[int] = correct.all(dim=0).nonzero().flatten().tolist() or [0]
    candidates = rows[: max(1, CANDIDATES // len(networks))]
    # A step of a picture may be a row, a column or a pixel of it.
    per_row = max(examples.width // network.config.step_size for network in networks)
    lengths = examples.all_lengths()[candidates] * per_row
    steps = lengths.clamp(max=LONGEST).square().cumsum(0) * len(networks)
    candidates = candidates[: max(1, int((steps <= MOST_READ).sum()))]

    def wavering(index: int) -> int:
        sequence = examples.sequence(index)
        return sum(changes_of_mind(outputs_stepwise(network, sequence)) for network in networks)

    return max(candidates, key=wavering)
