"""The part of a graph that some tensor needs, and the file that holds it."""

from __future__ import annotations

from unrolled.tf1.checkpoints.wire import Message, bytes_field, integer_field
from unrolled.tf1.graphs.files import TRAINABLE, Source
from unrolled.tf1.graphs.graph import Graph


def part_for(source: Source, graph: Graph, fetch: str, feeds: list[str]) -> Source:
    """What of a graph is needed to compute a tensor from others: no gradients, no savers, no losses.

    Raises:
        UnrolledError: as `Graph.run`, of a name, a placeholder or an operator.
    """
    nodes, functions = graph.needed([fetch], feeds)
    return Source(
        source.path,
        [node for node in source.nodes if Message(node).text(1) in nodes],
        [each for each in source.functions if each.message(1).text(1) in functions],
        source.producer,
        trainable=None if source.trainable is None else source.trainable & nodes,
    )


def definition_of(source: Source) -> bytes:
    """The graph as a GraphDef."""
    content = b"".join(bytes_field(1, bytes(node)) for node in source.nodes)
    library = b"".join(bytes_field(1, bytes(function.data)) for function in source.functions)
    return content + bytes_field(2, library) + bytes_field(4, integer_field(1, source.producer))


def meta_of(source: Source) -> bytes:
    """The graph as a MetaGraphDef: what a .meta file holds. Which variables are trained stands there, too."""
    content = bytes_field(2, definition_of(source))
    if source.trainable is None:
        return content
    variables = b"".join(
        bytes_field(1, bytes_field(1, f"{name}:0".encode())) for name in sorted(source.trainable)
    )
    entry = bytes_field(1, TRAINABLE.encode()) + bytes_field(2, bytes_field(2, variables))
    return content + bytes_field(4, entry)
