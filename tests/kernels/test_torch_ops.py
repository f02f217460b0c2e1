"""torch's own operators, which take over on CUDA and MPS: they run on a CPU too, and so are judged here."""

import pytest
import torch

from tests.kernels.layers import TOLERANCES, as_leaves, error, everything, make_layer
from unrolled.kernels import reference, torch_ops


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("lengths", [None, [6, 0, 3, 1]])
@pytest.mark.parametrize("kind", torch_ops.KINDS)
def test_results_and_gradients_are_the_references(kind, lengths, reverse, batch_first, bias):
    layer = make_layer(
        kind, 4, 6, 3, 5, lengths=lengths, reverse=reverse, batch_first=batch_first, bias=bias, states=True
    )
    layer = as_leaves(layer, torch.float64)

    def without_c(results):
        return results._replace(c=torch.empty(0))

    expected = everything(lambda layer: without_c(reference.unroll(layer)), layer)
    actual = everything(torch_ops.unroll, layer)
    assert len(actual) == len(expected)
    assert all(error(a, e) < TOLERANCES[torch.float64] for a, e in zip(actual, expected, strict=True))


@pytest.mark.parametrize("kind", torch_ops.KINDS)
def test_padding_is_never_read(kind):
    layer = make_layer(kind, 4, 6, 3, 5, lengths=[6, 0, 3, 1])
    clean = torch_ops.unroll(layer)
    layer.x[2, 3:] = float("nan")
    dirty = torch_ops.unroll(layer)
    assert torch.equal(clean.out, dirty.out)
    assert torch.equal(clean.h_n, dirty.h_n)
