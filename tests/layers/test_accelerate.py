"""accelerate() and restore(): a whole model, in place, and what is said about it."""

import copy

import pytest
import torch
from torch import nn

import unrolled
from tests.layers.results import tensors_of
from tests.tolerances import assert_close, assert_equal


class Tagger(nn.Module):
    """A model as people write them: a layer of each kind, one of them in two places, and a cell."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.encoder = nn.LSTM(5, 7, 2, batch_first=True, bidirectional=True, dropout=0.3)
        self.blocks = nn.ModuleDict({"gru": nn.GRU(14, 6, batch_first=True), "rnn": nn.RNN(6, 6)})
        self.again = self.blocks["gru"]
        self.cell = nn.GRUCell(6, 4)

    def forward(self, words):
        x, (h, _) = self.encoder(self.embed(words))
        x, _ = self.blocks["gru"](x)
        x, _ = self.blocks["rnn"](x.transpose(0, 1))
        return self.cell(x[-1]), h


@pytest.fixture
def tagger():
    return Tagger()


WORDS = torch.arange(33).view(3, 11) % 11


def test_the_model_stays_the_same_object_with_the_same_parameters(tagger, kernel_calls):
    expected_model = copy.deepcopy(tagger)
    parameters, state = list(tagger.parameters()), list(tagger.state_dict())
    assert unrolled.accelerate(tagger) is tagger
    assert all(one is other for one, other in zip(tagger.parameters(), parameters, strict=True))
    assert list(tagger.state_dict()) == state
    assert type(tagger.encoder) is unrolled.LSTM
    assert type(tagger.blocks["gru"]) is unrolled.GRU
    assert type(tagger.blocks["rnn"]) is unrolled.RNN
    assert tagger.again is tagger.blocks["gru"]
    for model in (tagger, expected_model):
        torch.manual_seed(1)
        model.found = tensors_of(model(WORDS))
    assert_close(tagger.found, expected_model.found)
    assert len(kernel_calls) == 6


def test_an_optimizer_goes_on_with_the_parameters_that_it_holds(tagger):
    peer = copy.deepcopy(tagger)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (tagger, peer)]
    unrolled.accelerate(tagger)
    for step in range(3):
        for model, optimizer in zip((tagger, peer), optimizers, strict=True):
            torch.manual_seed(step)
            optimizer.zero_grad()
            model(WORDS)[0].square().sum().backward()
            optimizer.step()
    assert_close(list(tagger.parameters()), list(peer.parameters()))


def test_hooks_and_the_training_flag_stay(tagger):
    seen = []
    tagger.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(type(module)))
    tagger.encoder.eval()
    unrolled.accelerate(tagger)(WORDS)
    assert seen == [unrolled.LSTM]
    assert not tagger.encoder.training
    assert tagger.training


def test_restore_gives_torch_nns_classes_back(tagger):
    expected = copy.deepcopy(tagger).eval()
    restored = unrolled.restore(unrolled.accelerate(tagger)).eval()
    assert restored is tagger
    assert [type(module) for module in restored.modules()] == [type(module) for module in expected.modules()]
    assert_equal(tensors_of(restored(WORDS)), tensors_of(expected(WORDS)))


def test_a_layer_itself_is_a_model(kernel_calls):
    layer = unrolled.accelerate(nn.LSTM(5, 7))
    assert type(layer) is unrolled.LSTM
    layer(torch.randn(9, 3, 5))
    assert len(kernel_calls) == 1
    assert type(unrolled.restore(layer)) is nn.LSTM
