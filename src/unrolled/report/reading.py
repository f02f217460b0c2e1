"""How a network reads one sequence, step by step: the picture of the whole idea."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from unrolled.data import Examples
from unrolled.networks import SequenceClassifier
from unrolled.report.lettering import lettered
from unrolled.training import Evaluation
from unrolled.training.metrics import flat_labels

CANDIDATES = 40
LONGEST = 512  # steps that are read of a sequence: each costs as many as come before it
MOST_READ = 1 << 20  # steps in all, to choose by


class Reading(NamedTuple):
    """What a network knows after each step of one sequence.

    Attributes:
        sequence: [T, I].
        probabilities: [T, classes], what the network would answer if the sequence ended at step t.
        features: [T, F], the hidden state that it would answer from.
    """

    sequence: Tensor
    probabilities: Tensor
    features: Tensor


def read_stepwise(network: SequenceClassifier, sequence: Tensor) -> Reading:
    """Let the network read x_1 ... x_t for each t = 1 ... T.

    Of a network that speaks at every step it is what that says when it has read the whole sequence. Of others
    the T beginnings are one batch with the lengths 1 ... T, so this holds for networks of both
    directions: there, the backward half at step t has read x_t ... x_1.

    Args:
        network: it is run in evaluation mode, and left in the mode it was in.
        sequence: [T, I] floats, of which the first LONGEST steps are read.
    """
    sequence = sequence[:LONGEST]
    time = sequence.shape[0]
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        x = sequence.to(device)
        if network.config.read == "steps":  # it has an answer at each step, from all that it may read
            features = network.features(x[None])[0]
        else:
            features = network.features(x.expand(time, *x.shape), torch.arange(1, time + 1))
        probabilities = network.classifier(features).softmax(dim=1)
    network.train(was_training)
    return Reading(sequence, probabilities.cpu(), features.cpu())


def changes_of_mind(reading: Reading) -> int:
    """How often the likeliest class is another one than a step before."""
    answers = reading.probabilities.argmax(dim=1)
    return int((answers[1:] != answers[:-1]).sum())


def most_telling(
    networks: Sequence[SequenceClassifier], examples: Examples, evaluations: Sequence[Evaluation]
) -> int:
    """Of the first examples that all networks read rightly, the one over which they waver most.

    Args:
        networks: one or more.
        examples: what they have read; the first is the answer if there is none that all read rightly.
        evaluations: what each network said of the examples.
    """
    rightly = torch.stack([evaluation.predictions == flat_labels(examples) for evaluation in evaluations])
    right: list[int] = rightly.all(dim=0).nonzero().flatten().tolist() or [0]
    candidates = right[: max(1, CANDIDATES // len(networks))]
    steps = examples.all_lengths()[candidates].clamp(max=LONGEST).square().cumsum(0) * len(networks)
    candidates = candidates[: max(1, int((steps <= MOST_READ).sum()))]

    def wavering(index: int) -> int:
        sequence = examples.sequence(index)
        return sum(changes_of_mind(read_stepwise(network, sequence)) for network in networks)

    return max(candidates, key=wavering)


def draw_reading(reading: Reading, classes: Sequence[str], label: int | None = None) -> Figure:
    """The sequence, the class probabilities and the hidden state, with step t in one row across all three.

    Args:
        reading: from `read_stepwise`.
        classes: the names of the classes.
        label: the right class, if it is known.
    """
    sequence, probabilities, features = (tensor.numpy() for tensor in reading)
    time, width = sequence.shape
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    image_axes, class_axes, state_axes = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1.15, 2))

    image_axes.imshow(sequence, cmap="gray", aspect="auto", extent=(0.5, width + 0.5, time + 0.5, 0.5))
    image_axes.set_title("what it reads")
    image_axes.set_xlabel("input unit")
    image_axes.set_ylabel("step t: rows read so far")

    class_image = class_axes.imshow(
        probabilities,
        cmap="Blues",
        vmin=0,
        vmax=1,
        aspect="auto",
        extent=(-0.5, len(classes) - 0.5, time + 0.5, 0.5),
    )
    answers = probabilities.argmax(axis=1)
    class_axes.plot(answers, range(1, time + 1), "o", color="C1", markersize=3.5)
    names = lettered(classes)
    long_names = max(map(len, names)) > 2
    class_axes.set_xticks(range(len(names)), names, rotation=90 if long_names else 0)
    class_axes.set_title("what it would answer by now")
    class_axes.set_xlabel("class (dot: the likeliest)")
    figure.colorbar(class_image, ax=class_axes, format=PercentFormatter(xmax=1), label="probability")

    # Units that end up alike stand side by side, so that the eye finds bands instead of noise.
    order = features[-1].argsort()
    bound = max(1.0, float(abs(features).max()))
    state_image = state_axes.imshow(
        features[:, order],
        cmap="RdBu_r",
        vmin=-bound,
        vmax=bound,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, features.shape[1] + 0.5, time + 0.5, 0.5),
    )
    state_axes.set_title("what it remembers: the hidden state h")
    state_axes.set_xlabel("hidden unit, sorted by its value at the end")
    figure.colorbar(state_image, ax=state_axes, label="h")

    answer = int(answers[-1])
    verdict = f"read as {names[answer]}, {probabilities[-1, answer]:.1%} sure"
    known = "" if label is None else (", rightly" if label == answer else f", but it is {names[label]}")
    figure.suptitle(verdict + known, fontsize=13)
    return figure
