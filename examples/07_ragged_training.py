"""A training loop written by hand, on sequences of different lengths: torch.nn's layer, one line changed."""

import time

import torch
from torch import nn

import unrolled

torch.manual_seed(0)
layer = unrolled.LSTM(2, 32, batch_first=True)  # torch.nn.LSTM: the same options, weights and state_dict
head = nn.Linear(32, 1)
optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.01)


def problem(count):
    """Two numbers are marked in each sequence, whatever its length: what is their sum?"""
    lengths = torch.randint(5, 21, (count,))
    x = torch.zeros(count, int(lengths.max()), 2)
    for row, length in enumerate(lengths.tolist()):
        x[row, :length, 0] = torch.rand(length)
        x[row, torch.randperm(length)[:2], 1] = 1.0
    return x, lengths, (x[..., 0] * x[..., 1]).sum(dim=1, keepdim=True)


def loss_of(x, lengths, sums):
    # Lengths in any order; nothing to sort, to pack or to pad again, and h_n is each sequence's own end.
    _outputs, (h_n, _c_n) = layer(x, lengths=lengths)
    return nn.functional.mse_loss(head(h_n[-1]), sums)


test = problem(500)
start = time.perf_counter()
for step in range(1, 401):
    loss = loss_of(*problem(32))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        with torch.no_grad():
            print(f"step {step}, test loss {loss_of(*test):.4f}, {time.perf_counter() - start:.1f} s")

with torch.no_grad():
    variance = test[2].var()
    print(f"who always says the mean: {variance:.4f}")
    assert loss_of(*test) < variance
