"""torch.compile (Inductor) of the loop over cells. Compiling takes from half a minute to minutes a row."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.peers import cell_loop
from unrolled.bench import Model, Problem

MOST_STEPS = 28  # times layers and directions: a graph of more copies of a cell compiles for minutes


class CompiledLoop(Model):
    def __init__(self, loop: Model) -> None:
        super().__init__()
        self.loop = loop
        self._run = torch.compile(loop)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        outputs: Tensor = self._run(x, lengths)
        return outputs

    def weights(self) -> dict[str, Tensor]:
        return self.loop.weights()


def build(problem: Problem) -> Model | None:
    copies = problem.row.T * len(problem.row.H) * len(problem.cells)
    loop = cell_loop.build(problem)
    if loop is None or copies > MOST_STEPS:
        return None
    torch._dynamo.reset()  # each row compiles anew, and does not count as a recompilation of the last
    return CompiledLoop(loop)
