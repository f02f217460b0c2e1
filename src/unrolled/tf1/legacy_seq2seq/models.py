"""Encoder and decoder as one function."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.tf1.holder import as_dtype
from unrolled.tf1.legacy_seq2seq.attention import embedding_attention_decoder
from unrolled.tf1.legacy_seq2seq.decoders import (
    LoopFunction,
    Projection,
    embedded,
    embedding_of,
    embedding_rnn_decoder,
    fed_back,
    rnn_decoder,
)
from unrolled.tf1.rnn.cell import RNNCell
from unrolled.tf1.rnn.contrib.projections import EmbeddingWrapper, OutputProjectionWrapper
from unrolled.tf1.rnn.loops import static_rnn
from unrolled.tf1.rnn.variable_scope import VariableScope, check_scope


def basic_rnn_seq2seq(
    encoder_inputs: Sequence[Tensor],
    decoder_inputs: Sequence[Tensor],
    cell: RNNCell,
    dtype: Any = torch.float32,
    scope: VariableScope | None = None,
) -> tuple[list[Tensor], Any]:
    """A decoder that goes on from the final state of an encoder: two cells alike, each with its own weights.

    Args:
        encoder_inputs, decoder_inputs: lists of steps [N, I].
        cell: the decoder's; the encoder has a copy of it.
        dtype: of the encoder's zero state.
        scope: a `tf1.VariableScope`, which gets both cells.

    Returns:
        A list of the decoder's outputs [N, O] and its final state.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> steps, scope = [torch.ones(2, 4)] * 3, VariableScope()
    >>> outputs, state = basic_rnn_seq2seq(steps, steps[:2], GRUCell(3), scope=scope)
    >>> [name for name in scope.variables if name.endswith("gates/bias")]
    ['rnn/gru_cell/gates/bias', 'rnn_decoder/gru_cell/gates/bias']
    """
    scope = check_scope("basic_rnn_seq2seq", scope)
    encoder = scope.keep("rnn", cell, copy.deepcopy)
    _, state = static_rnn(encoder, encoder_inputs, dtype=dtype)
    return rnn_decoder(decoder_inputs, state, cell, scope=scope.child("rnn_decoder"))


def tied_rnn_seq2seq(
    encoder_inputs: Sequence[Tensor],
    decoder_inputs: Sequence[Tensor],
    cell: RNNCell,
    loop_function: LoopFunction = None,
    dtype: Any = torch.float32,
    scope: VariableScope | None = None,
) -> tuple[list[Tensor], Any]:
    """`basic_rnn_seq2seq` with one cell for both, and with `rnn_decoder`'s loop_function.

    >>> from unrolled.tf1 import GRUCell
    >>> steps = [torch.ones(2, 4)] * 3
    >>> outputs, state = tied_rnn_seq2seq(steps, steps[:2], GRUCell(3))
    >>> len(outputs)
    2
    """
    if scope is not None:
        check_scope("tied_rnn_seq2seq", scope).child("tied_rnn_seq2seq").keep("", cell)
    _, state = static_rnn(cell, encoder_inputs, dtype=dtype)
    return rnn_decoder(decoder_inputs, state, cell, loop_function)


def embedding_rnn_seq2seq(
    encoder_inputs: Sequence[Tensor],
    decoder_inputs: Sequence[Tensor],
    cell: RNNCell,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Projection = None,
    feed_previous: Any = False,
    dtype: Any = torch.float32,
    scope: VariableScope | None = None,
) -> tuple[list[Tensor], Any]:
    """`basic_rnn_seq2seq` on the vectors of symbols.

    Args:
        encoder_inputs, decoder_inputs: lists of steps [N] of whole numbers.
        cell: the decoder's; the encoder has a copy of it.
        num_encoder_symbols, num_decoder_symbols, embedding_size: how many symbols there are, and how wide
            their vectors.
        output_projection: as `embedding_rnn_decoder` has it; with None the outputs are projected to the
            decoder's symbols.
        feed_previous: whether a step sees the symbol that the last output names: True, False, or a tensor of
            one of them, with which gradients do not go to the vectors of such symbols.
        dtype: of the encoder's zero state and the embeddings.
        scope: a `tf1.VariableScope`, which gets everything.

    Returns:
        A list of the decoder's outputs and its final state.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> symbols, scope = torch.tensor([[1, 2], [0, 3]]).unbind(1), VariableScope()
    >>> outputs, state = embedding_rnn_seq2seq(symbols, symbols, GRUCell(3), 7, 5, 4, scope=scope)
    >>> outputs[0].shape, state.shape
    (torch.Size([2, 5]), torch.Size([2, 3]))
    """
    scope = check_scope("embedding_rnn_seq2seq", scope)
    encoder = scope.keep("rnn", cell, _reader(num_encoder_symbols, embedding_size))
    _, state = static_rnn(encoder, encoder_inputs, dtype=dtype)
    inside = scope.child("embedding_rnn_decoder")
    if output_projection is None:
        cell = _projected(inside.child("rnn_decoder"), cell, num_decoder_symbols)
    return embedding_rnn_decoder(
        decoder_inputs,
        state,
        cell,
        num_decoder_symbols,
        embedding_size,
        output_projection,
        bool(feed_previous),
        update_embedding_for_previous=not isinstance(feed_previous, Tensor),
        scope=inside,
    )


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Sequence[Tensor],
    decoder_inputs: Sequence[Tensor],
    cell: RNNCell,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Projection = None,
    feed_previous: Any = False,
    dtype: Any = torch.float32,
    scope: VariableScope | None = None,
) -> tuple[list[Tensor], Any]:
    """`embedding_rnn_seq2seq` with one cell and one embedding for both.

    Args are those of `embedding_rnn_seq2seq`; num_decoder_symbols is the width of the projection if it is not
    num_symbols.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> symbols, scope = torch.tensor([[1, 2], [0, 3]]).unbind(1), VariableScope()
    >>> outputs, _ = embedding_tied_rnn_seq2seq(symbols, symbols, GRUCell(3), 7, 4, scope=scope)
    >>> list(scope.variables)[0], outputs[0].shape
    ('embedding', torch.Size([2, 7]))
    """
    scope = check_scope("embedding_tied_rnn_seq2seq", scope)
    like = torch.empty(0, dtype=as_dtype(dtype), device=torch.as_tensor(encoder_inputs[0]).device)
    embedding = embedding_of(scope, num_symbols, embedding_size, like)
    combined = scope.child("combined_tied_rnn_seq2seq")
    if output_projection is None:
        cell = _projected(combined.child("tied_rnn_seq2seq"), cell, num_decoder_symbols or num_symbols)
    loop_function = None
    if feed_previous:
        loop_function = fed_back(embedding, output_projection, not isinstance(feed_previous, Tensor))
    return tied_rnn_seq2seq(
        [embedded(embedding, ids) for ids in encoder_inputs],
        [embedded(embedding, ids) for ids in decoder_inputs],
        cell,
        loop_function,
        dtype,
        combined,
    )


def embedding_attention_seq2seq(
    encoder_inputs: Sequence[Tensor],
    decoder_inputs: Sequence[Tensor],
    cell: RNNCell,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Projection = None,
    feed_previous: Any = False,
    dtype: Any = torch.float32,
    scope: VariableScope | None = None,
    initial_state_attention: bool = False,
) -> tuple[list[Tensor], Any]:
    """`embedding_rnn_seq2seq` whose decoder attends to the encoder's outputs.

    Args are those of `embedding_rnn_seq2seq` and of `attention_decoder`. Without output_projection the cell
    is projected to the symbols, and what comes of it and the attention is projected once more.

    >>> from unrolled.tf1 import GRUCell, VariableScope
    >>> symbols, scope = torch.tensor([[1, 2], [0, 3]]).unbind(1), VariableScope()
    >>> outputs, state = embedding_attention_seq2seq(symbols, symbols, GRUCell(3), 7, 5, 4, scope=scope)
    >>> outputs[0].shape, state.shape
    (torch.Size([2, 5]), torch.Size([2, 3]))
    """
    scope = check_scope("embedding_attention_seq2seq", scope)
    encoder = scope.keep("rnn", cell, _reader(num_encoder_symbols, embedding_size))
    outputs, state = static_rnn(encoder, encoder_inputs, dtype=dtype)
    inside = scope.child("embedding_attention_decoder")
    if output_projection is None:
        cell = _projected(inside.child("attention_decoder"), cell, num_decoder_symbols)
    return embedding_attention_decoder(
        decoder_inputs,
        state,
        torch.stack(outputs, 1),
        cell,
        num_decoder_symbols,
        embedding_size,
        num_heads,
        num_decoder_symbols if output_projection is None else None,
        output_projection,
        bool(feed_previous),
        update_embedding_for_previous=not isinstance(feed_previous, Tensor),
        scope=inside,
        initial_state_attention=initial_state_attention,
    )


def _reader(num_symbols: int, embedding_size: int) -> Callable[[RNNCell], RNNCell]:
    """What makes an encoder of symbols of a cell."""
    return lambda cell: EmbeddingWrapper(copy.deepcopy(cell), num_symbols, embedding_size)


def _projected(scope: VariableScope, cell: RNNCell, num_symbols: int) -> RNNCell:
    """The cell with its outputs projected to symbols."""
    kept: RNNCell = scope.keep("", cell, lambda cell: OutputProjectionWrapper(cell, num_symbols))
    return kept
