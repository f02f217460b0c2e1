"""How a network reads one sequence, step by step: the picture of the whole idea."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data import Examples
from unrolled.networks import SequenceClassifier
from unrolled.report.appearance import Appearance
from unrolled.report.lettering import lettered
from unrolled.training import Evaluation
from unrolled.training.metrics import flat_labels

CANDIDATES = 40
MOST_CLASSES = 20  # that are drawn


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
        sequence: [T, I] floats.
    """
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

    def wavering(index: int) -> int:
        sequence = examples.sequence(index)
        return sum(changes_of_mind(read_stepwise(network, sequence)) for network in networks)

    return max(candidates, key=wavering)


def draw_reading(
    reading: Reading, classes: Sequence[str], label: int | None = None, examples: Examples | None = None
) -> Figure:
    """The sequence, the class probabilities and the hidden state, with step t in one line across all three.

    Of a picture that is read row by row, steps are rows, and the three stand side by side; of all else steps
    are columns, and the three stand one below the other.

    Args:
        reading: from `read_stepwise`.
        classes: the names of the classes.
        label: the right class, if it is known.
        examples: what the sequence is of, which say how it is drawn; None for a picture.
    """
    look = Appearance("picture", downward=True) if examples is None else Appearance.of_read(examples)
    sequence, probabilities, features = (tensor.numpy() for tensor in reading)
    # Units that end up alike stand side by side, so that the eye finds bands instead of noise.
    features = features[:, features[-1].argsort()]
    time, width = sequence.shape
    down = look.downward
    names = lettered(classes)
    shown = classes_shown(reading.probabilities, label)
    of_classes = 1.2 + 0.16 * len(shown)
    if down:
        of_input = min(5.0, max(1.2, 3.5 * width / time))  # inches, so that pixels are square
        figure = Figure(figsize=(of_input + of_classes + 7, 4.6), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True, width_ratios=(of_input, of_classes + 0.9, 4.9))
    else:
        figure = Figure(figsize=(11, 4.6 + of_classes), layout="constrained")
        panels = figure.subplots(3, 1, sharex=True, height_ratios=(1.8, of_classes, 2.2))
    input_axes, class_axes, state_axes = panels

    def across(axes: Axes, values: NDArray[np.float32], **style: Any) -> AxesImage:
        """Values [T, K], step t at t, each of the K at its number."""
        steps, places = (0.5, time + 0.5), (values.shape[1] - 0.5, -0.5)
        extent = (*places[::-1], *steps[::-1]) if down else (*steps, *places)
        return axes.imshow(values if down else values.T, aspect="auto", extent=extent, **style)

    input_image = look.draw(input_axes, sequence, aspect="auto")
    input_axes.set_title("input")

    class_image = across(
        class_axes, probabilities[:, shown], cmap="Blues", vmin=0, vmax=1, interpolation="nearest"
    )
    answers = probabilities[:, shown].argmax(axis=1)
    steps = range(1, time + 1)
    dots = (answers, steps) if down else (steps, answers)
    class_axes.plot(*dots, "o", color="C1", markersize=3.5 if time <= 100 else 1.5)
    some = "" if len(shown) == len(names) else f", {len(shown)} of {len(names)} classes"

    bound = max(1.0, float(abs(features).max()))
    state_image = across(
        state_axes, features, cmap="RdBu_r", vmin=-bound, vmax=bound, interpolation="nearest"
    )
    state_axes.set_title("hidden state h")
    units = "hidden unit, sorted by its value at the end"
    drawn = [names[place] for place in shown]
    if down:
        input_axes.set_xlabel("pixel")
        input_axes.set_ylabel("step t: rows read so far")
        turned = 90 if max(map(len, drawn)) > 2 else 0
        class_axes.set_xticks(range(len(drawn)), drawn, rotation=turned)
        class_axes.set_title(f"prediction after each step{some}")
        class_axes.set_xlabel("class (dot: the likeliest)")
        state_axes.set_xlabel(units)
    else:
        look.label(input_axes, width)
        look.legend(figure, width)
        class_axes.set_yticks(range(len(drawn)), drawn, fontsize=9)
        class_axes.set_title(f"prediction after each step{some} (dot: the likeliest class)")
        state_axes.set_ylabel("hidden unit, sorted\nby its value at the end", fontsize=8)
        state_axes.set_xlabel("step t")
        state_axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    if input_image is not None:
        figure.colorbar(input_image, ax=input_axes, label=look.measure)
    figure.colorbar(class_image, ax=class_axes, format=PercentFormatter(xmax=1), label="probability")
    figure.colorbar(state_image, ax=state_axes, label="h")

    answer = shown[answers[-1]]
    verdict = f"predicted {names[answer]}, confidence {probabilities[-1, answer]:.1%}"
    known = "" if label is None else (", correct" if label == answer else f", true {names[label]}")
    figure.suptitle(verdict + known, fontsize=13)
    return figure


def classes_shown(probabilities: Tensor, label: int | None) -> list[int]:
    """Up to 20 classes: all that are the likeliest at some time if they are not more, and the right one."""
    weight = probabilities.amax(dim=0)
    weight[probabilities.argmax(dim=1)] += 1
    weight[[int(probabilities[-1].argmax()), *([] if label is None else [label])]] += 2
    found: list[int] = weight.argsort(descending=True, stable=True)[:MOST_CLASSES].sort().values.tolist()
    return found
