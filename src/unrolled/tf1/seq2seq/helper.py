"""What a decoder sees at its next step, and when a sequence has ended."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells.state import map_state
from unrolled.tf1.rnn.cell import first_part
from unrolled.tf1.rnn.contrib.projections import check_ids
from unrolled.tf1.rnn.loops import Lengths

Embedding = Tensor | Callable[[Tensor], Tensor]


class Helper(abc.ABC):
    """What gives a `BasicDecoder` its inputs, and takes samples of its outputs.

        finished, inputs = initialize()
        sample_ids = sample(time, outputs, state)
        finished, inputs, state = next_inputs(time, outputs, state, sample_ids)

    Symbols: finished [N] booleans; inputs [N, ...]; outputs [N, O]; sample_ids [N, ...].
    """

    sample_ids_shape: Sequence[int] = ()
    sample_ids_dtype: Any = torch.int32

    @property
    @abc.abstractmethod
    def batch_size(self) -> int:
        """N."""

    @abc.abstractmethod
    def initialize(self, name: str | None = None) -> tuple[Tensor, Any]:
        """Which sequences have ended before the first step, and its inputs."""

    @abc.abstractmethod
    def sample(self, time: int, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What is taken of the outputs of a step."""

    @abc.abstractmethod
    def next_inputs(
        self, time: int, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Tensor, Any, Any]:
        """Which sequences have ended with a step, the next inputs and the next state."""


