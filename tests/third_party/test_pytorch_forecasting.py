"""pytorch-forecasting: subclasses of torch.nn's layers that take sequences of no steps."""

import pytest
import torch

rnn = pytest.importorskip("pytorch_forecasting.models.nn.rnn", exc_type=ImportError)

N, T, I, H = 4, 23, 5, 7


@pytest.mark.parametrize("lengths", [None, [T, 0, 9, 1], [0, 0, 0, 0]], ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_sequences_of_every_length_give_the_same(kind, lengths, same_after_accelerate):
    layer = getattr(rnn, kind)(I, H, 2, batch_first=True)
    x = torch.randn(N, T, I, requires_grad=True)
    known = None if lengths is None else torch.tensor(lengths)

    def run(layer):
        whole = layer(x, lengths=known, enforce_sorted=False)
        return [whole, layer(x)]

    same_after_accelerate(layer, run)
