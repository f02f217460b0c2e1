"""An operation of a graph: its inputs, and its attributes, which are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from unrolled.tf1.checkpoints.wire import DamagedError, Message, decode, signed
from unrolled.tf1.graphs.values import as_tensor, partial_shape, torch_type

T = TypeVar("T")

# The fields of an AttrValue, and of the list that it may hold instead.
LIST, TEXT, INTEGER, FLOAT, FLAG, TYPE, SHAPE, TENSOR, FUNCTION = 1, 2, 3, 4, 5, 6, 7, 8, 10
FUNCTIONS_OF_LIST = 9


class Node:
    """A NodeDef. Its inputs are texts as they stand there: "name", "name:1", "^name", "name:output:0".

    An attribute that is not there is what `default` says: graphs leave out what an older TensorFlow did not
    have.
    """

    __slots__ = ("_attributes", "_known", "_message", "inputs", "name", "op")

    def __init__(self, message: Message) -> None:
        self.name, self.op = message.text(1), message.text(2)
        self.inputs = message.texts(3)
        self._message = message
        self._attributes: dict[str, Message] | None = None
        self._known: dict[tuple[str, Callable[[Message], Any]], Any] = {}

    @property
    def attributes(self) -> dict[str, Message]:
        if self._attributes is None:
            entries = map(Message, self._message.all_bytes(5))
            self._attributes = {entry.text(1): entry.message(2) for entry in entries}
        return self._attributes

    def _read(self, name: str, default: T, read: Callable[[Message], T]) -> T:
        key = name, read
        if key not in self._known:
            value = self.attributes.get(name)
            try:
                self._known[key] = default if value is None else read(value)
            except DamagedError as error:
                raise DamagedError(f"{name} of the node {self.name!r} is damaged: {error}") from error
        return self._known[key]  # type: ignore[no-any-return]

    def integer(self, name: str, default: int = 0) -> int:
        return self._read(name, default, _integer)

    def number(self, name: str, default: float = 0.0) -> float:
        return self._read(name, default, _number)

    def flag(self, name: str, default: bool = False) -> bool:
        return self._read(name, default, _flag)

    def text(self, name: str, default: str = "") -> str:
        return self._read(name, default, _text)

    def dtype(self, name: str, default: torch.dtype = torch.float32) -> torch.dtype:
        """A type of numbers.

        Raises:
            DamagedError: it is text, a resource or a variant.
        """
        return self._read(name, default, _dtype)

    def type_number(self, name: str) -> int:
        """A type as TensorFlow numbers it, 0 if there is none."""
        return self._read(name, 0, _type_number)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A shape, with -1 for sizes that are not known; None if not even their number is."""
        return self._read(name, None, _shape)

    def integers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return self._read(name, default, _integers)

    def tensor(self, name: str) -> Any:
        """A constant: a tensor, or an array of bytes."""
        value = self._read(name, None, _tensor)
        if value is None:
            raise DamagedError(f"the constant {self.name!r} has no value")
        return value

    def set_tensor(self, name: str, value: Any) -> None:
        self._known[name, _tensor] = value

    def function(self, name: str) -> str:
        """The name of a function of the library."""
        return self._read(name, "", _function)

    def functions(self) -> list[str]:
        """The names of all functions that attributes name."""
        values = self.attributes.values()
        return [name for value in values for name in [*_functions(value), _function(value)] if name]

    def function_list(self, name: str) -> list[str]:
        return self._read(name, [], _functions)


def _integer(value: Message) -> int:
    return signed(value.integer(INTEGER))


def _number(value: Message) -> float:
    return value.float32(FLOAT)


def _flag(value: Message) -> bool:
    return bool(value.integer(FLAG))


def _text(value: Message) -> str:
    texts = value.all_bytes(TEXT)
    return decode(texts[-1]) if texts else ""


def _dtype(value: Message) -> torch.dtype:
    return torch_type(value.integer(TYPE))


def _type_number(value: Message) -> int:
    return value.integer(TYPE)


def _shape(value: Message) -> tuple[int, ...] | None:
    return partial_shape(value.message(SHAPE))


def _integers(value: Message) -> tuple[int, ...]:
    return tuple(value.message(LIST).integers(INTEGER).astype("i8").tolist())


def _tensor(value: Message) -> Any:
    return as_tensor(value.message(TENSOR))


def _function(value: Message) -> str:
    return value.message(FUNCTION).text(1) if FUNCTION in value else ""


def _functions(value: Message) -> list[str]:
    if LIST not in value:
        return []
    return [function.text(1) for function in value.message(LIST).messages(FUNCTIONS_OF_LIST)]
