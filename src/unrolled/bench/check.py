"""Before anything is timed: does it compute what it should?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.bench.models import CellModel, Model, TorchModel
from unrolled.bench.problem import Problem
from unrolled.errors import UnrolledError

# What float32 in any order of summation stays well below, and what a wrong gate or step is far above.
OUTPUT_LIMIT = 1e-5
GRADIENT_LIMIT = 1e-4


class Found(NamedTuple):
    """What a side computed: outputs [N, T, O], zero past each length, and gradients by name of weight."""

    outputs: Tensor
    gradients: Mapping[str, Tensor]


class Errors(NamedTuple):
    """The greatest errors against float64: of the outputs, and of the gradients relative to their scale.

    The scale of a weight's gradient is its greatest element. None: the side has no gradients.
    """

    output: float
    gradient: float | None


class WrongResultError(UnrolledError):
    """A side computes something else than the judge: its time would mean nothing."""


def find(model: Model, problem: Problem) -> Found:
    """What a model computes: outputs of all steps, and gradients of the loss on the last ones.

    What a cell draws at random while training is off.
    """
    model.eval()
    weights = model.weights()
    dtype = next(iter(weights.values())).dtype
    outputs = model(problem.x.to(dtype), problem.lengths)
    loss = loss_of(outputs, problem)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    model.train()
    return Found(within(outputs.detach(), problem), dict(zip(weights, gradients, strict=True)))


def loss_of(outputs: Tensor, problem: Problem) -> Tensor:
    """The mean square error of the last outputs."""
    return (problem.last(outputs) - problem.target.to(outputs.dtype)).square().mean()


def within(outputs: Tensor, problem: Problem) -> Tensor:
    """`outputs` with zeros past each length."""
    if problem.lengths is None:
        return outputs
    running = torch.arange(outputs.shape[1]) < problem.lengths[:, None]
    return torch.where(running[:, :, None], outputs, 0)


def judge(problem: Problem) -> Found:
    """The right results: torch.nn in float64, or where it lacks the cell, the plain loop in float64."""
    has = TorchModel.has(problem.row.cell)
    model = TorchModel(problem) if has else CellModel(problem, kind="static")
    return find(model.double(), problem)


def errors(found: Found, expected: Found) -> Errors:
    """How far `found` lies from `expected`. A NaN counts as infinitely far.

    Raises:
        WrongResultError: it has other shapes, or gradients of other weights.
    """
    output = _greatest("outputs", found.outputs, expected.outputs)
    if not found.gradients:
        return Errors(output, None)
    if found.gradients.keys() != expected.gradients.keys():
        raise WrongResultError(
            f"gradients of {', '.join(sorted(found.gradients))}, "
            f"expected those of {', '.join(sorted(expected.gradients))}"
        )
    relative = []
    for name, gradient in expected.gradients.items():
        scale = float(gradient.abs().max()) or 1.0
        relative.append(_greatest(name, found.gradients[name], gradient) / scale)
    return Errors(output, max(relative))


def _greatest(name: str, found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        raise WrongResultError(f"{name} of shape {list(found.shape)}, expected {list(expected.shape)}")
    return float((found.double() - expected).abs().nan_to_num(nan=torch.inf).max())


def checked(side: str, found: Found, expected: Found, row: str) -> Errors:
    """The errors of one side of a row.

    Raises:
        WrongResultError: they are above the limits.
    """
    try:
        found_errors = errors(found, expected)
    except WrongResultError as error:
        raise WrongResultError(f"{row}: {side} gives {error}: not timed") from error
    output, gradient = found_errors
    if output > OUTPUT_LIMIT:
        raise WrongResultError(f"{row}: outputs of {side} are wrong by {output:.1e}: not timed")
    if gradient is not None and gradient > GRADIENT_LIMIT:
        raise WrongResultError(
            f"{row}: gradients of {side} are wrong by {gradient:.1e} of their scale: not timed"
        )
    return found_errors
