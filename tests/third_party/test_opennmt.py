"""OpenNMT-py: an encoder, and a decoder that unpacks its state for a GRU alone."""

import pytest
import torch
from torch import nn

decoder = pytest.importorskip("onmt.decoders.decoder")
encoder = pytest.importorskip("onmt.encoders.rnn_encoder")
embeddings = pytest.importorskip("onmt.modules.embeddings")

N, T, S, H = 3, 17, 21, 8


class Translator(nn.Module):
    def __init__(self, kind):
        super().__init__()
        source, target = (embeddings.Embeddings(6, 11, word_padding_idx=0) for _ in range(2))
        self.encoder = encoder.RNNEncoder(kind, True, 2, H, embeddings=source)
        for each in (source, target):  # theirs are left as memory came, for a checkpoint to fill
            nn.init.normal_(each.word_lut.weight)
        self.decoder = decoder.StdRNNDecoder(kind, True, 2, H, attn_type="general", embeddings=target)

    def forward(self, source, lengths, target):
        encoded, states, lengths = self.encoder(source, lengths)
        self.decoder.init_state(source, encoded, states)
        outputs, attention = self.decoder(target, encoded, src_len=lengths)
        return [encoded, states, outputs, torch.as_tensor(attention["std"])]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_translator_gives_the_same(kind, same_after_accelerate):
    model = Translator(kind)
    source = (torch.arange(N * S) % 10 + 1).view(N, S, 1)
    target = (torch.arange(N * T) % 9 + 1).view(N, T, 1)
    same_after_accelerate(model, lambda model: model(source, torch.tensor([S, 9, 4]), target))
