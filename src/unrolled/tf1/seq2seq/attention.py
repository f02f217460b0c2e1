"""Attention mechanisms: how much a query has to do with each step of a memory."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import check_count
from unrolled.tf1.holder import VariableHolder, as_dtype
from unrolled.tf1.replay.initializers import Initializer, constant, glorot_uniform, zeros
from unrolled.tf1.rnn.dense import Dense
from unrolled.tf1.rnn.loops import Lengths


class AttentionMechanism(VariableHolder, abc.ABC):
    r"""What weighs the steps of a memory for a query.

        alignments = probability_fn(score(query, keys));   keys = values memory_layer/kernel

    Symbols: memory [N, T, D]; values: the memory, with zeros past each length; keys [N, T, num_units];
    alignments [N, T], where the score is score_mask_value past each length.

    In TensorFlow 1 the memory was a placeholder; here each batch has another: the mechanism is made once,
    since it has weights, and `setup_memory` gives it the memory of a batch. `variables` are those of the
    keys, which TensorFlow has outside of the decoder; those of the score are the wrapper's.
    """

    scope: str
    values: Tensor
    keys: Tensor

    def __init__(
        self,
        num_units: int,
        probability_fn: Callable[[Tensor], Tensor] | None,
        score_mask_value: float | None,
        dtype: Any,
        custom_key_value_fn: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
    ) -> None:
        super().__init__()
        self.num_units = check_count(f"{type(self).__name__}: num_units", num_units)
        self.memory_layer = Dense(
            self.num_units,
            use_bias=False,
            dtype=None if dtype is None else as_dtype(dtype),
            name="memory_layer",
        )
        self._probability_fn = probability_fn or _softmax
        self._mask_value = -math.inf if score_mask_value is None else score_mask_value
        self._custom = custom_key_value_fn
        self._running: Tensor | None = None
        self._ready = False

    def setup_memory(self, memory: Tensor, memory_sequence_length: Lengths = None) -> None:
        """Attend to another memory [N, T, D] from here on, of which each sequence has a length of at least 1.

        Raises:
            ValueError: another shape, or a length that is not from 1 to T.
        """
        if memory.dim() != 3:
            raise ValueError(
                f"{type(self).__name__}: memory has shape {list(memory.shape)}, expected [N, T, D]"
            )
        self._running = None
        if memory_sequence_length is not None:
            lengths = torch.as_tensor(memory_sequence_length, device=memory.device)
            if (
                lengths.shape != memory.shape[:1]
                or int(lengths.min()) < 1
                or int(lengths.max()) > memory.shape[1]
            ):
                raise ValueError(
                    f"{type(self).__name__}: memory_sequence_length is {lengths.tolist()}, expected "
                    f"{memory.shape[0]} lengths from 1 to {memory.shape[1]}"
                )
            self._running = torch.arange(memory.shape[1], device=memory.device) < lengths.unsqueeze(1)
            memory = torch.where(self._running.unsqueeze(2), memory, 0)
        self.values, self.keys = memory, self.memory_layer(memory)
        if self._custom is not None:
            self.keys, self.values = self._custom(self.keys, self.values)
        self._ready = True

    def __getstate__(self) -> dict[str, Any]:
        """A copy has the weights, and no memory: that is a batch's, with its gradients."""
        kept = {name: value for name, value in self.__dict__.items() if name not in ("values", "keys")}
        return kept | {"_running": None, "_ready": False}

    def check_memory(self) -> None:
        """Raise a ValueError if there is no memory yet."""
        if not self._ready:
            raise ValueError(
                f"{type(self).__name__} has no memory yet: call setup_memory(memory, lengths) first"
            )

    @property
    def batch_size(self) -> int:
        """N of the memory."""
        self.check_memory()
        return self.keys.shape[0]

    @property
    def alignments_size(self) -> int:
        """T of the memory."""
        self.check_memory()
        return self.keys.shape[1]

    @property
    def state_size(self) -> int:
        """How wide the state is: it is the last alignments."""
        return self.alignments_size

    @property
    def depth(self) -> int:
        """How wide the values are."""
        self.check_memory()
        return self.values.shape[2]

    def initial_alignments(self, batch_size: int, dtype: Any) -> Tensor:
        """Zeros [N, T]."""
        return torch.zeros(batch_size, self.alignments_size, dtype=as_dtype(dtype), device=self.keys.device)

    def initial_state(self, batch_size: int, dtype: Any) -> Tensor:
        """As `initial_alignments`."""
        return self.initial_alignments(batch_size, dtype)

    def forward(self, query: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        """The alignments [N, T] of a query [N, D], and the next state."""
        self.check_memory()
        if query.shape[0] != self.batch_size:
            raise ValueError(
                f"{type(self).__name__}: the query has {query.shape[0]} rows and the memory "
                f"{self.batch_size}, expected one batch for both"
            )
        self.build_score(query.shape[1], query.dtype, query.device)
        score = self._score(query)
        if self._running is not None:
            score = torch.where(self._running, score, self._mask_value)
        alignments = self._probability_fn(score)
        return alignments, alignments

    @abc.abstractmethod
    def _score(self, query: Tensor) -> Tensor:
        """The scores [N, T] of a query."""

    @abc.abstractmethod
    def _score_variables(self, query_size: int) -> dict[str, tuple[tuple[int, ...], Initializer]]:
        """The variables of the score: shapes, and what draws them."""

    def build_score(self, query_size: int, dtype: torch.dtype, device: Any) -> None:
        """Make the variables of the score for queries [N, query_size], if they are not there yet."""
        for name, (shape, draw) in self._score_variables(query_size).items():
            if name not in self._parameters:
                self.register_parameter(name, nn.Parameter(draw(shape, dtype).to(device)))

    def score_shapes(self, query_size: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the variables of the score, by their names below the wrapper's."""
        found = self._score_variables(query_size)
        return {f"{self.scope}/{name}": shape for name, (shape, _) in found.items()}

    @property
    def score_variables(self) -> dict[str, Tensor]:
        """The variables of the score, by their names below the wrapper's."""
        return {f"{self.scope}/{name}": value for name, value in self.named_parameters(recurse=False)}

    @property
    def built(self) -> bool:  # type: ignore[override]
        return self.memory_layer.built

    def build(self, input_size: int, dtype: Any = None, device: Any = None) -> None:
        """Make the variables of the keys for a memory [N, T, input_size]."""
        self.memory_layer.build(input_size, dtype, device)

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return self.memory_layer.shapes(input_size)

    @property
    def variables(self) -> dict[str, Tensor]:
        return self.memory_layer.variables

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        self.memory_layer._assign(values)


class BahdanauAttention(AttentionMechanism):
    r"""Attention by a sum, as `tf.contrib.seq2seq` has it.

        score_t = attention_v · tanh(keys_t + query query_layer/kernel)

    With normalize attention_g attention_v / norm(attention_v) stands in the place of attention_v, and
    attention_b is added inside of tanh.

    Args:
        num_units: how wide keys and processed queries are.
        memory: [N, T, D]; None if `setup_memory` gives it later.
        memory_sequence_length: [N] lengths from 1 to T; None if all have T steps.
        normalize: whether the score is normalised.
        probability_fn: makes alignments [N, T] of scores; None for softmax.
        score_mask_value: the score past a length; None for minus infinity.
        dtype: of the variables; None for that of the memory and the queries.
        custom_key_value_fn: of keys and values, gives others.
        name: taken for TensorFlow's sake.

    >>> attention = BahdanauAttention(5, torch.ones(2, 4, 3), [4, 1])
    >>> alignments, state = attention(torch.ones(2, 6))
    >>> alignments[1].tolist(), list(attention.variables)
    ([1.0, 0.0, 0.0, 0.0], ['memory_layer/kernel'])

    Reference: Bahdanau et al. 2015, arXiv:1409.0473; normalize: Salimans and Kingma 2016, arXiv:1602.07868.
    """

    scope = "bahdanau_attention"

    def __init__(
        self,
        num_units: int,
        memory: Tensor | None = None,
        memory_sequence_length: Lengths = None,
        normalize: bool = False,
        probability_fn: Callable[[Tensor], Tensor] | None = None,
        score_mask_value: float | None = None,
        dtype: Any = None,
        custom_key_value_fn: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        name: str = "BahdanauAttention",
    ) -> None:
        super().__init__(num_units, probability_fn, score_mask_value, dtype, custom_key_value_fn)
        self._normalize = normalize
        if memory is not None:
            self.setup_memory(memory, memory_sequence_length)

    def _score_variables(self, query_size: int) -> dict[str, tuple[tuple[int, ...], Initializer]]:
        n = self.num_units
        found: dict[str, tuple[tuple[int, ...], Initializer]] = {
            "query_layer/kernel": ((query_size, n), glorot_uniform()),
            "attention_v": ((n,), glorot_uniform()),
        }
        if self._normalize:
            found |= {"attention_g": ((), constant(math.sqrt(1 / n))), "attention_b": ((n,), zeros)}
        return found

    def _score(self, query: Tensor) -> Tensor:
        v: Tensor = self.get_parameter("attention_v")
        compared = self.keys + (query @ self.get_parameter("query_layer/kernel")).unsqueeze(1)
        if self._normalize:
            v = self.get_parameter("attention_g") * v * v.square().sum().rsqrt()
            compared = compared + self.get_parameter("attention_b")
        return torch.tanh(compared) @ v


class LuongAttention(AttentionMechanism):
    r"""Attention by a product, as `tf.contrib.seq2seq` has it.

        score_t = query · keys_t,   times attention_g with scale

    Args:
        num_units: how wide keys, and so queries, are.
        memory, memory_sequence_length: as `BahdanauAttention` has them.
        scale: whether the score is scaled.
        probability_fn, score_mask_value, dtype, custom_key_value_fn, name: as `BahdanauAttention` has them.

    >>> attention = LuongAttention(5, torch.ones(2, 4, 3), [4, 2])
    >>> alignments, state = attention(torch.ones(2, 5))
    >>> alignments[1].tolist()
    [0.5, 0.5, 0.0, 0.0]

    Reference: Luong et al. 2015, arXiv:1508.04025, section 3.1.
    """

    scope = "luong_attention"

    def __init__(
        self,
        num_units: int,
        memory: Tensor | None = None,
        memory_sequence_length: Lengths = None,
        scale: bool = False,
        probability_fn: Callable[[Tensor], Tensor] | None = None,
        score_mask_value: float | None = None,
        dtype: Any = None,
        custom_key_value_fn: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        name: str = "LuongAttention",
    ) -> None:
        super().__init__(num_units, probability_fn, score_mask_value, dtype, custom_key_value_fn)
        self._scale = scale
        if memory is not None:
            self.setup_memory(memory, memory_sequence_length)

    def _score_variables(self, query_size: int) -> dict[str, tuple[tuple[int, ...], Initializer]]:
        return {"attention_g": ((), constant(1.0))} if self._scale else {}

    def _score(self, query: Tensor) -> Tensor:
        if query.shape[1] != self.num_units:
            raise ValueError(
                f"LuongAttention: queries are {query.shape[1]} wide, expected num_units: {self.num_units}"
            )
        score = (self.keys @ query.unsqueeze(2)).squeeze(2)
        return self.get_parameter("attention_g") * score if self._scale else score


def hardmax(logits: Tensor, name: str | None = None) -> Tensor:
    """1 where the largest is, 0 elsewhere: a probability_fn.

    >>> hardmax(torch.tensor([[1.0, 3.0, 2.0]])).tolist()
    [[0.0, 1.0, 0.0]]
    """
    return nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)


def _softmax(score: Tensor) -> Tensor:
    return torch.softmax(score, dim=-1)
