"""What other packages count in a model: operations, parameters, shapes."""

import pytest
import torch
from torch import nn

import unrolled

N, T, I, H = 3, 17, 5, 7
KINDS = [nn.LSTM, nn.GRU, nn.RNN]


def both(kind, count):
    """What is counted of torch.nn's layer and of the accelerated one."""
    model = nn.Sequential(kind(I, H, batch_first=True))
    expected = count(model)
    return count(unrolled.accelerate(model)), expected


@pytest.mark.parametrize("kind", KINDS)
def test_thop_counts_with_a_table_of_ours(kind):
    """Its own table is keyed by the very class."""
    thop = pytest.importorskip("thop")
    rules = {
        unrolled.LSTM: thop.rnn_hooks.count_lstm,
        unrolled.GRU: thop.rnn_hooks.count_gru,
        unrolled.RNN: thop.rnn_hooks.count_rnn,
    }
    inputs = (torch.randn(N, T, I),)
    found, expected = both(kind, lambda model: thop.profile(model, inputs, custom_ops=rules, verbose=False))
    assert found == expected
    assert min(found) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_fvcore_counts_the_same(kind):
    fvcore = pytest.importorskip("fvcore.nn")
    found, expected = both(
        kind,
        lambda model: (
            fvcore.FlopCountAnalysis(model, torch.randn(N, T, I)).unsupported_ops_warnings(False).total()
        ),
    )
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_torchinfo_says_the_same(kind):
    torchinfo = pytest.importorskip("torchinfo")
    found, expected = both(kind, lambda model: torchinfo.summary(model, (N, T, I), verbose=0))
    assert str(found) == str(expected)
    assert found.total_mult_adds == expected.total_mult_adds > 0
