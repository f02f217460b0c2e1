"""Decoders, and the loop that runs one until all of its sequences have ended."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.cells.state import map_state
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell
from unrolled.tf1.seq2seq.helper import Helper


class Decoder(abc.ABC):
    """What `dynamic_decode` runs.

        finished, inputs, state = initialize()
        outputs, state, inputs, finished = step(time, inputs, state)

    A decoder of your own may define `finalize(outputs, final_state, sequence_lengths)`, which gives other
    outputs and another state, and set tracks_own_finished if a sequence that has ended may go on.
    """

    tracks_own_finished = False

    @abc.abstractmethod
    def initialize(self, name: str | None = None) -> tuple[Tensor, Any, Any]:
        """Which sequences have ended before the first step, its inputs and its state."""

    @abc.abstractmethod
    def step(
        self, time: int, inputs: Any, state: Any, name: str | None = None
    ) -> tuple[Any, Any, Any, Tensor]:
        """One step."""

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Tensor) -> tuple[Any, Any]:
        """The outputs and the state, when all steps are done."""
        return outputs, final_state


class BasicDecoderOutput(NamedTuple):
    """rnn_output [N, T, O], and what was sampled of it, sample_id [N, T]."""

    rnn_output: Any
    sample_id: Any


class BasicDecoder(Decoder):
    """A cell whose inputs a helper gives, as `tf.contrib.seq2seq` has it.

    Args:
        cell: a cell of `unrolled.tf1`.
        helper: a `Helper`.
        initial_state: of the cell.
        output_layer: what the outputs go through, such as `tf1.Dense`; None for nothing.

    >>> from unrolled.tf1 import Dense, GRUCell
    >>> from unrolled.tf1.seq2seq import GreedyEmbeddingHelper
    >>> helper = GreedyEmbeddingHelper(torch.eye(5), start_tokens=[0, 1], end_token=4)
    >>> decoder = BasicDecoder(GRUCell(3), helper, torch.zeros(2, 3), Dense(5))
    >>> outputs, state, lengths = dynamic_decode(decoder, maximum_iterations=6)
    >>> bool((outputs.rnn_output.argmax(2) == outputs.sample_id).all())
    True
    """

    def __init__(
        self,
        cell: RNNCell,
        helper: Helper,
        initial_state: Any,
        output_layer: nn.Module | Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        check_rnn_cell("cell", cell)
        if not isinstance(helper, Helper):
            raise TypeError(f"BasicDecoder: helper is a {type(helper).__name__}, expected a Helper")
        if output_layer is not None and not callable(output_layer):
            raise TypeError(
                f"BasicDecoder: output_layer is {output_layer!r}, expected a layer such as tf1.Dense"
            )
        self.cell, self.helper, self.output_layer = cell, helper, output_layer
        self._initial_state = initial_state

    @property
    def batch_size(self) -> int:
        """N."""
        return self.helper.batch_size

    def initialize(self, name: str | None = None) -> tuple[Tensor, Any, Any]:
        self.cell.begin_sequence()
        finished, inputs = self.helper.initialize()
        return finished, inputs, self._initial_state

    def step(
        self, time: int, inputs: Any, state: Any, name: str | None = None
    ) -> tuple[BasicDecoderOutput, Any, Any, Tensor]:
        outputs, cell_state = self.cell(inputs, state)
        if self.output_layer is not None:
            outputs = self.output_layer(outputs)
        sample_ids = self.helper.sample(time=time, outputs=outputs, state=cell_state)
        finished, next_inputs, next_state = self.helper.next_inputs(
            time=time, outputs=outputs, state=cell_state, sample_ids=sample_ids
        )
        return BasicDecoderOutput(outputs, sample_ids), next_state, next_inputs, finished


def dynamic_decode(
    decoder: Decoder,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: int | None = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: object = None,
) -> tuple[Any, Any, Tensor]:
    """Run a decoder until all sequences have ended, as `tf.contrib.seq2seq.dynamic_decode`.

    Args:
        decoder: a `Decoder`.
        output_time_major: whether time is the first axis of the outputs.
        impute_finished: whether the outputs of a sequence that has ended are zeros, and its state stays.
        maximum_iterations: the number of steps at most; None for no bound.
        parallel_iterations, swap_memory, scope: taken for TensorFlow's sake.

    Returns:
        The outputs of the steps, [N, T, ...] each; the final state; and the lengths [N]: the steps at which
        the sequences ended.

    Raises:
        TypeError: decoder is not one.

    >>> from unrolled.tf1 import GRUCell
    >>> from unrolled.tf1.seq2seq import TrainingHelper
    >>> decoder = BasicDecoder(GRUCell(3), TrainingHelper(torch.ones(2, 5, 4), [5, 2]), torch.zeros(2, 3))
    >>> outputs, state, lengths = dynamic_decode(decoder, impute_finished=True)
    >>> outputs.rnn_output.shape, lengths.tolist()
    (torch.Size([2, 5, 3]), [5, 2])
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(f"decoder is a {type(decoder).__name__}, expected a Decoder such as BasicDecoder")
    finished, inputs, state = decoder.initialize()
    lengths = torch.zeros_like(finished, dtype=torch.int32)
    steps: list[Any] = []
    while not bool(finished.all()) and (maximum_iterations is None or len(steps) < int(maximum_iterations)):
        time = len(steps)
        outputs, next_state, inputs, ended = decoder.step(time, inputs, state)
        lengths = torch.where(finished, lengths, time + 1).int()
        if impute_finished:
            outputs = map_state(lambda new, ended=finished: _unless(ended, new, 0), outputs)
            next_state = map_state(
                lambda new, old, ended=finished: _unless(ended, new, old), next_state, state
            )
        steps.append(outputs)
        state, finished = next_state, ended if decoder.tracks_own_finished else ended | finished
    if steps:
        stacked = map_state(lambda *parts: torch.stack(parts), *steps)
    else:  # of no steps: one that is thrown away has the shapes
        with torch.no_grad():
            outputs, *_ = decoder.step(0, inputs, state)
        stacked = map_state(lambda part: part.new_zeros(0, *part.shape), outputs)
    found, state = decoder.finalize(stacked, state, lengths)
    return found if output_time_major else map_state(lambda part: part.transpose(0, 1), found), state, lengths


def _unless(finished: Tensor, new: Any, old: Any) -> Any:
    """`new`, but `old` for what has ended, if it is a tensor [N, ...]."""
    if not isinstance(new, Tensor) or new.dim() == 0:
        return new
    return torch.where(finished.view(-1, *[1] * (new.dim() - 1)), old, new)
