"""Cells that have their maths in `call`, and their parameters under TensorFlow's own names."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from unrolled.tf1.replay.initializers import Initializer
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell

# Each variable's shape, and what draws it at first, by its name below the cell's, in TensorFlow's order.
Variables: TypeAlias = "dict[str, tuple[tuple[int, ...], Initializer]]"


class NamedCell(RNNCell, abc.ABC):
    """A cell of a few variables: `_variables` says which, and `self[name]` is one of them."""

    @abc.abstractmethod
    def _variables(self, input_size: int) -> Variables:
        """The variables for inputs [N, input_size]."""

    def __getitem__(self, name: str) -> Tensor:
        return self.get_parameter(name)

    def _build(self, input_size: int, *, dtype: torch.dtype, device: Any) -> None:
        for name, (shape, draw) in self._variables(input_size).items():
            self.register_parameter(name, nn.Parameter(draw(shape, dtype).to(device)))

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return {f"{self.name}/{name}": shape for name, (shape, _) in self._variables(input_size).items()}

    @property
    def variables(self) -> dict[str, Tensor]:
        return {f"{self.name}/{name}": value for name, value in self.named_parameters(recurse=False)}

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.named_parameters(recurse=False):
            parameter.copy_(values[f"{self.name}/{name}"])


class NamedWrapper(NamedCell, abc.ABC):
    """A cell around a cell, with variables of its own: those of the cell inside lie below its name."""

    def __init__(self, cell: RNNCell, reuse: bool | None = None) -> None:
        super().__init__(reuse=reuse)
        check_rnn_cell("cell", cell)
        self.cell = cell
        self.state_size, self.output_size = cell.state_size, cell.output_size

    def _before(self, input_size: int) -> Variables:
        """The variables that TensorFlow makes before those of the cell inside."""
        return {}

    def _after(self, input_size: int) -> Variables:
        """Those that it makes after them."""
        return {}

    def _inner_size(self, input_size: int) -> int:
        """How wide the inputs of the cell inside are."""
        return input_size

    def _variables(self, input_size: int) -> Variables:
        return self._before(input_size) | self._after(input_size)

    def _build(self, input_size: int, *, dtype: torch.dtype, device: Any) -> None:
        super()._build(input_size, dtype=dtype, device=device)
        self.cell.build(self._inner_size(input_size), dtype, device)

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return self._in_order(input_size, super().shapes(input_size), self._inner_shapes(input_size))

    def _inner_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return self.cell.shapes(self._inner_size(input_size))

    @property
    def variables(self) -> dict[str, Tensor]:
        if not self.built:
            return {}
        own = {f"{self.name}/{name}": value for name, value in self.named_parameters(recurse=False)}
        return self._in_order(self.input_size, own, self.cell.variables)

    def _in_order(self, input_size: int, own: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
        before = {f"{self.name}/{name}" for name in self._before(input_size)}
        return {
            **{name: value for name, value in own.items() if name in before},
            **{f"{self.name}/{name}": value for name, value in inner.items()},
            **{name: value for name, value in own.items() if name not in before},
        }

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        super()._assign(values)
        prefix = f"{self.name}/"
        self.cell._assign({name: values[prefix + name] for name in self.cell.variables})

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> Any:
        return self.cell.zero_state(batch_size, dtype, device)


def linear(kernel: Tensor, bias: Tensor, *parts: Tensor) -> Tensor:
    """[parts] kernel + bias, the parts side by side."""
    return torch.addmm(bias, torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], kernel)
