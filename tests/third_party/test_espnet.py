"""espnet: a language model that asks which layer it has wherever it handles a state."""

import pytest
import torch

lm = pytest.importorskip("espnet2.lm.seq_rnn_lm")

N, T = 3, 19


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn_tanh"])
def test_a_sentence_and_a_beam_give_the_same(kind, same_after_accelerate):
    model = lm.SequentialRNNLM(11, unit=8, nhid=8, nlayers=2, dropout_rate=0.2, rnn_type=kind)
    words = torch.arange(N * T).view(N, T) % 10 + 1

    def run(model):
        scores, states = model(words, None)
        beam = [model.zero_state() for _ in range(N)]
        beam_scores, beam = model.batch_score(words, beam, torch.zeros(N, 1, 1))
        next_scores, _ = model.batch_score(words, beam, torch.zeros(N, 1, 1))
        return [scores, states, beam_scores, next_scores]

    same_after_accelerate(model, run)
