"""What a run may answer, and how sure it may be of it: fitted when its training ends, kept in its folder."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.atomic import atomic_path
from unrolled.data import Batch, Dataset, Examples, batches
from unrolled.data.batches import batches_of
from unrolled.data.mnist import DIGITS
from unrolled.errors import UnrolledError, check_count, is_number
from unrolled.foreign import MissingFileError
from unrolled.names import pasteable
from unrolled.networks import SequenceClassifier
from unrolled.training.calibration import fit_temperature
from unrolled.training.likeness import Gaussians, Likeness
from unrolled.training.metrics_file import is_of_test
from unrolled.training.run import CALIBRATION, CHECKPOINT, LIKENESS, Run
from unrolled.training.run_file import parse_json, read_text, shortened
from unrolled.training.state import check_finite
from unrolled.training.strokes import DIRECTIONS, PARTS, strokes
from unrolled.training.tensors_file import TensorsFile

VERSION = 1
SURE = 0.5  # below it two answers may be as likely, or none is likelier than all others together
LEAST = 100  # examples that were held out, to fit a temperature by
MOST_SEEN = 10_000  # training examples that are enough to know what they are like
WIDEST = 1024  # features, whose covariance has as many rows and columns
AT_ONCE = 500
ANSWERED, NOT_SURE, UNLIKE = "answered", "not sure", "unlike the training data"


class Judgement(NamedTuple):
    """What a network says of M sequences, and whether that may be called an answer.

    Attributes:
        probabilities: tempered, float32 [M, classes].
        unlike: how far each is from the training's examples, see `Likeness`, [M]; all NaN if that is unknown.
        statuses: of each "answered", "not sure" or "unlike the training data".
        logits: what the network gave, [M, classes].
    """

    probabilities: Tensor
    unlike: Tensor
    statuses: list[str]
    logits: Tensor


@dataclasses.dataclass(frozen=True)
class Judge:
    """The temperature of a run's network, and what is like the examples that it was trained on.

    Attributes:
        temperature: logits are divided by it; 1 where less than 100 examples were held out, or none of
            them was answered wrongly.
        sure: an answer with less confidence is "not sure".
        held_out: by how many examples it was fitted; 0 of a run without any, or of earlier versions.
        likeness: None where it is not known.
    """

    temperature: float = 1.0
    sure: float = SURE
    held_out: int = 0
    likeness: Likeness | None = None

    @classmethod
    def fit(cls, network: SequenceClassifier, data: Dataset) -> Judge:
        """From the training examples and those that were held out, of sequences that have classes."""
        held_out = data.validation
        assert isinstance(held_out.labels, Tensor)
        assert isinstance(data.train.labels, Tensor)
        if len(held_out) == 0:
            return cls()
        # uint8 is for pictures.
        ways = ("features", "strokes") if data.train.dtype == torch.uint8 else ("features",)
        seen, logits = _see(network, held_out, ways)
        predicted = logits.argmax(dim=1)
        # Few examples, or some of which none is wrong, would make it as sure as can be.
        known = len(held_out) >= LEAST and not torch.equal(predicted, held_out.labels)
        temperature = fit_temperature(logits, held_out.labels) if known else 1.0
        if network.config.feature_size > WIDEST:
            return cls(temperature, held_out=len(held_out))
        count = len(data.train)
        rows = torch.arange(count)[:: max(1, -(-count // MOST_SEEN))]
        shown, _ = _see(network, data.train, ways, rows)
        labels = data.train.labels[rows]
        unsure = (logits.float() / temperature).softmax(dim=1).amax(dim=1) < SURE
        likeness = Likeness.fit(shown, labels, seen, predicted, unsure, network.config.classes)
        return cls(temperature, held_out=len(held_out), likeness=likeness)

    def judge(self, network: nn.Module, examples: Examples) -> Judgement:
        """Let the network read examples, whose labels don't matter."""
        ways = () if self.likeness is None else tuple(self.likeness.ways)
        seen, logits = _see(network, examples, ways)
        if self.likeness is None:
            return self.weigh(logits)
        unlike = self.likeness.unlike(seen, logits.argmax(dim=1))
        return self.weigh(logits, unlike, self.likeness.threshold)

    def weigh(self, logits: Tensor, unlike: Tensor | None = None, threshold: float = math.inf) -> Judgement:
        """What logits [M, classes] say, of sequences that are so far from the training's examples [M]."""
        probabilities = (logits.float() / self.temperature).softmax(dim=1)
        unlike = torch.full((len(logits),), math.nan) if unlike is None else unlike
        statuses = [
            UNLIKE if far else ANSWERED if sure else NOT_SURE
            for far, sure in zip(
                (unlike > threshold).tolist(), (probabilities.amax(dim=1) >= self.sure).tolist(), strict=True
            )
        ]
        return Judgement(probabilities, unlike, statuses, logits)

    def save(self, folder: Path) -> None:
        """Write calibration.json and likeness.safetensors into a run folder."""
        from safetensors.torch import save

        likeness = self.likeness
        values = {
            "version": VERSION,
            "temperature": self.temperature,
            "sure": self.sure,
            "held_out": self.held_out,
            "threshold": None if likeness is None or math.isinf(likeness.threshold) else likeness.threshold,
            "scales": {} if likeness is None else {name: list(ab) for name, ab in likeness.scales.items()},
        }
        if likeness is not None:
            tensors = {
                f"{name}/{part}": tensor
                for name, way in likeness.ways.items()
                for part, tensor in way._asdict().items()
            }
            with atomic_path(folder / LIKENESS) as path:
                path.write_bytes(save(tensors))
        with atomic_path(folder / CALIBRATION) as path:
            path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def of(cls, run: Run) -> Judge:
        """That of a run: if its folder has none, one that changes and refuses nothing for being unlike.

        Raises:
            UnrolledError: a file is damaged, of a later version, or of another network.
        """
        folder = run.folder
        path = folder / CALIBRATION
        try:
            values = parse_json(read_text(path))
        except MissingFileError:
            return cls()
        except UnrolledError:
            raise
        except ValueError as error:
            raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error
        try:
            widths = {"features": run.config.cells.feature_size, "strokes": DIRECTIONS * PARTS**2}
            judge = cls._from(values, widths)
        except UnrolledError as error:
            raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error
        scales = {name: (float(mean), float(b)) for name, (mean, b) in values["scales"].items()}
        if not scales:
            return judge
        try:
            ways = _read_ways(
                folder / LIKENESS, {name: widths[name] for name in scales}, run.config.cells.classes
            )
        except MissingFileError:
            raise UnrolledError(f"{folder} has a {CALIBRATION} but no {LIKENESS}: put it back") from None
        threshold = math.inf if values["threshold"] is None else float(values["threshold"])
        return dataclasses.replace(judge, likeness=Likeness(ways, scales, threshold))

    @classmethod
    def _from(cls, values: Any, widths: dict[str, int]) -> Judge:
        names = ("version", "temperature", "sure", "held_out", "threshold", "scales")
        if not isinstance(values, dict) or set(values) != set(names):
            raise UnrolledError(f"expected an object with {', '.join(names)}")
        if values["version"] != VERSION:
            raise UnrolledError(f"version is {values['version']!r}, expected {VERSION}")
        for name, positive in (("temperature", True), ("sure", False), ("threshold", False)):
            value = values[name]
            if value is None and name == "threshold":
                continue
            if not is_number(value) or (positive and value <= 0):
                raise UnrolledError(f"{name} is {value!r}, expected a number{' above 0' * positive}")
        held_out, scales = check_count("held_out", values["held_out"], least=0), values["scales"]
        if not isinstance(scales, dict) or not set(scales) <= set(widths):
            raise UnrolledError(f"scales is {scales!r}, expected those of {', '.join(widths)}")
        for name, pair in scales.items():
            if not (isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair)) and pair[1] > 0):
                raise UnrolledError(f"the scale of {name} is {pair!r}, expected a mean and a deviation")
        return cls(float(values["temperature"]), float(values["sure"]), held_out)


