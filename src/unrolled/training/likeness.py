"""How like a network's training examples a sequence is: fitted on these alone, whatever else there may be."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SHRINKAGE = {"features": 0.01, "strokes": 0.15}
WEIGHTS = {"features": 0.5, "strokes": 1.0}  # where a picture has both
LIMIT, DOUBT = 0.02, 0.1  # the share of true examples that may be refused, and how likely it is more
LEAST = 1e-12  # of a variance or a distance: more than nothing


class Gaussians(NamedTuple):
    r"""A normal distribution of vectors for each class.

        d² = | W_c (v - m_c) |²        W_c' W_c = Σ_c^-1

    Attributes:
        means: m [classes, F].
        whitening: W, lower triangles [classes, F, F], or [1, F, F] where all classes share one.
    """

    means: Tensor
    whitening: Tensor

    @classmethod
    def fit(
        cls, vectors: Tensor, labels: Tensor, classes: int, shrinkage: float, *, shared: bool
    ) -> Gaussians:
        """From vectors [N, F] with their classes; a class without an example has the mean of all.

        Args:
            shrinkage: how much of a covariance is taken from the mean variance, in all directions alike.
            shared: whether all classes have one covariance, that of what their means leave.
        """
        vectors = vectors.double()
        rows = [vectors[labels == number] for number in range(classes)]
        means = torch.stack([(each if len(each) else vectors).mean(dim=0) for each in rows])
        left = [each - mean for each, mean in zip(rows, means, strict=True)]
        pooled = _covariance(torch.cat(left), shrinkage)
        # With as few examples as that, a covariance of one's own would be noise.
        own = [pooled if shared or len(each) < 2 else _covariance(each, shrinkage) for each in left]
        lower = torch.linalg.cholesky(torch.stack([pooled] if shared else own))
        identity = torch.eye(vectors.shape[1], dtype=torch.float64).expand_as(lower)
        whitening = torch.linalg.solve_triangular(lower, identity, upper=False)
        return cls(means.float(), whitening.float().contiguous())

    def distances(self, vectors: Tensor, predicted: Tensor) -> Tensor:
        """log d² of each vector [N, F] from the class that is predicted for it, int64 [N]."""
        found = vectors.new_zeros(len(vectors))
        for number in predicted.unique().tolist():
            rows = (predicted == number).nonzero().flatten()
            whitening = self.whitening[number if len(self.whitening) > 1 else 0]
            found[rows] = ((vectors[rows] - self.means[number]) @ whitening.T).square().sum(dim=1)
        return found.clamp(min=LEAST).log()


def _covariance(left: Tensor, shrinkage: float) -> Tensor:
    """Of what means have left [N, F], float64 [F, F]."""
    width = left.shape[1]
    covariance = left.T @ left / max(1, len(left))
    variance = covariance.diagonal().mean().clamp(min=LEAST)
    return (1 - shrinkage) * covariance + shrinkage * variance * torch.eye(width, dtype=torch.float64)


class Likeness(NamedTuple):
    r"""How far from what a network was trained on something is, seen in one way or in several.

        unlike = Σ_k (log d_k² - a_k) / b_k

    Symbols: d_k the distance from the class that is predicted, in the k-th way of seeing it; a_k the mean of
    its logarithm over examples that were held out, b_k their deviation over the way's weight.

    Ways are "features", the vector that the classifier sees, with one covariance for all classes; and of
    pictures "strokes", see `strokes`, with a covariance for each class.

    Attributes:
        ways: the distributions, by name.
        scales: a and b of each.
        threshold: what is farther away is refused; infinite if nothing is.

    Reference: Lee et al. 2018, A simple unified framework for detecting out-of-distribution samples and
    adversarial attacks, arXiv:1807.03888, section 2.1.
    """

    ways: dict[str, Gaussians]
    scales: dict[str, tuple[float, float]]
    threshold: float

    @classmethod
    def fit(
        cls,
        seen: dict[str, Tensor],
        labels: Tensor,
        held_out: dict[str, Tensor],
        predicted: Tensor,
        unsure: Tensor,
        classes: int,
    ) -> Likeness:
        """Fit on training examples, and set scales and threshold by examples that were held out.

        The threshold lies between two of the examples that were held out: `beyond` says how many are refused,
        those of which the network is not sure among them.

        Args:
            seen: vectors [N, F] of training examples, by way.
            labels: their classes, int64 [N].
            held_out: vectors [M, F] of the others, by way.
            predicted: the classes that the network predicts for them, int64 [M].
            unsure: where it is not sure of that, bool [M].
            classes: how many there are.
        """
        ways = {
            name: Gaussians.fit(vectors, labels, classes, SHRINKAGE[name], shared=name == "features")
            for name, vectors in seen.items()
        }
        scales = {}
        for name, way in ways.items():
            distances = way.distances(held_out[name], predicted).double()
            deviation = float(distances.std(correction=0).clamp(min=1e-6))
            scales[name] = (float(distances.mean()), deviation / WEIGHTS[name])
        unscaled = cls(ways, scales, math.inf)
        sure = unscaled.unlike(held_out, predicted)[~unsure].sort().values
        allowed = beyond(len(unsure))
        if allowed is None or len(sure) == 0:
            return unscaled
        allowed = min(max(0, allowed - int(unsure.sum())), len(sure) - 1)
        return unscaled._replace(threshold=float(sure[-1 - allowed]))

    def unlike(self, seen: dict[str, Tensor], predicted: Tensor) -> Tensor:
        """The value of each, float32 [N], from vectors [N, F] by way and the classes that are predicted."""
        total = torch.zeros(len(predicted))
        for name, way in self.ways.items():
            mean, deviation = self.scales[name]
            total += (way.distances(seen[name], predicted) - mean) / deviation
        return total


def beyond(count: int) -> int | None:
    r"""How many of the examples that were held out may be refused; None if there are too few.

        the largest k with  P(X <= k) <= 0.1        X binomial of M trials with probability 0.02

    Then it is nine times as likely as not that of all true examples of their kind at most 2 % are refused.

    Args:
        count: M, how many were held out.

    >>> [beyond(count) for count in (100, 114, 400, 5_000)]
    [None, 0, 4, 86]

    Reference: Wilks 1941, Determination of sample sizes for setting tolerance limits.
    """
    below, allowed = 0.0, None
    for k in range(count):
        ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        below += math.exp(ways + k * math.log(LIMIT) + (count - k) * math.log1p(-LIMIT))
        if below > DOUBT:
            break
        allowed = k
    return allowed
