"""An .onnx file as a graph: its nodes, its constants, and what goes in and comes out."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.foreign import map_foreign
from unrolled.onnx.registry import Body, Node
from unrolled.onnx.require import require
from unrolled.onnx.tensors import TYPES, tensor_of, torch_type

MOST_BYTES = 2**31 - 1  # a protocol buffer is no larger: larger models keep their tensors beside them
MOST_NODES = 200_000
OWN_DOMAINS = ("", "ai.onnx")
FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS = 1, 2, 3, 4, 5, 6, 7, 8  # kinds of attributes


@dataclasses.dataclass(frozen=True)
class Input:
    """What is fed to a graph.

    Attributes:
        dtype: of its numbers.
        shape: a size each, a name for one that is free, "?" for one that nothing is said of; None if nothing
            is said of the shape.
    """

    dtype: torch.dtype
    shape: tuple[int | str, ...] | None

    def __str__(self) -> str:
        shape = "" if self.shape is None else f" [{', '.join(str(size) for size in self.shape)}]"
        return f"{str(self.dtype).removeprefix('torch.')}{shape}"


@dataclasses.dataclass(frozen=True)
class Graph:
    """A model as it stands in a file.

    Attributes:
        nodes: in an order in which each can be computed.
        constants: values that the file holds, by name.
        inputs: what is fed, by name, in the model's order.
        outputs: the names of what comes out.
        metadata: what whoever wrote it says besides.
        producer: who that was.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, Tensor]
    inputs: dict[str, Input]
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    producer: str


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Read an .onnx file.

    Raises:
        UnrolledError: the file cannot be read, is damaged, or has what no graph here has; or the package
            `onnx` is not installed.
    """
    model = read_model(path)
    try:
        return graph_of(model, Path(path).parent)
    except UnrolledError as error:
        raise UnrolledError(f"{path}: {error}") from error


def read_model(path: str | os.PathLike[str]) -> Any:
    """The ModelProto in an .onnx file, every text of which is one.

    Raises:
        UnrolledError: the file cannot be read or is damaged; or the package `onnx` is not installed.
    """
    onnx, message = require(), require("google.protobuf.message")
    content = map_foreign(path)
    if len(content) > MOST_BYTES:
        raise UnrolledError(f"{path} has more than {MOST_BYTES:,} bytes: it is damaged, or something else")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(content))
    except message.DecodeError:
        raise UnrolledError(f"{path} is no ONNX model, or it is damaged") from None
    try:
        _check_texts(model)
    except UnrolledError as error:
        raise UnrolledError(f"{path}: {error}") from error
    return model


def _check_texts(message: Any) -> None:
    """Raise an UnrolledError if a text anywhere is none: protocol buffers hand it over as bytes."""
    for field, value in message.ListFields():
        repeated = not hasattr(value, "ListFields") and hasattr(value, "extend")
        for one in value if repeated else (value,):
            if field.type == field.TYPE_MESSAGE:
                _check_texts(one)
            elif field.type == field.TYPE_STRING and isinstance(one, bytes):
                raise UnrolledError(f"a {field.name} is {one[:40]!r}, expected text: the file is damaged")
            elif field.type != field.TYPE_STRING:
                break


def graph_of(model: Any, folder: Path) -> Graph:
    """The graph of a ModelProto, which lies in a folder."""
    proto = model.graph
    if not proto.output:
        raise UnrolledError("it has no outputs: it is no ONNX model, or it is damaged")
    if len(proto.node) > MOST_NODES:
        raise UnrolledError(f"it has {len(proto.node):,} nodes, expected {MOST_NODES:,} at most")
    opset = max((entry.version for entry in model.opset_import if entry.domain in OWN_DOMAINS), default=1)
    if proto.sparse_initializer:
        raise UnrolledError("it has sparse tensors, which are not read")
    constants = {tensor.name: tensor_of(tensor, folder) for tensor in proto.initializer}
    inputs = {entry.name: _input_of(entry) for entry in proto.input if entry.name not in constants}
    nodes = tuple(node_of(entry, opset, folder) for entry in proto.node)
    outputs = tuple(entry.name for entry in proto.output)
    _check_order(nodes, {*constants, *inputs}, outputs)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return Graph(nodes, constants, inputs, outputs, metadata, producer)


def _input_of(entry: Any) -> Input:
    kind = entry.type.WhichOneof("value")
    if kind != "tensor_type" or entry.type.tensor_type.elem_type not in TYPES:
        raise UnrolledError(f"the input {entry.name!r} is no tensor of numbers")
    tensor = entry.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            size.dim_value if size.HasField("dim_value") else size.dim_param or "?"
            for size in tensor.shape.dim
        )
    return Input(torch_type(tensor.elem_type), shape)


def node_of(entry: Any, opset: int, folder: Path) -> Node:
    """A NodeProto as a `Node`."""
    op = entry.op_type if entry.domain in OWN_DOMAINS else f"{entry.domain}.{entry.op_type}"
    name = entry.name or next((output for output in entry.output if output), op)
    attributes = {}
    for attribute in entry.attribute:
        try:
            attributes[attribute.name] = _value_of(attribute, opset, folder)
        except UnrolledError as error:
            raise UnrolledError(f"the node {name!r} ({op}): {error}") from None
    return Node(op, name, tuple(entry.input), tuple(entry.output), attributes, opset)


def _value_of(attribute: Any, opset: int, folder: Path) -> Any:
    if attribute.type == TENSOR:
        return tensor_of(attribute.t, folder)
    if attribute.type == GRAPH:
        return _body_of(attribute.g, opset, folder)
    read: dict[int, Any] = {
        FLOAT: lambda: attribute.f,
        INT: lambda: attribute.i,
        STRING: lambda: attribute.s.decode(errors="backslashreplace"),
        FLOATS: lambda: list(attribute.floats),
        INTS: lambda: list(attribute.ints),
        STRINGS: lambda: [text.decode(errors="backslashreplace") for text in attribute.strings],
    }
    return read.get(attribute.type, lambda: None)()


def _body_of(proto: Any, opset: int, folder: Path) -> Body:
    if len(proto.node) > MOST_NODES:
        raise UnrolledError(f"it has {len(proto.node):,} nodes, expected {MOST_NODES:,} at most")
    body = Body(
        tuple(node_of(entry, opset, folder) for entry in proto.node),
        {tensor.name: tensor_of(tensor, folder) for tensor in proto.initializer},
        tuple(entry.name for entry in proto.input),
        tuple(entry.name for entry in proto.output),
    )
    _check_order(body.nodes, {*body.constants, *body.inputs, *body.captured}, body.outputs)
    return body


def _check_order(nodes: tuple[Node, ...], known: set[str], outputs: tuple[str, ...]) -> None:
    """Raise an UnrolledError if a value is used before it is there, or made twice."""
    for node in nodes:
        for value in node.needs:
            if value and value not in known:
                raise UnrolledError(
                    f"the node {node.name!r} ({node.op}) takes {value!r}, which nothing before it makes"
                )
        for value in node.outputs:
            if value and value in known:
                raise UnrolledError(f"{value!r} is made twice")
            known.add(value)
    for value in outputs:
        if value not in known:
            raise UnrolledError(f"nothing makes the output {value!r}")
