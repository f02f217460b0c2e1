"""Graphs written by hand, as protocol buffers have them."""

import struct
from pathlib import Path

import numpy as np

from unrolled.tf1 import Graph
from unrolled.tf1.checkpoints.dtypes import NUMBERS, write_shape
from unrolled.tf1.checkpoints.wire import bytes_field, fixed32_field, integer_field


def tensor(value):
    """A TensorProto with the values' bytes; of text with the texts."""
    value = np.asarray(value)
    if value.dtype.kind in "SO":
        texts = b"".join(bytes_field(8, bytes(text)) for text in value.ravel())
        return integer_field(1, 7) + bytes_field(2, write_shape(value.shape)) + texts
    shape = bytes_field(2, write_shape(value.shape))
    return integer_field(1, NUMBERS[value.dtype]) + shape + bytes_field(4, value.tobytes())


def attribute(name, value):
    """An attribute: a flag, a number, a text, a type ("f4" and the like), a function's name, or an array."""
    if isinstance(value, bool):
        content = integer_field(5, int(value))
    elif isinstance(value, int):
        content = integer_field(3, value % 2**64)
    elif isinstance(value, float):
        content = fixed32_field(4, int.from_bytes(struct.pack("<f", value), "little"))
    elif isinstance(value, type):
        content = integer_field(6, NUMBERS[np.dtype(value)])
    elif isinstance(value, tuple):
        sizes = b"".join(bytes_field(2, integer_field(1, size % 2**64)) for size in value)
        content = bytes_field(7, sizes)
    elif isinstance(value, bytes):
        content = bytes_field(10, bytes_field(1, value))
    elif isinstance(value, str):
        content = bytes_field(2, value.encode())
    else:
        content = bytes_field(8, tensor(value))
    return bytes_field(5, bytes_field(1, name.encode()) + bytes_field(2, content))


def node(name, op, *inputs, **attributes):
    """A NodeDef."""
    content = bytes_field(1, name.encode()) + bytes_field(2, op.encode())
    content += b"".join(bytes_field(3, each.encode()) for each in inputs)
    return content + b"".join(attribute(key, value) for key, value in attributes.items())


def constant(name, value, *after):
    value = np.asarray(value)
    if value.dtype.kind in "SO":
        return node(name, "Const", *after, value=value)
    return node(name, "Const", *after, dtype=value.dtype.type, value=value)


def function(name, arguments, results, *nodes):
    """A FunctionDef; results are pairs of a name and what is returned by it."""
    signature = bytes_field(1, name.encode())
    signature += b"".join(bytes_field(2, bytes_field(1, argument.encode())) for argument in arguments)
    signature += b"".join(bytes_field(3, bytes_field(1, result.encode())) for result in results)
    content = bytes_field(1, signature) + b"".join(bytes_field(3, each) for each in nodes)
    for result, source in results.items():
        content += bytes_field(4, bytes_field(1, result.encode()) + bytes_field(2, source.encode()))
    return content


def definition(*nodes, functions=(), producer=1000):
    """A GraphDef."""
    library = b"".join(bytes_field(1, each) for each in functions)
    content = b"".join(bytes_field(1, each) for each in nodes) + bytes_field(2, library)
    return content + bytes_field(4, integer_field(1, producer))


def load(folder: Path, *nodes, **options) -> Graph:
    path = folder / "graph.pb"
    path.write_bytes(definition(*nodes, **options))
    return Graph.load(path)


def placeholder(name="x", dtype=np.float32, shape=None):
    known = {} if shape is None else {"shape": shape}
    return node(name, "Placeholder", dtype=dtype, **known)
