"""What a cell does at each step: the gates of an LSTM, printed and drawn."""

from pathlib import Path

import matplotlib
import torch

import unrolled

matplotlib.use("Agg")
from matplotlib import pyplot

torch.manual_seed(0)
cell = unrolled.LSTMCell(1, 4, forget_bias=1.0)
x = torch.zeros(1, 20, 1)
x[0, [4, 12]] = torch.tensor([[3.0], [-3.0]])  # silence, but for two beats

with torch.no_grad():
    outputs, state, states, gates = unrolled.dynamic_unroll(cell, x, return_states=True, return_gates=True)
# c' = f * c + i * g and h = o * tanh(c'): each number can be checked.
before = torch.cat([torch.zeros(1, 1, 4), states.c[:, :-1]], dim=1)
assert torch.allclose(gates.f * before + gates.i * gates.g, states.c, atol=1e-6)
assert torch.allclose(gates.o * states.c.tanh(), outputs, atol=1e-6)

print("unit 0   x      i      f      g      o      c      h")
for t in range(20):
    numbers = (x[0, t, 0], *(part[0, t, 0] for part in (*gates, states.c, outputs)))
    print(f"step {t:2}", *(f"{number:6.2f}" for number in numbers))

panels = {"input gate i": gates.i, "forget gate f": gates.f, "candidate g": gates.g, "output gate o": gates.o}
panels |= {"cell state c": states.c, "hidden state h": outputs}
figure, axes = pyplot.subplots(len(panels), sharex=True, figsize=(7, 8), layout="constrained")
for place, (name, values) in zip(axes, panels.items(), strict=True):
    drawn = place.imshow(values[0].T, aspect="auto", cmap="PuOr", vmin=-1, vmax=1)
    place.set(ylabel="unit", title=name, yticks=range(4))
axes[-1].set(xlabel="step", xticks=range(0, 20, 4))
figure.colorbar(drawn, ax=axes)
figure.savefig("gates.png")
print(f"drawn: {Path('gates.png').absolute()}")
