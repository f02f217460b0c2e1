"""A Python loop over torch's cells; over this library's own, where torch has no such cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.bench import SHAPES, CellModel, Model, Problem
from unrolled.bench.models import weight_name

CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


class CellLoop(Model):
    """The loop as users write it, without lengths."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.ways = nn.ModuleList()
        for way in problem.cells:
            cells = []
            for like in way:
                cell = CELLS[problem.row.cell](like.input_size, like.output_size)
                cell.load_state_dict(like.state_dict())
                cells.append(cell)
            self.ways.append(nn.ModuleList(cells))

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        for layer in zip(*self.ways, strict=True):
            outputs = []
            for direction, cell in enumerate(layer):
                state, seen = None, []
                for t in range(x.shape[1])[:: -1 if direction else 1]:
                    state = cell(x[:, t], state)
                    seen.append(state[0] if isinstance(state, tuple) else state)
                outputs.append(torch.stack(seen[::-1] if direction else seen, 1))
            x = torch.cat(outputs, 2) if len(outputs) > 1 else outputs[0]
        return x

    def weights(self) -> dict[str, Tensor]:
        return {
            weight_name(name, layer, direction): parameter
            for direction, way in enumerate(self.ways)
            for layer, cell in enumerate(way)
            for name, parameter in cell.named_parameters()
        }


def build(problem: Problem) -> Model | None:
    if problem.lengths is not None:
        return None  # a loop with lengths is nobody's way: packed sequences are
    if problem.row.name in {row.name for row in SHAPES}:
        return None  # models that are there use torch.nn's layers
    return CellLoop(problem) if problem.row.cell in CELLS else CellModel(problem, kind="static")
