"""A language model of letters: two LSTMs read a text, with a state from batch to batch, and then write."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from unrolled import tf1


class Letters(nn.Module):
    """With `tf.` before most names this is how the programs of 2016 were written."""

    def __init__(self, letters, width):
        super().__init__()
        self.cell = tf1.MultiRNNCell([tf1.BasicLSTMCell(width, forget_bias=0.0) for _ in range(2)])
        self.embedding = nn.Parameter(tf1.glorot_uniform()([letters, width]))
        self.softmax_w = nn.Parameter(tf1.glorot_uniform()([width, letters]))
        self.softmax_b = nn.Parameter(tf1.zeros([letters]))
        self.scope = tf1.VariableScope()

    def forward(self, ids, state):
        """The logits [N, T, letters] after each of the letters `ids` [N, T], and the state after the last."""
        steps = self.embedding[ids].unbind(1)
        outputs, state = tf1.legacy_seq2seq.rnn_decoder(steps, state, self.cell, scope=self.scope)
        return torch.stack(outputs, 1) @ self.softmax_w + self.softmax_b, state


def detached(state):
    """The same state, to begin with: gradients go no further back than a batch."""
    return tuple(tf1.LSTMStateTuple(layer.c.detach(), layer.h.detach()) for layer in state)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=Path(__file__), help="by default this program")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20, help="letters in a row")
    parser.add_argument("--rows", type=int, default=8, help="of a batch")
    options = parser.parse_args()

    text = options.text.read_text(encoding="utf-8")
    alphabet = sorted(set(text))
    letters = torch.tensor([alphabet.index(letter) for letter in text])
    in_a_row = (len(letters) - 1) // (options.rows * options.steps) * options.steps
    xs, ys = (part[: options.rows * in_a_row].reshape(options.rows, -1) for part in (letters, letters[1:]))

    tf1.set_random_seed(1)
    model = Letters(len(alphabet), 64)
    optimizer = tf1.Adam(model, 0.01)
    for epoch in range(options.epochs):
        state, losses = model.cell.zero_state(options.rows, torch.float32), []
        for x, y in zip(xs.split(options.steps, 1), ys.split(options.steps, 1), strict=True):
            logits, state = model(x, detached(state))
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: {np.mean(losses):.3f} nats a letter")

    with torch.no_grad():
        written = text[:20]
        logits, state = model(letters[None, :20], model.cell.zero_state(1, torch.float32))
        for _ in range(60):
            letter = logits[:, -1].argmax(1, keepdim=True)
            written += alphabet[letter.item()]
            logits, state = model(letter, state)
    print(written)


if __name__ == "__main__":
    main()
