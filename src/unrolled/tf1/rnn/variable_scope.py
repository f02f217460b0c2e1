"""Where a function that makes variables keeps them between its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.tf1.holder import VariableHolder
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform
from unrolled.tf1.rnn.cell import RNNCell


class VariableScope(VariableHolder):
    """The variables of a function, as `tf.variable_scope` found them by their names.

    A function of TensorFlow 1 made its variables at its first call, and found them again, by their names,
    where `reuse` said so. Here they are in an object: two calls with one scope share them, and two
    scopes share nothing. Its `parameters()` are those of the cells that the function was given, too.

    >>> scope = VariableScope()
    >>> first = scope.get_variable("embedding", (7, 4))
    >>> first is scope.get_variable("embedding", (7, 4)), list(scope.variables)
    (True, ['embedding'])
    """

    def __init__(self) -> None:
        super().__init__()
        # The names of parameters and modules, in the order in which they were made.
        self._held: list[str] = []
        self._sources: dict[str, RNNCell] = {}

    @property
    def built(self) -> bool:  # type: ignore[override]
        return bool(self._held)

    def get_variable(
        self,
        name: str,
        shape: Sequence[int],
        initializer: Initializer | None = None,
        dtype: torch.dtype = torch.float32,
        device: Any = None,
    ) -> Tensor:
        """The variable of that name; it is made at the first call.

        Raises:
            ValueError: it is there, with another shape.
        """
        if name not in self._held:
            value = (initializer or glorot_uniform())(tuple(shape), dtype).to(device)
            self.register_parameter(name, nn.Parameter(value))
            self._held.append(name)
        found = self.get_parameter(name)
        if tuple(found.shape) != tuple(shape):
            raise ValueError(
                f"{name} has shape {list(found.shape)} in this scope, and is asked for with {list(shape)}"
            )
        return found

    def child(self, name: str) -> VariableScope:
        """The scope of that name in this one."""
        if name not in self._held:
            self.add_module(name, VariableScope())
            self._held.append(name)
        return self._modules[name]  # type: ignore[return-value]

    def keep(self, name: str, cell: RNNCell, make: Callable[[RNNCell], RNNCell] | None = None) -> Any:
        """What `make` makes of a cell, by default the cell itself; it is made at the first call.

        Its variables lie below `name`, or right in this scope if that is empty.

        Raises:
            ValueError: it was made of another cell.
        """
        held = f"cell of {name}"
        if held not in self._held:
            self.add_module(held, make(cell) if make else cell)
            self._held.append(held)
            self._sources[held] = cell
        if cell is not self._sources[held] and cell is not self._modules[held]:
            raise ValueError(
                f"this scope holds another {type(self._sources[held]).__name__} already: "
                "give the same cell at each call, or another scope"
            )
        return self._modules[held]

    def _parts(self) -> list[tuple[str, VariableHolder | None, str]]:
        """Each variable's or part's prefix, the part, and the name by which it is held."""
        parts: list[tuple[str, VariableHolder | None, str]] = []
        for held in self._held:
            part: Any = self._modules.get(held)
            name = held.removeprefix("cell of ") if isinstance(part, RNNCell) else held
            parts.append((f"{name}/" if part is not None and name else name, part, held))
        return parts

    @property
    def variables(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for prefix, part, held in self._parts():
            if part is None:
                found[held] = self.get_parameter(held)
            else:
                found |= {f"{prefix}{name}": value for name, value in part.variables.items()}
        return found

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for prefix, part, held in self._parts():
            if part is None:
                self.get_parameter(held).copy_(values[held])
            else:
                part._assign({name: values[f"{prefix}{name}"] for name in part.variables})


def check_scope(function: str, scope: object) -> VariableScope:
    """Raise a TypeError for anything but a scope."""
    if not isinstance(scope, VariableScope):
        raise TypeError(
            f"{function}: scope is {scope!r}, expected a tf1.VariableScope(): the function makes variables, "
            "which live there between its calls"
        )
    return scope
