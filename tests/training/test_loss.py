"""The two ways to write a cross-entropy."""

import math

import torch

from unrolled.training.loss import summed_loss


def test_both_are_the_summed_cross_entropy_in_nats():
    z = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    expected = math.log(2 + math.e**2) - 2 + math.log(2 + math.e)
    for kind in ("cross-entropy", "log-of-softmax"):
        assert math.isclose(float(summed_loss(kind, z, torch.tensor([1, 2]))), expected, rel_tol=1e-12)


def test_b2_the_logarithm_of_a_softmax_is_nan_for_a_right_and_for_a_wrong_label():
    z = torch.tensor([[200.0, 0.0, 0.0]])
    for label, fused in ((0, 0.0), (1, 200.0)):
        assert math.isnan(summed_loss("log-of-softmax", z, torch.tensor([label])))
        assert float(summed_loss("cross-entropy", z, torch.tensor([label]))) == fused
