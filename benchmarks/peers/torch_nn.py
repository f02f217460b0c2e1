"""torch.nn.LSTM, GRU and RNN; packed sequences where lengths differ."""

from __future__ import annotations

from unrolled.bench import Model, Problem, TorchModel


def build(problem: Problem) -> Model | None:
    return TorchModel(problem) if TorchModel.has(problem.row.cell) else None
