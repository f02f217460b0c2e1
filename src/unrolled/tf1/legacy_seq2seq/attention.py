"""Decoders that attend to the outputs of an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.cells.state import map_state
from unrolled.errors import check_count
from unrolled.tf1.legacy_seq2seq.decoders import LoopFunction, Projection, embedded, embedding_of, fed_back
from unrolled.tf1.replay.initializers import zeros
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell, first_part
from unrolled.tf1.rnn.contrib.named import linear
from unrolled.tf1.rnn.variable_scope import VariableScope, check_scope


def attention_decoder(
    decoder_inputs: Iterable[Tensor],
    initial_state: Any,
    attention_states: Tensor,
    cell: RNNCell,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: LoopFunction = None,
    dtype: Any = None,
    scope: VariableScope | None = None,
    initial_state_attention: bool = False,
) -> tuple[list[Tensor], Any]:
    r"""`rnn_decoder` with attention, for each head k of its own.

        e_kt  = AttnV_k · tanh(a_t AttnW_k + s Attention_k/kernel + Attention_k/bias)
        d_k   = Σ_t softmax_t(e_kt) a_t
        y, s  = cell([x, d_0, d_1, ...] kernel + bias, s)
        output = [y, d_0, d_1, ...] AttnOutputProjection/kernel + AttnOutputProjection/bias

    Symbols: x [N, I] a step; a_t [N, A] the attention states; s the state, its parts side by side. The d of
    the third line are those of the state before the step, of the fourth those of the state after it; before
    the first step they are zero, or with initial_state_attention those of initial_state.

    Args:
        decoder_inputs, initial_state, cell, loop_function: as `rnn_decoder` has them.
        attention_states: [N, T, A], all T of which are attended to.
        output_size: how wide the outputs are; None for the cell's.
        num_heads: how many heads there are.
        dtype: taken for TensorFlow's sake.
        scope: a `tf1.VariableScope`, which gets the variables and the cell.
        initial_state_attention: whether the first step has attended to something.

    Returns:
        A list of outputs [N, output_size] and the final state.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> outputs, state = attention_decoder(
    ...     [torch.ones(2, 4)] * 3, torch.zeros(2, 3), torch.ones(2, 5, 6), GRUCell(3), scope=VariableScope()
    ... )
    >>> len(outputs), outputs[0].shape
    (3, torch.Size([2, 3]))

    Reference: Vinyals et al. 2014, Grammar as a foreign language, arXiv:1412.7449, section 2.1.
    """
    scope = check_scope("attention_decoder", scope)
    check_rnn_cell("cell", cell)
    heads = check_count("attention_decoder: num_heads", num_heads)
    if attention_states.dim() != 3:
        raise ValueError(
            f"attention_decoder: attention_states has shape {list(attention_states.shape)}, "
            "expected [N, T, A]"
        )
    scope.keep("", cell)
    cell.begin_sequence()
    width = attention_states.shape[2]
    like: Any = {"dtype": attention_states.dtype, "device": attention_states.device}
    keys = [
        attention_states @ scope.get_variable(f"AttnW_{k}", (1, 1, width, width), **like)[0, 0]
        for k in range(heads)
    ]
    scores = [scope.get_variable(f"AttnV_{k}", (width,), **like) for k in range(heads)]

    def projected(prefix: str, size: int, *values: Tensor) -> Tensor:
        rows = sum(value.shape[1] for value in values)
        kernel = scope.get_variable(f"{prefix}kernel", (rows, size), **like)
        return linear(kernel, scope.get_variable(f"{prefix}bias", (size,), zeros, **like), *values)

    def attend(state: Any) -> list[Tensor]:
        seen: list[Tensor] = []
        map_state(seen.append, state)
        found = []
        for k in range(heads):
            query = projected(f"Attention_{k}/", width, *seen)
            weights = torch.softmax(torch.tanh(keys[k] + query.unsqueeze(1)) @ scores[k], dim=1)
            found.append((weights.unsqueeze(2) * attention_states).sum(1))
        return found

    state = initial_state
    outputs: list[Tensor] = []
    attended = [attention_states.new_zeros(attention_states.shape[0], width) for _ in range(heads)]
    if initial_state_attention:
        attended = attend(initial_state)
    for number, step in enumerate(decoder_inputs):
        if loop_function is not None and outputs:
            step = loop_function(outputs[-1], number)
        output, state = cell(projected("", step.shape[1], step, *attended), state)
        attended = attend(state)
        size = output_size or cell.output_size
        outputs.append(projected("AttnOutputProjection/", size, output, *attended))
    if not outputs:
        raise ValueError("attention_decoder: decoder_inputs is empty, expected at least one step [N, I]")
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs: Sequence[Tensor],
    initial_state: Any,
    attention_states: Tensor,
    cell: RNNCell,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Projection = None,
    feed_previous: Any = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: VariableScope | None = None,
    initial_state_attention: bool = False,
) -> tuple[list[Tensor], Any]:
    """`attention_decoder` on the vectors of symbols: its arguments, and those of `embedding_rnn_decoder`.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> symbols, scope = torch.tensor([[1, 2], [0, 3]]).unbind(1), VariableScope()
    >>> outputs, _ = embedding_attention_decoder(
    ...     symbols, torch.zeros(2, 3), torch.ones(2, 5, 6), GRUCell(3), 7, 4, scope=scope
    ... )
    >>> list(scope.variables)[0], outputs[0].shape
    ('embedding', torch.Size([2, 3]))
    """
    scope = check_scope("embedding_attention_decoder", scope)
    embedding = embedding_of(scope, num_symbols, embedding_size, first_part(initial_state))
    loop_function = None
    if feed_previous:
        loop_function = fed_back(embedding, output_projection, update_embedding_for_previous)
    return attention_decoder(
        (embedded(embedding, ids) for ids in decoder_inputs),
        initial_state,
        attention_states,
        cell,
        output_size,
        num_heads,
        loop_function,
        scope=scope.child("attention_decoder"),
        initial_state_attention=initial_state_attention,
    )
