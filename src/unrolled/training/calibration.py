"""How sure a network is against how often it is right, and the temperature that brings the two together."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.training.tasks.task import Evaluation

BINS = 15
DRAWS = 200  # of labels, for the error that chance alone gives
COLDEST, HOTTEST = 0.05, 20.0
HALVINGS = 40  # of the search: far below what float64 tells apart


class Reliability(NamedTuple):
    """Answers in bins of equal width of their confidence, the largest probability.

    Attributes:
        counts: how many answers each bin holds, float64 [bins].
        confidence: their mean confidence, 0 of an empty bin.
        accuracy: the share of them that is right, likewise.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """The expected calibration error: see `expected_calibration_error`."""
        gaps = (self.confidence - self.accuracy).abs()
        return float((self.counts * gaps).sum() / self.counts.sum().clamp(min=1))


def reliability(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Put answers into `bins` bins, the k-th of which holds confidences in ((k - 1) / bins, k / bins].

    Args:
        probabilities: [M, classes].
        labels: int64 [M].
        bins: how many.
    """
    confidence, predicted = probabilities.double().max(dim=1)
    places = (confidence * bins).ceil().long().clamp(1, bins) - 1
    counts = torch.bincount(places, minlength=bins).double()

    def mean(values: Tensor) -> Tensor:
        return torch.zeros(bins).double().index_add(0, places, values.double()) / counts.clamp(min=1)

    return Reliability(counts, mean(confidence), mean(predicted == labels))


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    r"""How far confidence is from accuracy, over all answers.

        ECE = Σ_k  n_k / M  | accuracy_k - confidence_k |

    Symbols: M answers, n_k of them in bin k of `reliability`; accuracy_k the share of these that is right;
    confidence_k their mean largest probability.

    >>> sure = torch.tensor([[0.9, 0.1]]).expand(10, 2)
    >>> round(expected_calibration_error(sure, torch.tensor([0] * 9 + [1])), 6)
    0.0
    >>> round(expected_calibration_error(sure, torch.tensor([0] * 6 + [1] * 4)), 6)
    0.3

    Reference: Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599, section 2.
    """
    return reliability(probabilities, labels, bins).error


def chance_calibration_error(probabilities: Tensor, bins: int = BINS) -> float:
    """The expected calibration error of confidences that are true, which so many answers cannot be without.

    The mean over labels that are drawn from the very probabilities, with a seed of its own: where every
    confidence is true, a bin that holds few answers is still not right as often as it is confident.

    Args:
        probabilities: [M, classes].
        bins: as of the error that it is set beside.

    >>> coins = torch.full((100, 2), 0.5)  # of 100 tosses, 50 are heads, give or take 4
    >>> round(chance_calibration_error(coins), 2), round(chance_calibration_error(coins.repeat(100, 1)), 3)
    (0.04, 0.004)
    """
    confidence = probabilities.double().max(dim=1).values
    if len(confidence) == 0:
        return 0.0
    places = (confidence * bins).ceil().long().clamp(1, bins) - 1
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    for _ in range(DRAWS):
        right = (torch.rand(len(confidence), generator=generator, dtype=torch.float64) < confidence).double()
        gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, places, right - confidence)
        total += float(gaps.abs().sum()) / len(confidence)
    return total / DRAWS


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    r"""The T by which logits are divided for the least cross-entropy on examples that were held out.

        T = argmin  -Σ_n log softmax(z_n / T)[y_n]        0.05 <= T <= 20

    No answer changes with it, only how sure it is. The loss has one minimum in 1 / T, which is found by
    golden sections.

    Args:
        logits: z [M, classes].
        labels: y, int64 [M].

    >>> logits = torch.tensor([[2.0, 0.0]]).expand(100, 2)  # by which 88 % are of the first class
    >>> labels = (torch.arange(100) >= 88).long()
    >>> round(fit_temperature(logits, labels), 2), round(fit_temperature(3 * logits, labels), 2)
    (1.0, 3.01)

    Reference: Guo et al. 2017, section 4.2.
    """
    if len(labels) == 0:
        return 1.0
    z = logits.double()

    def loss(coldness: float) -> float:
        return float(F.cross_entropy(coldness * z, labels))

    section = (math.sqrt(5) - 1) / 2
    low, high = 1 / HOTTEST, 1 / COLDEST
    left, right = high - section * (high - low), low + section * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(HALVINGS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - section * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + section * (high - low)
            at_right = loss(right)
    return 2 / (low + high)


def tempered(probabilities: Tensor, temperature: float) -> Tensor:
    """softmax(z / T) from softmax(z), both [M, classes].

    >>> tempered(torch.tensor([[0.8, 0.2]]), 2.0)
    tensor([[0.6667, 0.3333]])
    """
    return probabilities if temperature == 1 else (probabilities.log() / temperature).softmax(dim=1)


def calibrated(evaluation: Evaluation, labels: Tensor, temperature: float) -> Evaluation:
    """An evaluation of classes with tempered probabilities.

    Among its metrics are "calibration_error", and "chance_calibration_error": what that would be if every
    confidence were true.
    """
    probabilities = tempered(evaluation.probabilities, temperature)
    errors = {
        "calibration_error": expected_calibration_error(probabilities, labels),
        "chance_calibration_error": chance_calibration_error(probabilities),
    }
    return evaluation._replace(probabilities=probabilities, metrics={**evaluation.metrics, **errors})
