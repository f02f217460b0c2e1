"""What a row computes on: inputs, lengths, targets and weights, drawn anew but the same every time."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.bench.rows import CELLS, Row
from unrolled.cells import Cell


class Problem(NamedTuple):
    """A row and its numbers: x [N, T, I], lengths [N] or None, target [N, O], cells[direction][layer]."""

    row: Row
    x: Tensor
    lengths: Tensor | None
    target: Tensor
    cells: tuple[tuple[Cell, ...], ...]

    def last(self, outputs: Tensor) -> Tensor:
        """The last output of each sequence [N, O], out of `outputs` [N, T, O]: what the loss sees."""
        if self.lengths is None:
            return outputs[:, -1]
        return outputs[torch.arange(len(outputs)), self.lengths - 1]


def draw(row: Row) -> Problem:
    """The problem of a row."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        directions = 2 if row.bidirectional else 1
        cells: list[list[Cell]] = [[] for _ in range(directions)]
        for way in cells:
            width = row.I
            for hidden_size in row.H:
                way.append(CELLS[row.cell](width, hidden_size))
                _damp_norms(way[-1])
                width = directions * way[-1].output_size
        x = torch.randn(row.N, row.T, row.I)
        lengths = None
        if row.ragged:
            lengths = torch.randint(1, row.T + 1, (row.N,))
            lengths[0] = row.T
        # Targets that cannot be learnt: a gradient that dies out becomes denormal, and slows every Adam.
        target = 2 * torch.rand(row.N, width) - 1
    return Problem(row, x, lengths, target, tuple(map(tuple, cells)))


def _damp_norms(cell: Cell) -> None:
    """Scales below 1, each its own: from 1, a layer norm makes the recurrence chaotic, and what float32
    rounds away grows with every step, whoever computes it.
    """
    for name, parameter in cell.named_parameters():
        if name.startswith("norm_") and name.endswith(".weight"):
            nn.init.uniform_(parameter, 0.2, 0.6)


def gflop(problem: Problem, work: str) -> float:
    """The floating-point operations of the matrix products of one step, in 1e9; padding does not count.

    Training also has one product as large for the gradient of every matrix, and one for the gradient of
    what it multiplies, except of x.
    """
    row = problem.row
    steps = row.N * row.T if problem.lengths is None else int(problem.lengths.sum())
    products = 0
    for way in problem.cells:
        for layer, cell in enumerate(way):
            sizes = {name: p.numel() for name, p in cell.named_parameters() if p.dim() == 2}
            forward = sum(sizes.values())
            to_x = sizes["weight_ih"] if layer == 0 else 0
            products += forward if work == "infer" else 3 * forward - to_x
    return 2e-9 * steps * products
