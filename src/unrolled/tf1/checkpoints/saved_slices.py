"""Checkpoints of version 1: one table in one file, with the variables' values as its table's values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from unrolled.foreign import map_foreign
from unrolled.tf1.checkpoints.dtypes import (
    BFLOAT16,
    HALF,
    STRING,
    item_size,
    numpy_type,
    read_shape,
    to_array,
)
from unrolled.tf1.checkpoints.partition import Part, assemble, part_shape, read_part
from unrolled.tf1.checkpoints.table import read_table
from unrolled.tf1.checkpoints.wire import DamagedError, Message

# Fields of a TensorProto that hold values: of floating point as raw bytes, of whole numbers as varints.
FLOAT_FIELDS = {1: 5, 2: 6, 8: 9, 18: 12}
INTEGER_FIELDS = {9: 10, 10: 11, 22: 16, 23: 17, HALF: 13, BFLOAT16: 13}
SMALL_INTEGER_FIELD = 7
TEXT_FIELD = 8


class Variable(NamedTuple):
    """What the file says about a variable before its values (a SavedSliceMeta)."""

    dtype: int
    shape: tuple[int, ...]
    parts: list[tuple[Part, ndarray]]


def read_saved_slices(paths: list[Path]) -> dict[str, ndarray]:
    """All variables of a checkpoint, from the one file or from all its shards.

    Raises:
        DamagedError: a file breaks the format, or parts of a variable are missing.
    """
    variables: dict[str, Variable] = {}
    values: list[tuple[Message, int]] = []
    for path in paths:
        table = read_table(map_foreign(path))
        for description in Message(table.pop(b"", b"")).message(1).messages(1):
            name = description.text(1)
            variables.setdefault(
                name, Variable(description.integer(3), read_shape(description.message(2)), [])
            )
        values += [(Message(value).message(2), len(value)) for value in table.values()]
    for slice_, size in values:
        name = slice_.text(1)
        if name not in variables:
            raise DamagedError(
                f"it has values for {name or 'a variable without a name'}, and nothing else of it"
            )
        variable = variables[name]
        part = read_part(slice_.message(2))
        shape = part_shape(part, variable.shape)
        if math.prod(shape) > size:  # every value takes a byte at least
            raise DamagedError(f"{name} has a part of shape {list(shape)} in {size} bytes")
        variable.parts.append((part, read_values(slice_.message(3), variable.dtype, shape)))
    return {name: assemble(variable.shape, variable.parts) for name, variable in sorted(variables.items())}


def read_values(tensor: Message, dtype: int, shape: tuple[int, ...]) -> ndarray:
    """The values of a TensorProto as an array of that type and shape.

    Raises:
        DamagedError: there are more or fewer of them.
    """
    if dtype == STRING:
        texts = np.empty(math.prod(shape), object)
        found = tensor.all_bytes(TEXT_FIELD)
        if len(found) != len(texts):
            raise DamagedError(f"a tensor of shape {list(shape)} has {len(found)} strings")
        texts[:] = [bytes(text) for text in found]
        return texts.reshape(shape)
    item_size(dtype)  # refuses types that are no numbers
    if dtype in FLOAT_FIELDS:
        return to_array(dtype, tensor.fixed(FLOAT_FIELDS[dtype]), shape)
    numbers = tensor.integers(INTEGER_FIELDS.get(dtype, SMALL_INTEGER_FIELD)).view(np.int64)
    if len(numbers) != math.prod(shape):
        raise DamagedError(f"a tensor of shape {list(shape)} has {len(numbers)} values")
    if dtype in (HALF, BFLOAT16):
        return to_array(dtype, numbers.astype(np.uint16).tobytes(), shape)
    return numbers.astype(numpy_type(dtype)).reshape(shape)
