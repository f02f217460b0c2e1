"""How near ONNX Runtime must come."""

import numpy as np

from tests.catalogue import parts


def assert_near(came, *expected, most=1e-5):
    """Arrays beside tensors, and states of them, in order."""
    tensors = [tensor for each in expected for tensor in parts(each)]
    assert len(came) == len(tensors)
    for array, tensor in zip(came, tensors, strict=True):
        assert array.shape == tuple(tensor.shape)
        np.testing.assert_allclose(array, tensor.numpy(), rtol=0, atol=most)


def with_rubbish(x, lengths):
    """X with NaN past each length."""
    x = x.clone()
    for row, length in enumerate(lengths):
        x[row, length:] = float("nan")
    return x
