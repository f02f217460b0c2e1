"""Wrappers with a matrix before a cell, or after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform, random_uniform, zeros
from unrolled.tf1.rnn.activation import name_and_function
from unrolled.tf1.rnn.cell import RNNCell, first_part
from unrolled.tf1.rnn.contrib.named import NamedWrapper, Variables, linear


class InputProjectionWrapper(NamedWrapper):
    """A cell that sees act(x kernel + bias) in the place of x.

    Args:
        cell: the cell to wrap.
        num_proj: how wide the inputs of the cell are.
        activation: a function, or its name; None for none.
        input_size: taken for TensorFlow's sake.
        reuse: as `RNNCell` has it.

    >>> from unrolled.tf1 import GRUCell
    >>> cell = InputProjectionWrapper(GRUCell(3), 5)
    >>> cell.build(4)
    >>> list(cell.variables)[1:3]
    ['input_projection_wrapper/bias', 'input_projection_wrapper/gru_cell/gates/kernel']
    """

    scope = "input_projection_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        num_proj: int,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        input_size: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._width = check_count("InputProjectionWrapper: num_proj", num_proj)
        self._act = name_and_function(activation or "linear")[1]

    def _before(self, input_size: int) -> Variables:
        return _dense(input_size, self._width)

    def _inner_size(self, input_size: int) -> int:
        return self._width

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.cell(self._act(linear(self["kernel"], self["bias"], inputs)), state)  # type: ignore[no-any-return]


class OutputProjectionWrapper(NamedWrapper):
    """A cell whose output goes through act(output kernel + bias); its state is what it was.

    Args:
        cell: the cell to wrap.
        output_size: how wide the output is.
        activation: a function, or its name; None for none.
        reuse: as `RNNCell` has it.

    >>> from unrolled.tf1 import GRUCell
    >>> output, state = OutputProjectionWrapper(GRUCell(3), 5)(torch.ones(2, 4), torch.zeros(2, 3))
    >>> output.shape, state.shape
    (torch.Size([2, 5]), torch.Size([2, 3]))
    """

    scope = "output_projection_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        output_size: int,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        self.output_size = check_count("OutputProjectionWrapper: output_size", output_size)
        self._act = name_and_function(activation or "linear")[1]

    def _after(self, input_size: int) -> Variables:
        return _dense(self.cell.output_size, self.output_size)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new_state = self.cell(inputs, state)
        return self._act(linear(self["kernel"], self["bias"], output)), new_state


class EmbeddingWrapper(NamedWrapper):
    """A cell that sees the vectors of the numbers which are its inputs.

    Args:
        cell: the cell to wrap.
        embedding_classes: how many numbers there are: 0 to embedding_classes - 1.
        embedding_size: how wide their vectors are.
        initializer: draws the embedding; None for U(-√3, √3), whose variance is 1.
        reuse: as `RNNCell` has it.

    Inputs are whole numbers [N] or [N, 1]; to `dynamic_rnn` [N, T, 1], to `static_rnn` a list of either.

    >>> from unrolled.tf1 import GRUCell, static_rnn
    >>> cell = EmbeddingWrapper(GRUCell(3), embedding_classes=10, embedding_size=4)
    >>> outputs, state = static_rnn(cell, [torch.tensor([1, 9]), torch.tensor([0, 3])], dtype="float32")
    >>> list(cell.variables)[0], outputs[0].shape
    ('embedding_wrapper/embedding', torch.Size([2, 3]))
    """

    scope = "embedding_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        embedding_classes: int,
        embedding_size: int,
        initializer: Initializer | None = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._classes = check_count("EmbeddingWrapper: embedding_classes", embedding_classes)
        self._width = check_count("EmbeddingWrapper: embedding_size", embedding_size)
        self._initializer = initializer or _unit_variance

    def _before(self, input_size: int) -> Variables:
        return {"embedding": ((self._classes, self._width), self._initializer)}

    def _inner_size(self, input_size: int) -> int:
        return self._width

    def forward(self, inputs: Tensor, state: Any, scope: object = None) -> tuple[Tensor, Any]:
        ids = torch.as_tensor(inputs)
        first = first_part(state)
        if ids.dtype.is_floating_point or ids.numel() != first.shape[0]:
            raise ValueError(
                f"EmbeddingWrapper: inputs has shape {list(ids.shape)} of {ids.dtype}, expected whole "
                f"numbers [{first.shape[0]}]: one for each sequence"
            )
        check_ids("EmbeddingWrapper: inputs", ids, self._classes)
        self.build(1, first.dtype, first.device)
        self.check_state(state, first.shape[0])
        return self.call(ids, state)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.cell(F.embedding(inputs.reshape(-1), self["embedding"]), state)  # type: ignore[no-any-return]


def check_ids(what: str, ids: Tensor, classes: int) -> None:
    """Raise a ValueError for a number that has no vector."""
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= classes):
        raise ValueError(f"{what} are from {int(ids.min())} to {int(ids.max())}, expected 0 to {classes - 1}")


def _dense(rows: int, columns: int) -> Variables:
    return {"kernel": ((rows, columns), glorot_uniform()), "bias": ((columns,), zeros)}


def _unit_variance(shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
    return random_uniform(shape, -math.sqrt(3), math.sqrt(3), dtype)