class TrainingHelper(Helper):
    """The inputs are given, as when training; a sequence ends at its length.

    Args:
        inputs: [N, T, I], or a tuple of such.
        sequence_length: [N] lengths from 0 to T.
        time_major: whether time is the first axis of inputs.
        name: taken for TensorFlow's sake.

    >>> helper = TrainingHelper(torch.ones(2, 3, 4), [3, 0])
    >>> finished, inputs = helper.initialize()
    >>> finished.tolist(), inputs.shape
    ([False, True], torch.Size([2, 4]))
    """

    def __init__(
        self, inputs: Any, sequence_length: Lengths, time_major: bool = False, name: str | None = None
    ) -> None:
        self.inputs = inputs
        steps = inputs if time_major else map_state(lambda part: part.transpose(0, 1), inputs)
        first = first_part(steps)
        self.sequence_length = torch.as_tensor(sequence_length, device=first.device).long()
        time, batch_size = first.shape[:2]
        lengths = self.sequence_length
        if lengths.shape != (batch_size,) or (
            batch_size and not 0 <= int(lengths.min()) <= int(lengths.max()) <= time
        ):
            raise ValueError(
                f"TrainingHelper: sequence_length is {lengths.tolist()}, expected {batch_size} lengths "
                f"from 0 to {time}, as inputs have"
            )
        self._steps, self._time = steps, time

    @property
    def batch_size(self) -> int:
        return len(self.sequence_length)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Any]:
        return self.sequence_length == 0, self._inputs_at(0)

    def sample(self, time: int, outputs: Any, state: Any = None, name: str | None = None) -> Tensor:
        return _largest(outputs)

    def next_inputs(
        self, time: int, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> tuple[Tensor, Any, Any]:
        return time + 1 >= self.sequence_length, self._inputs_at(time + 1), state

    def _inputs_at(self, time: int) -> Any:
        """A step, zeros when all sequences have ended."""
        if time >= self._time or bool((time >= self.sequence_length).all()):
            return map_state(lambda part: part.new_zeros(part.shape[1:]), self._steps)
        return map_state(lambda part: part[time], self._steps)


class GreedyEmbeddingHelper(Helper):
    """The inputs are the vectors of the last outputs' largest entries; a sequence ends with an end token.

    Args:
        embedding: [symbols, E], or a function of whole numbers [N].
        start_tokens: [N] whole numbers.
        end_token: a whole number.

    >>> helper = GreedyEmbeddingHelper(torch.eye(4), start_tokens=[1, 2], end_token=3)
    >>> helper.sample(0, torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 2]]), None).tolist()
    [1, 3]
    """

    def __init__(self, embedding: Embedding, start_tokens: Any, end_token: int) -> None:
        self._embedding = embedding
        device = embedding.device if isinstance(embedding, Tensor) else None
        self._start_tokens = torch.as_tensor(start_tokens, device=device)
        if self._start_tokens.dim() != 1:
            raise ValueError(
                f"{type(self).__name__}: start_tokens has shape {list(self._start_tokens.shape)}, "
                "expected [N]"
            )
        if torch.as_tensor(end_token).dim():
            raise ValueError(f"{type(self).__name__}: end_token is {end_token!r}, expected one whole number")
        self._end_token = int(end_token)
        if isinstance(embedding, Tensor):
            check_ids(f"{type(self).__name__}: start_tokens", self._start_tokens, len(embedding))
        self._start_inputs = self._embed(self._start_tokens)

    def _embed(self, ids: Tensor) -> Tensor:
        return (
            F.embedding(ids, self._embedding) if isinstance(self._embedding, Tensor) else self._embedding(ids)
        )

    @property
    def batch_size(self) -> int:
        return len(self._start_tokens)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self._start_tokens, dtype=torch.bool), self._start_inputs

    def sample(self, time: int, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        return _largest(outputs)

    def next_inputs(
        self, time: int, outputs: Any, state: Any, sample_ids: Tensor, name: str | None = None
    ) -> tuple[Tensor, Any, Any]:
        finished = sample_ids == self._end_token
        return finished, self._start_inputs if bool(finished.all()) else self._embed(sample_ids), state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """`GreedyEmbeddingHelper` that draws from the distribution whose logits the outputs are.

    Args:
        embedding, start_tokens, end_token: as there.
        softmax_temperature: divides the logits; None for 1.
        seed: of the draws; None for torch's own generator.

    >>> helper = SampleEmbeddingHelper(torch.eye(4), [1, 2], end_token=3, softmax_temperature=0.01)
    >>> helper.sample(0, torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 2]]), None).tolist()
    [1, 3]
    """

    def __init__(
        self,
        embedding: Embedding,
        start_tokens: Any,
        end_token: int,
        softmax_temperature: float | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._temperature = softmax_temperature
        self._seed, self._generator = seed, None

    def sample(self, time: int, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        if self._seed is not None and self._generator is None:
            self._generator = torch.Generator(outputs.device).manual_seed(self._seed)  # type: ignore[assignment]
        logits = outputs if self._temperature is None else outputs / self._temperature
        probabilities = torch.softmax(logits, dim=-1)
        return torch.multinomial(probabilities, 1, generator=self._generator).squeeze(1).int()


class InferenceHelper(Helper):
    """Functions say what is taken of the outputs, and when a sequence ends.

    Args:
        sample_fn: of outputs, gives sample_ids.
        sample_shape, sample_dtype: theirs, without N.
        start_inputs: [N, ...].
        end_fn: of sample_ids, gives finished [N].
        next_inputs_fn: of sample_ids, gives the next inputs; None for sample_ids themselves.

    >>> start = torch.zeros(2, 4)
    >>> helper = InferenceHelper(torch.tanh, [4], torch.float32, start, lambda ids: ids[:, 0] > 0.5)
    >>> finished, inputs, _ = helper.next_inputs(0, None, None, torch.ones(2, 4))
    >>> finished.tolist()
    [True, True]
    """

    def __init__(
        self,
        sample_fn: Callable[[Any], Any],
        sample_shape: Sequence[int],
        sample_dtype: Any,
        start_inputs: Tensor,
        end_fn: Callable[[Any], Tensor],
        next_inputs_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        self._sample_fn, self._end_fn = sample_fn, end_fn
        self._next_inputs_fn = next_inputs_fn or (lambda sample_ids: sample_ids)
        self.sample_ids_shape, self.sample_ids_dtype = sample_shape, sample_dtype
        self._start_inputs = start_inputs

    @property
    def batch_size(self) -> int:
        return self._start_inputs.shape[0]

    def initialize(self, name: str | None = None) -> tuple[Tensor, Any]:
        finished = torch.zeros(self.batch_size, dtype=torch.bool, device=self._start_inputs.device)
        return finished, self._start_inputs

    def sample(self, time: int, outputs: Any, state: Any, name: str | None = None) -> Any:
        return self._sample_fn(outputs)

    def next_inputs(
        self, time: int, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Tensor, Any, Any]:
        return self._end_fn(sample_ids), self._next_inputs_fn(sample_ids), state


class CustomHelper(Helper):
    """Functions in the place of the methods of `Helper`.

    Args:
        initialize_fn: gives finished and inputs.
        sample_fn: of time=, outputs= and state=, gives sample_ids.
        next_inputs_fn: of time=, outputs=, state= and sample_ids=, gives finished, inputs and state.
        sample_ids_shape, sample_ids_dtype: of sample_ids, without N.

    >>> helper = CustomHelper(lambda: (torch.tensor([False, True]), torch.zeros(2, 3)), None, None)
    >>> finished, inputs = helper.initialize()
    >>> helper.batch_size
    2
    """

    def __init__(
        self,
        initialize_fn: Callable[[], tuple[Tensor, Any]],
        sample_fn: Any,
        next_inputs_fn: Any,
        sample_ids_shape: Sequence[int] | None = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn, self._next_inputs_fn = initialize_fn, sample_fn, next_inputs_fn
        self.sample_ids_shape = sample_ids_shape or ()
        self.sample_ids_dtype = sample_ids_dtype or torch.int32
        self._batch_size: int | None = None

    @property
    def batch_size(self) -> int:
        if self._batch_size is None:
            raise ValueError("CustomHelper: the size of the batch is not known before initialize()")
        return self._batch_size

    def initialize(self, name: str | None = None) -> tuple[Tensor, Any]:
        finished, inputs = self._initialize_fn()
        self._batch_size = finished.numel()
        return finished, inputs

    def sample(self, time: int, outputs: Any, state: Any, name: str | None = None) -> Any:
        return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: int, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Tensor, Any, Any]:
        found: tuple[Tensor, Any, Any] = self._next_inputs_fn(
            time=time, outputs=outputs, state=state, sample_ids=sample_ids
        )
        return found


def _largest(outputs: Tensor) -> Tensor:
    return outputs.argmax(-1).int()
