"""Where graphs are kept: a .meta file beside a checkpoint, a frozen .pb file, the folder of a SavedModel."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unrolled.errors import UnrolledError
from unrolled.foreign import check_path, map_foreign
from unrolled.tf1.checkpoints.bundle import index_path
from unrolled.tf1.checkpoints.checkpoint import STATE, find_prefix, read_checkpoint
from unrolled.tf1.checkpoints.wire import DamagedError, Message

MOST_BYTES = (1 << 31) - 1  # of a file: a protocol buffer cannot be larger
MOST_NODES = 1_000_000
SAVED_MODEL, SAVED_VARIABLES = "saved_model.pb", "variables/variables"
TRAINABLE = "trainable_variables"


class Signature(NamedTuple):
    """What a SavedModel calls the tensors that go into it and come out of it."""

    inputs: dict[str, str]
    outputs: dict[str, str]


class Source(NamedTuple):
    """What stands in the files of a graph.

    Attributes:
        nodes: NodeDefs.
        functions: FunctionDefs.
        producer: the version of graphs that the program which made it wrote.
        checkpoint: the variables' values by name, None if the files hold none.
        restore: the names of the node that restores the variables, and of the tensor with the file's name.
        trainable: the names of variables that are trained; None if nothing says so.
    """

    path: Path
    nodes: list[memoryview]
    functions: list[Message]
    producer: int = 0
    checkpoint: Mapping[str, np.ndarray] | None = None
    restore: tuple[str, str] = ("", "")
    trainable: frozenset[str] | None = None
    signatures: Mapping[str, Signature] = {}


def read_source(path: Path) -> Source:
    """Read the files that `path` means.

    Args:
        path: the prefix of a checkpoint or one of its files (its .meta is read); the file `checkpoint`, or
            its folder, for the newest; the folder of a SavedModel or its saved_model.pb; a frozen GraphDef.

    Raises:
        UnrolledError: there is no such file, it is damaged, or it holds no graph.
    """
    check_path(path)
    if path.name == SAVED_MODEL:
        path = path.parent
    if os.path.isfile(path / SAVED_MODEL):
        return _read_saved_model(path)
    if path.name == STATE and os.path.isfile(path):
        path = path.parent
    if path.suffix == ".pb":
        return _in(path, lambda message: _graph(path, message))
    if path.suffix == ".meta" and not os.path.isfile(index_path(path.with_suffix(""))):
        return _in(path, lambda message: _meta_graph(path, message, None))
    if os.path.isdir(path) and os.path.isfile(path / "saved_model.pbtxt"):
        raise UnrolledError(f"{path} is a SavedModel as text: save it as {SAVED_MODEL}")
    prefix = find_prefix(path)
    meta = prefix.with_name(f"{prefix.name}.meta")
    if not os.path.lexists(meta):
        raise UnrolledError(
            f"no graph {meta}: a checkpoint's graph is kept beside it under that name; without it, "
            "`unrolled import-tf1` looks for a network in the variables alone"
        )
    return _in(meta, lambda message: _meta_graph(meta, message, read_checkpoint(prefix)))


def _read_saved_model(folder: Path) -> Source:
    path = folder / SAVED_MODEL

    def read(message: Message) -> Source:
        graphs = message.messages(2)
        if not graphs:
            raise DamagedError("it holds no graph")
        # Of several, such as one to train and one to serve, the one that is to be served.
        serving = [graph for graph in graphs if "serve" in graph.message(1).texts(4)]
        prefix = folder / SAVED_VARIABLES
        values = read_checkpoint(prefix) if os.path.lexists(index_path(prefix)) else None
        return _meta_graph(folder, (serving or graphs)[0], values)

    return _in(path, read)


def read_bytes(path: Path) -> bytes:
    """The content of a file with a graph: a copy, since attributes are read later, and files may change.

    Raises:
        UnrolledError: there is none, or it is larger than a graph can be.
    """
    mapped = map_foreign(path)
    if len(mapped) > MOST_BYTES:
        raise UnrolledError(f"{path} has more than {MOST_BYTES:,} bytes: it is damaged, or something else")
    return bytes(mapped)


def parse_meta(path: Path, content: bytes) -> Source:
    """The graph in the content of a .meta file, without a checkpoint.

    Raises:
        UnrolledError: it is damaged, or holds no graph.
    """
    return _parsed(path, content, lambda message: _meta_graph(path, message, None))


def _in(path: Path, read: Callable[[Message], Source]) -> Source:
    return _parsed(path, read_bytes(path), read)


def _parsed(path: Path, content: bytes, read: Callable[[Message], Source]) -> Source:
    try:
        source = read(Message(content))
        if not source.nodes:
            raise DamagedError("it holds no graph")
        return source
    except DamagedError as error:
        raise UnrolledError(f"{path} is damaged: {error}") from error


def _graph(path: Path, definition: Message) -> Source:
    """The content of a GraphDef."""
    nodes = definition.all_bytes(1)
    if len(nodes) > MOST_NODES:
        raise DamagedError(f"its graph has {len(nodes)} nodes, expected at most {MOST_NODES}")
    producer = definition.message(4).integer(1)
    return Source(path, nodes, definition.message(2).messages(1), producer)


def _meta_graph(path: Path, meta: Message, checkpoint: Mapping[str, np.ndarray] | None) -> Source:
    """The content of a MetaGraphDef."""
    collections = {entry.text(1): entry.message(2) for entry in meta.messages(4)}
    trainable = None
    if TRAINABLE in collections:
        variables = map(Message, collections[TRAINABLE].message(2).all_bytes(1))
        trainable = frozenset(variable.text(1).partition(":")[0] for variable in variables)
    saver = meta.message(3)
    signatures = {entry.text(1): _signature(entry.message(2)) for entry in meta.messages(5)}
    return _graph(path, meta.message(2))._replace(
        checkpoint=checkpoint,
        restore=(saver.text(3), saver.text(1)),
        trainable=trainable,
        signatures=signatures,
    )


def _signature(message: Message) -> Signature:
    def names(number: int) -> dict[str, str]:
        return {entry.text(1): entry.message(2).text(1) for entry in message.messages(number)}

    return Signature(names(1), names(2))
