"""What has variables by TensorFlow's names: cells, layers, attention mechanisms, scopes."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class VariableHolder(nn.Module, abc.ABC):
    """A module whose parameters can be read and written as TensorFlow's variables.

    It may have none until it is built, which its first call does.
    """

    built = False

    def build(self, input_size: int, dtype: Any = None, device: Any = None) -> None:
        """Make the variables for inputs [..., input_size]; nothing happens if they are there already."""
        raise NotImplementedError(f"{type(self).__name__} is built by its first call")

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """The shape of each variable that there is for inputs [..., input_size], built or not."""
        return {name: tuple(value.shape) for name, value in self.variables.items()}

    @property
    def variables(self) -> dict[str, Tensor]:
        """The variables, in the order in which TensorFlow makes them.

        The names are TensorFlow's below the scope around it, which for a loop is "rnn" if nothing else was
        said. They are computed from the parameters, so that gradients flow through them: a weight penalty
        may use them. `assign` writes them.
        """
        return {}

    def assign(self, variables: Mapping[str, Any]) -> None:
        """Write all the variables: arrays or tensors, by the names that `variables` has.

        Raises:
            ValueError: it is not built, a name is missing or unknown, or a shape does not fit.
        """
        own = self.variables
        if not self.built:
            raise ValueError(f"{type(self).__name__} has no variables yet: call build(input_size) first")
        if set(variables) != set(own):
            raise ValueError(
                f"{type(self).__name__}: variables are {sorted(variables)}, expected {sorted(own)}"
            )
        values = {}
        for name, old in own.items():
            values[name] = torch.as_tensor(variables[name], device=old.device).to(old)
            if values[name].shape != old.shape:
                raise ValueError(
                    f"{type(self).__name__}: {name} has shape {list(values[name].shape)}, "
                    f"expected {list(old.shape)}"
                )
        with torch.no_grad():
            self._assign(values)

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        """Write checked variables."""


def as_dtype(dtype: Any) -> torch.dtype:
    """A dtype from torch's own, or from a name as TensorFlow and numpy have it, such as "float32".

    >>> as_dtype("float64")
    torch.float64
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    name = "float32" if dtype == "float" else getattr(dtype, "__name__", str(dtype))
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"dtype is {dtype!r}, expected a floating point type such as torch.float32")
    return found
