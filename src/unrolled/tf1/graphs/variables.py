"""The variables of a graph: what outlives a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.values import TORCH_TYPES


class Reference(NamedTuple):
    """A variable of old as it flows through a graph; where a value is needed, its value is taken."""

    name: str


class Handle(NamedTuple):
    """A variable of later: its value is read by nodes that do nothing else."""

    name: str


class Declared(NamedTuple):
    """What a graph says of a variable: its type as TensorFlow numbers it, and its shape if that is known."""

    type_number: int
    shape: tuple[int, ...] | None
    trainable: bool


class Variables(Mapping[str, Any]):
    """The values of variables by name, of those that have one.

    Trainable ones are `torch.nn.Parameter`s: what changes them (an optimizer, `load_state_dict`) changes what
    the graph computes. Text is an array of bytes.
    """

    def __init__(self, declared: Mapping[str, Declared]) -> None:
        self.declared = declared
        self._values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def set(self, name: str, value: Any) -> None:
        """Give a variable a value. A parameter stays the same object as long as its shape does."""
        if isinstance(value, Tensor):
            declared = self.declared.get(name)
            dtype = TORCH_TYPES.get(declared.type_number) if declared else None
            value = value.detach().to(dtype or value.dtype, copy=True).contiguous()
            old = self._values.get(name)
            if isinstance(old, nn.Parameter) and old.shape == value.shape and old.dtype == value.dtype:
                # Not in place: what a run before this one computed may still be waiting for its gradients.
                old.data = value
                return
            if declared is not None and declared.trainable and value.dtype.is_floating_point:
                value = nn.Parameter(value)
        self._values[name] = value


class Changes:
    """Variables as one run sees them: what it assigns is kept aside until the run has ended well."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.assigned: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.assigned or name in self.variables

    def read(self, name: str) -> Any:
        if name in self.assigned:
            return self.assigned[name]
        if name not in self._seen:
            if name not in self.variables:
                raise UnrolledError(
                    f"the variable {name!r} has no value: the checkpoint has none for it; assign one with "
                    f"graph.set_variable({name!r}, value), or run the graph's initializer"
                )
            value = self.variables[name]
            # A view: its memory stays what it was if the variable is given a new value.
            self._seen[name] = value.view_as(value) if isinstance(value, nn.Parameter) else value
        return self._seen[name]

    def assign(self, name: str, value: Any) -> None:
        self.assigned[name] = value

    def keep(self) -> None:
        """Make what was assigned the variables' values."""
        for name, value in self.assigned.items():
            self.variables.set(name, value)
        self.assigned = {}


def variable_name(node: Node) -> str:
    """The name under which nodes share a variable."""
    return node.text("shared_name") or node.name
