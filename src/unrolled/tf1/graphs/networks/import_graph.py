"""A graph of TensorFlow 1 becomes a network as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.networks.graph_config import LAYOUTS, LENGTHS, GraphConfig, check_feed
from unrolled.tf1.checkpoints.wire import DamagedError, Message
from unrolled.tf1.graphs.files import Source, read_source
from unrolled.tf1.graphs.graph import Graph
from unrolled.tf1.graphs.networks.answer_tensor import answer_tensor
from unrolled.tf1.graphs.networks.definition import Graph as Definition
from unrolled.tf1.graphs.networks.feeding import INTEGERS, USUAL, Feed, words
from unrolled.tf1.graphs.networks.graph_ends import SAME, TOKENS, Ends, Said, find_ends
from unrolled.tf1.graphs.networks.graph_network import GraphNetwork
from unrolled.tf1.graphs.networks.trial import distance
from unrolled.tf1.graphs.networks.without_dropout import fixed_dropouts, with_constants
from unrolled.tf1.graphs.part import definition_of, part_for

LONGER = {"N": 4, "T": 9}  # than usual: sizes that a graph must take, too


class ImportedGraph(NamedTuple):
    """A network that is a graph.

    Attributes:
        network: it.
        nodes: how many nodes of the graph it needs.
        notes: what was assumed.
    """

    network: GraphNetwork
    nodes: int
    notes: list[str]


def import_graph(
    path: str | Path,
    *,
    input: str | None = None,
    output: str | None = None,
    lengths: str | None = None,
    feeds: Mapping[str, Feed] | None = None,
    layout: str | None = None,
    width: int | None = None,
    name: str = "imported",
) -> ImportedGraph:
    """Make a network of a graph as it is, and of its variables.

    What is not said is looked for: by names, and by running the graph, which must answer each sequence by
    that sequence alone.

    Args:
        path: as `Graph.load` takes it.
        input: the tensor that takes sequences, such as "x:0".
        output: the one that is the answer, such as "logits:0".
        lengths: the placeholder that takes the sequences' lengths [N].
        feeds: what else is fed, by the tensors' names, as `GraphConfig.feeds`.
        layout: how sequences lie in `input`, one of `networks.graph_config.LAYOUTS`.
        width: I, where no shape says it.
        name: of the network that comes out.

    Raises:
        UnrolledError: the graph cannot be read or run, or it is not clear how it is fed; the message asks.

    >>> import tempfile
    >>> from unrolled.tf1.checkpoints.wire import bytes_field, integer_field
    >>> def node(name, op, *inputs, attributes=b""):
    ...     fields = [(1, name), (2, op), *((3, each) for each in inputs)]
    ...     content = b"".join(bytes_field(n, text.encode()) for n, text in fields) + attributes
    ...     return bytes_field(1, content)
    >>> any_number = bytes_field(2, integer_field(1, 2**64 - 1))
    >>> sizes = any_number * 2 + bytes_field(2, integer_field(1, 3))  # [None, None, 3]
    >>> shape = bytes_field(5, bytes_field(1, b"shape") + bytes_field(2, bytes_field(7, sizes)))
    >>> dtype = bytes_field(5, bytes_field(1, b"dtype") + bytes_field(2, integer_field(6, 1)))
    >>> path = Path(tempfile.mkdtemp()) / "frozen.pb"
    >>> _ = path.write_bytes(node("x", "Placeholder", attributes=shape + dtype) + node("y", "Tanh", "x"))
    >>> network, nodes, notes = import_graph(path, layout="N T I")
    >>> network.config.output, network(torch.zeros(2, 5, 3)).shape
    ('y:0', torch.Size([2, 5, 3]))
    """
    for tensor, feed in (feeds or {}).items():
        check_feed(tensor, feed)
    if layout is not None and layout not in LAYOUTS:
        raise UnrolledError(f"layout is {layout!r}, expected one of {', '.join(LAYOUTS)}")
    named = {_tensor(tensor): feed for tensor, feed in (feeds or {}).items()}
    said = Said(input and _tensor(input), lengths and _tensor(lengths), named, layout, width)
    source = read_source(Path(path))
    try:
        return _import(source, output, said, name)
    except DamagedError as error:
        raise UnrolledError(f"{source.path} is damaged: {error}") from error


def _import(source: Source, output: str | None, said: Said, name: str) -> ImportedGraph:
    whole = Definition(Message(definition_of(source)))
    dropped = fixed_dropouts(whole)
    source = with_constants(source, dropped) if dropped else source
    running = Graph(source)
    end = _tensor(output) if output else answer_tensor(whole, running)
    ops = running.nodes
    fed = {name for name in running.placeholders if ops[name.partition(":")[0]] != "PlaceholderWithDefault"}
    part = part_for(source, running, end, [*fed, *({said.input} - fed if said.input else ())])
    graph = Graph(part)
    for variable in graph.variables.declared:
        if variable not in running.variables:
            raise UnrolledError(
                f"{source.path}: {end} needs the variable {variable!r}, which has no value there"
            )
        graph.set_variable(variable, running.variables[variable])
    looked_at = Definition(Message(definition_of(part)))
    ends = find_ends(looked_at, graph, end, said)
    network = _network(part, graph, ends, name)
    notes = [f"fed: {tensor} = {words(feed)}" for tensor, feed in network.config.feeds.items()]
    if any(node.name in dropped for node in looked_at.before(end.partition(":")[0])):
        notes.append("the graph drops values with a fixed probability, also when it predicts: here none")
    if network.takes_lengths and not network.config.ragged:
        notes.append("what stands past a sequence's length changes its answer: lengths are not mixed")
    return ImportedGraph(network, len(part.nodes), notes)


def _network(part: Source, graph: Graph, ends: Ends, name: str) -> GraphNetwork:
    """The network, with the sizes that its graph takes."""
    setting = ends.setting
    config = GraphConfig(
        name=name,
        input=setting.entrance.tensor,
        layout=setting.layout.name,
        output=setting.output,
        answers=ends.answers,
        feeds=dict(setting.filling),
        input_size=ends.width,
        classes=ends.classes,
        tokens=setting.entrance.dtype in INTEGERS,
        sizes=dict(setting.layout.sizes),
    )
    needed = {config.input, *config.feeds}
    part = part._replace(
        nodes=[
            n for n in part.nodes if (m := Message(n)).text(2) != "Placeholder" or f"{m.text(1)}:0" in needed
        ]
    )

    def made(config: GraphConfig) -> GraphNetwork:
        network = GraphNetwork(config, part)
        network.set_weights(dict(graph.variables))
        return network

    free = [size for size in ("N", "T") if size not in config.sizes]
    for fixed in ([], ["N"], ["T"], ["N", "T"]):
        if not set(fixed) <= set(free):
            continue
        changed = dataclasses.replace(config, sizes={**config.sizes, **{size: USUAL[size] for size in fixed}})
        network = made(changed)
        sizes = {**LONGER, **changed.sizes}
        x = _random(changed, sizes["N"] + bool("N" in changed.sizes), sizes["T"])
        try:
            if _alone(network, x):
                return made(dataclasses.replace(changed, ragged=_is_ragged(changed, made, x)))
        except UnrolledError:
            continue
    raise UnrolledError(f"{config.output} answers to a sequence by what else is in its batch, too")


def _random(config: GraphConfig, n: int, t: int) -> Tensor:
    random = np.random.default_rng(7)
    if config.tokens:
        return torch.from_numpy(random.integers(0, TOKENS, (n, t)))
    return torch.from_numpy(random.normal(size=(n, t, config.input_size)).astype("f4"))


@torch.no_grad()
def _alone(network: GraphNetwork, x: Tensor) -> bool:
    """Whether the graph says the same of sequences together and of each alone."""
    together = network(x)
    each = torch.cat([network(row[None]) for row in x])
    return distance(each.numpy(), together.numpy()) <= SAME


@torch.no_grad()
def _is_ragged(config: GraphConfig, made: Callable[[GraphConfig], GraphNetwork], x: Tensor) -> bool:
    """Whether the graph says of sequences of several lengths what it says of each of those alone."""
    if LENGTHS not in config.feeds.values():
        return False
    ragged, one_by_one = made(dataclasses.replace(config, ragged=True)), made(config)
    count, steps = x.shape[:2]
    lengths = torch.arange(count) % steps + 1
    try:
        together, each = ragged(x, lengths), one_by_one(x, lengths)
    except UnrolledError:
        return "T" in config.sizes  # no sequence can be cut to its length: nothing but the graph can say it
    if config.read == "steps":
        past = torch.arange(steps) >= lengths[:, None]
        together, each = (y.masked_fill(past[..., None], 0) for y in (together, each))
    return distance(together.numpy(), each.numpy()) <= SAME


def _tensor(name: str) -> str:
    """A tensor's name; of a node's, its first output."""
    return name if ":" in name else f"{name}:0"