def in_words(status: str, classes: Sequence[str]) -> str:
    """A status as a reader of these classes is told it: nothing of an answer.

    >>> in_words("unlike the training data", "0123456789"), in_words("unlike the training data", ["a", "b"])
    ('not a digit', 'none of the classes')
    """
    if status != UNLIKE:
        return "" if status == ANSWERED else status
    return "not a digit" if tuple(classes) == DIGITS else "none of the classes"


def uncalibrated(run: Run) -> str:
    """What to say of a run that nothing is known of but its weights."""
    if (run.folder / CHECKPOINT).exists() and not any(map(is_of_test, run.metrics())):
        return (
            f"the training of {run.folder} is not finished, and so it has no {CALIBRATION}: "
            f"`unrolled train --resume {pasteable(run.folder)}` goes on; until then confidences are the "
            "network's own, and what is unlike its training data is answered, too"
        )
    return (
        f"{run.folder} has no {CALIBRATION}: it was imported, is of an earlier version, or held nothing out; "
        "confidences are the network's own, and what is unlike its training data is answered, too"
    )


def _read_ways(path: Path, widths: dict[str, int], classes: int) -> dict[str, Gaussians]:
    file = TensorsFile(path)
    expected = {}
    for name, width in widths.items():
        expected[f"{name}/means"] = [classes, width]
        expected[f"{name}/whitening"] = [1 if name == "features" else classes, width, width]
    found = {name: [*tensor.shape] for name, tensor in file.shapes.items()}
    if found != expected or {tensor.dtype for tensor in file.shapes.values()} != {torch.float32}:
        raise UnrolledError(f"{path} is damaged: it holds {found}, expected float32 {expected}")
    tensors = file.load()
    try:
        check_finite(tensors)
    except UnrolledError as error:
        raise UnrolledError(f"{path} is damaged: {error}") from error
    return {name: Gaussians(tensors[f"{name}/means"], tensors[f"{name}/whitening"]) for name in widths}


def _see(
    network: Any, examples: Examples, ways: tuple[str, ...], rows: Tensor | None = None
) -> tuple[dict[str, Tensor], Tensor]:
    """The vectors by which examples are told from others, [M, F] by way, and their logits [M, classes]."""
    device = next((weights.device for weights in network.parameters()), torch.device("cpu"))
    was_training = network.training
    network.eval()
    seen: dict[str, list[Tensor]] = {name: [] for name in ways}
    logits = []
    read = batches(examples, AT_ONCE) if rows is None else batches_of(examples, rows.split(AT_ONCE))
    with torch.inference_mode():
        for batch in read:
            there = batch.to(device)
            if not ways:  # of a TensorFlow graph, too, which has no features to show
                logits.append(network(there.x, there.lengths).cpu())
                continue
            features = network.features(there.x, there.lengths)
            logits.append(network.speak(features).cpu())
            for name in ways:
                seen[name].append(_strokes(batch) if name == "strokes" else features.cpu())
    network.train(was_training)
    return {name: torch.cat(parts) for name, parts in seen.items()}, torch.cat(logits)


def _strokes(batch: Batch) -> Tensor:
    """Those of each picture, without what it is padded with."""
    if batch.lengths is None:
        return strokes(batch.x)
    return torch.cat(
        [strokes(x[None, :length]) for x, length in zip(batch.x, batch.lengths.tolist(), strict=True)]
    )
