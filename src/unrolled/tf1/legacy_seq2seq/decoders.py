"""Decoders that are a loop over a list: plain, and from the vectors of symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell, first_part
from unrolled.tf1.rnn.contrib.projections import check_ids
from unrolled.tf1.rnn.variable_scope import VariableScope, check_scope

LoopFunction: TypeAlias = "Callable[[Tensor, int], Tensor] | None"
Projection: TypeAlias = "tuple[Tensor, Tensor] | None"  # W [O, symbols] and b [symbols]


def rnn_decoder(
    decoder_inputs: Iterable[Tensor],
    initial_state: Any,
    cell: RNNCell,
    loop_function: LoopFunction = None,
    scope: VariableScope | None = None,
) -> tuple[list[Tensor], Any]:
    """Apply a cell to a list of inputs, or from the second on to what a function makes of its last output.

    Args:
        decoder_inputs: steps [N, I].
        initial_state: as `cell.state_size` is nested.
        cell: a cell of `unrolled.tf1`.
        loop_function: given the last output and the number of the step, the input of that step; None for the
            inputs as they are.
        scope: a `tf1.VariableScope` that is to hold the cell, or None.

    Returns:
        A list of outputs [N, O] and the final state.

    >>> from unrolled.tf1 import GRUCell
    >>> cell, steps = GRUCell(3), [torch.ones(2, 3)] * 4
    >>> outputs, state = rnn_decoder(steps, torch.zeros(2, 3), cell, lambda output, i: output)
    >>> len(outputs), bool((outputs[-1] == state).all())
    (4, True)
    """
    check_rnn_cell("cell", cell)
    if scope is not None:
        check_scope("rnn_decoder", scope).keep("", cell)
    cell.begin_sequence()
    state = initial_state
    outputs: list[Tensor] = []
    for number, step in enumerate(decoder_inputs):
        if loop_function is not None and outputs:
            step = loop_function(outputs[-1], number)
        output, state = cell(step, state)
        outputs.append(output)
    return outputs, state


def embedding_rnn_decoder(
    decoder_inputs: Sequence[Tensor],
    initial_state: Any,
    cell: RNNCell,
    num_symbols: int,
    embedding_size: int,
    output_projection: Projection = None,
    feed_previous: Any = False,
    update_embedding_for_previous: bool = True,
    scope: VariableScope | None = None,
) -> tuple[list[Tensor], Any]:
    """`rnn_decoder` on the vectors of symbols, those of the list or those that the outputs name.

    Args:
        decoder_inputs: steps [N] of whole numbers below num_symbols.
        initial_state, cell: as `rnn_decoder` has them.
        num_symbols, embedding_size: how many symbols there are, and how wide their vectors.
        output_projection: W [O, num_symbols] and b [num_symbols], through which an output names a symbol;
            None if it is as wide as there are symbols.
        feed_previous: whether a step sees the symbol that the last output names, and not the list's.
        update_embedding_for_previous: whether gradients go to the vectors of such symbols.
        scope: a `tf1.VariableScope`, which gets the variable embedding.

    Returns:
        A list of outputs [N, O] and the final state.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> symbols, cell = torch.tensor([[1, 2], [0, 3]]).unbind(1), GRUCell(3)
    >>> outputs, _ = embedding_rnn_decoder(symbols, torch.zeros(2, 3), cell, 7, 4, scope=VariableScope())
    >>> outputs[0].shape
    torch.Size([2, 3])
    """
    scope = check_scope("embedding_rnn_decoder", scope)
    embedding = embedding_of(scope, num_symbols, embedding_size, first_part(initial_state))
    loop_function = None
    if feed_previous:
        loop_function = fed_back(embedding, output_projection, update_embedding_for_previous)
    steps = (embedded(embedding, ids) for ids in decoder_inputs)
    return rnn_decoder(steps, initial_state, cell, loop_function, scope.child("rnn_decoder"))


def embedding_of(scope: VariableScope, num_symbols: int, embedding_size: int, like: Tensor) -> Tensor:
    """The variable "embedding" of a scope."""
    return scope.get_variable(
        "embedding", (num_symbols, embedding_size), dtype=like.dtype, device=like.device
    )


def embedded(embedding: Tensor, ids: Tensor) -> Tensor:
    """The vectors of symbols [N]."""
    ids = torch.as_tensor(ids, device=embedding.device)
    check_ids("symbols", ids, embedding.shape[0])
    return F.embedding(ids, embedding)


def fed_back(
    embedding: Tensor, projection: Projection, update_embedding: bool
) -> Callable[[Tensor, int], Tensor]:
    """The loop function that gives the vector of the symbol which an output names."""

    def loop_function(output: Tensor, _: int) -> Tensor:
        logits = output if projection is None else output @ projection[0] + projection[1]
        vectors = F.embedding(logits.argmax(1), embedding)
        return vectors if update_embedding else vectors.detach()

    return loop_function
