"""Other packages' models, each before and after one call of accelerate. `make third_party` runs them."""

import copy

import pytest
import torch

import unrolled
from tests.layers.results import tensors_of
from unrolled import isa
from unrolled.kernels import ops
from unrolled.layers import explain

TOLERANCE = 1e-5  # relative to the largest number


@pytest.fixture
def kernel_calls(monkeypatch):
    """The layers that went through the kernels so far."""
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    seen = []
    run = ops.unroll
    monkeypatch.setattr(ops, "unroll", lambda layer: seen.append(layer) or run(layer))
    return seen


@pytest.fixture
def same_after_accelerate(kernel_calls):
    """A function that runs a model on torch.nn and on the kernels, and compares results and gradients."""

    def check(model, run):
        peer = copy.deepcopy(model)
        unrolled.accelerate(model)
        layers = [finding for finding in explain(model) if finding.reason != SINGLE_STEP]
        assert layers
        assert all(finding.replaced for finding in layers)
        found, expected = results_of(model, run), results_of(peer, run)
        assert kernel_calls
        for one, other in zip(found, expected, strict=True):
            assert (one - other).abs().max() <= TOLERANCE * max(1.0, other.abs().max())

    return check


SINGLE_STEP = "a kernel call for a single step costs more than the step"


def results_of(model, run):
    """What `run` gives for a model, and the gradients of all of it."""
    torch.manual_seed(0)
    model.zero_grad()
    found = tensors_of(run(model))
    sum(
        (one.double().cos() * torch.arange(one.numel()).view(one.shape).cos()).sum() for one in found
    ).backward()
    return [one.detach() for one in found] + [p.grad for p in model.parameters() if p.grad is not None]
