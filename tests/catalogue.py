"""Every kind of cell, once: a general test runs over all of them.

No two sizes are equal, and all weights are random and distinct, so that a transposed matrix or two swapped
gates cannot pass for the right ones.
"""

import zlib
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies

from unrolled import (
    Cell,
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
)
from unrolled.cells.state import map_state

N, T, I, H, P, K = 5, 7, 3, 4, 2, 6  # K is the width of a second layer
LENGTHS = [7, 3, 0, 1, 5]

# Used as when evaluating: one input has one result.
FIXED: dict[str, Callable[[], Cell]] = {
    "rnn": lambda: RNNCell(I, H),
    "rnn-relu": lambda: RNNCell(I, H, nonlinearity="relu"),
    "rnn-no-bias": lambda: RNNCell(I, H, bias=False),
    "lstm": lambda: LSTMCell(I, H),
    "lstm-no-bias": lambda: LSTMCell(I, H, bias=False),
    "lstm-forget-bias": lambda: LSTMCell(I, H, forget_bias=1.5),
    "lstm-softsign": lambda: LSTMCell(I, H, activation="softsign"),
    "lstm-peephole": lambda: LSTMCell(I, H, peephole=True),
    "lstm-projection": lambda: LSTMCell(I, H, proj_size=P),
    "lstm-clip": lambda: LSTMCell(I, H, cell_clip=0.3),
    "lstm-projection-clip": lambda: LSTMCell(I, H, proj_size=P, proj_clip=0.2),
    "lstm-norm-gates": lambda: LSTMCell(I, H, layer_norm="gates"),
    "lstm-norm-gates-no-bias": lambda: LSTMCell(I, H, bias=False, layer_norm="gates"),
    "lstm-norm-projections": lambda: LSTMCell(I, H, layer_norm="projections"),
    "lstm-norm-projections-no-bias": lambda: LSTMCell(I, H, bias=False, layer_norm="projections"),
    "lstm-zoneout": lambda: LSTMCell(I, H, zoneout=0.3),
    "lstm-peephole-projection-clips": lambda: LSTMCell(
        I, H, forget_bias=1.0, peephole=True, proj_size=P, cell_clip=0.3, proj_clip=0.2
    ),
    "lstm-norm-peephole-projection-zoneout": lambda: LSTMCell(
        I, H, peephole=True, proj_size=P, layer_norm="gates", recurrent_dropout=0.5, zoneout=0.3
    ),
    "gru-after": lambda: GRUCell(I, H),
    "gru-before": lambda: GRUCell(I, H, reset="before"),
    "gru-before-no-bias": lambda: GRUCell(I, H, bias=False, reset="before"),
    "stack-uniform": lambda: StackedCell([GRUCell(I, H), GRUCell(H, H)]),
    "stack-mixed": lambda: StackedCell([LSTMCell(I, H), GRUCell(H, K), RNNCell(K, P)]),
    "stack-of-stacks": lambda: StackedCell([StackedCell([GRUCell(I, H), LSTMCell(H, K)]), RNNCell(K, P)]),
    "dropout": lambda: DropoutCell(LSTMCell(I, H), input=0.5, output=0.5, state=0.5),
    "residual": lambda: ResidualCell(LSTMCell(I, H, proj_size=I)),
    "residual-of-stack": lambda: ResidualCell(StackedCell([GRUCell(I, H), RNNCell(H, I)])),
    "highway": lambda: HighwayCell(LSTMCell(I, H, proj_size=I)),
    "wrappers": lambda: StackedCell(
        [DropoutCell(HighwayCell(ResidualCell(GRUCell(I, I))), output=0.5), LSTMCell(I, H)]
    ),
}

# Used as when training: what a step drops is drawn at random.
DRAWN: dict[str, Callable[[], Cell]] = {
    "lstm-recurrent-dropout": lambda: LSTMCell(I, H, recurrent_dropout=0.4),
    "lstm-zoneout-drawn": lambda: LSTMCell(I, H, zoneout=0.4),
    "dropout-drawn": lambda: DropoutCell(LSTMCell(I, H), input=0.3, output=0.4, state=0.5),
    "dropout-variational": lambda: DropoutCell(
        StackedCell([LSTMCell(I, H), GRUCell(H, K)]), input=0.3, output=0.4, state=0.5, variational=True
    ),
    "dropout-in-stack": lambda: StackedCell(
        [DropoutCell(GRUCell(I, H), output=0.4, variational=True), DropoutCell(RNNCell(H, K), input=0.4)]
    ),
}

CATALOGUE = FIXED | DRAWN


def make(name: str) -> Cell:
    """The cell of that name in float64, the same at every call."""
    cell = CATALOGUE[name]().double().train(name in DRAWN)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(std=0.7, generator=generator)
    return cell


def draw(*shape: int) -> torch.Tensor:
    """Normal numbers in float64."""
    return torch.randn(*shape, dtype=torch.float64)


def draw_state(cell: Cell, batch_size: int = N) -> Any:
    """A state for `cell` that is not zero."""
    return map_state(lambda size: draw(batch_size, size), cell.state_size)


def parts(state: Any) -> list[torch.Tensor]:
    """The tensors of a state, in order."""
    tensors: list[torch.Tensor] = []
    map_state(tensors.append, state)
    return tensors


def seeded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `function` with fixed random numbers: two such calls drop the same units."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return function(*args, **kwargs)


# T and N lengths, as hypothesis draws them.
ragged = strategies.integers(1, 6).flatmap(
    lambda time: strategies.tuples(
        strategies.just(time), strategies.lists(strategies.integers(0, time), min_size=1, max_size=5)
    )
)
