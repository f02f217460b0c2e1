"""A network that `export` wrote, read back: its weights out of the nodes, and proved to be the graph's."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unrolled import __version__
from unrolled.cells import DropoutCell, ResidualCell, StackedCell
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.onnx import heads, metadata
from unrolled.onnx.builder import OPSET, under
from unrolled.onnx.model import ALL_MOVED, MOST_MOVED
from unrolled.onnx.nodes import weights_of
from unrolled.onnx.reading import GRAPH, OWN_DOMAINS, read_model
from unrolled.onnx.recurrent import operator_of
from unrolled.onnx.scan import PARAMETERS
from unrolled.onnx.tensors import tensor_of
from unrolled.onnx.walk import above, bare, in_stack, places
from unrolled.onnx.write import build

WITHIN = 1e-6  # of numbers of that size: a bias that a forget bias was added to is rounded
HALF = torch.float16


@dataclasses.dataclass(frozen=True)
class Exported:
    """What an ONNX file of this package holds.

    Attributes:
        network: with the file's weights, in evaluation mode.
        metadata: what the file says of the run, see `metadata.make_run`.
        producer: the version that wrote it.
        half: whether its numbers have 16 bits.
        single: whether it is one step of a stream.
        apart: how far the numbers are from those of the network, exported again.
    """

    network: SequenceClassifier
    metadata: Mapping[str, str]
    producer: str
    half: bool
    single: bool
    apart: float


def read_exported(path: str | os.PathLike[str]) -> Exported | None:
    """The network in an ONNX file that `export` wrote, None if it holds none, or another wrote it.

    The network is made as the metadata say, its weights are taken out of the nodes, and it is exported again:
    that must give the same graph, node by node, with the same numbers.

    Raises:
        UnrolledError: the file cannot be read or is damaged, its metadata and its graph are of two networks,
            or the package `onnx` is not installed.
    """
    model = read_model(path)
    if model.producer_name != "unrolled":
        return None
    try:
        said = metadata.of_model(model)
        if "network" not in said:
            return None
        config = NetworkConfig.from_dict(metadata.value_of(said, "network"))
    except UnrolledError as error:
        raise UnrolledError(f"{path}: its metadata are damaged: {error}") from error
    file = _File(model, Path(path).parent)
    try:
        network = _network(config, file)
        half, inputs = file.is_half, [entry.name for entry in model.graph.input]
        single = said.get("form") == "one step"
        stateful = bool(set(inputs) - {"x", "lengths"})
        with torch.no_grad():
            again = build(network, single=single, fp16=half, lengths="lengths" in inputs, states=stateful)
        if [entry.version for entry in model.opset_import if entry.domain in OWN_DOMAINS] != [OPSET]:
            raise _DiffersError("operators of another version")
        apart = _apart(file, _File(again, Path()))
    except _DiffersError as error:
        other = model.producer_version != __version__
        by = f"; unrolled {model.producer_version} wrote it, and this is {__version__}" * other
        raise UnrolledError(
            f"{path}: its graph is not that of the network {config.name!r} in its metadata: {error}{by}. "
            "Export the run again"
        ) from None
    return Exported(network, said, model.producer_version, half, single, apart)


class _DiffersError(Exception):
    """The graph is another one than the network's."""


class _File:
    """A model's nodes by name, those of sub-graphs among them, and its constants."""

    def __init__(self, model: Any, folder: Path) -> None:
        self.graph = model.graph
        self.values = {tensor.name: tensor_of(tensor, folder) for tensor in model.graph.initializer}
        self.nodes = {node.name: node for node in _nodes(model.graph)}

    @property
    def is_half(self) -> bool:
        return any(value.dtype == HALF for value in self.values.values())

    def constant(self, node: str, place: int) -> Tensor | None:
        """An input of a node that is a constant of floats, in 32 bits; None if the node has no such input.

        Raises:
            _DiffersError: there is no such node, or that input is something else.
        """
        if node not in self.nodes:
            raise _DiffersError(f"it has no node {node!r}")
        inputs = self.nodes[node].input
        if place >= len(inputs) or not inputs[place]:
            return None
        value = self.values.get(inputs[place])
        if value is None or not value.is_floating_point():
            raise _DiffersError(f"input {place} of {node!r} holds no numbers")
        return value.float()


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == GRAPH:
                yield from _nodes(attribute.g)


def _network(config: NetworkConfig, file: _File) -> SequenceClassifier:
    outline = SequenceClassifier.outline(config)
    wanted = sum(parameter.numel() for parameter in outline.parameters())
    held = sum(value.numel() for value in file.values.values())
    if wanted > MOST_MOVED + ALL_MOVED * held:  # a file of nothing may speak of a network as large as can be
        raise _DiffersError(f"it has {held:,} numbers, and the network {wanted:,}")
    network = outline.to_empty(device="cpu").eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for place, linear in _linears(network):
            _set(linear, "weight", file.constant(under(place, "W_x"), 1), turned=True)
            _set(linear, "bias", file.constant(under(place, "output"), 1))
        levels = heads.levels_of(network)
        for level, at in zip(levels, places(levels), strict=True):
            cells = [bare(cell) for _, cell in level.ways]
            operators = [operator_of(cell) for cell in cells]
            if len(cells) == 2 and operators[0] is not None and operators[0] == operators[1]:
                for number, cell in enumerate(cells):
                    _from_operator(cell, above(at), number, file)
                continue
            for cell, place in zip(cells, at, strict=True):
                _from_nodes(cell, place, file)
    return network


def _linears(network: SequenceClassifier) -> Iterator[tuple[str, nn.Linear]]:
    """The dense layers, and what they are called."""
    for place in ("input_layer", "output_layer"):
        modules = getattr(network, f"{place}s", ())
        linears = [module for module in modules if isinstance(module, nn.Linear)]
        yield from ((f"{place}{number}", linear) for number, linear in enumerate(linears, start=1))
    yield "classifier", network.classifier


def _from_nodes(cell: Any, place: str, file: _File) -> None:
    if isinstance(cell, StackedCell):
        for part, below in zip(cell.cells, in_stack(cell, place), strict=True):
            _from_nodes(part, below, file)
    elif isinstance(cell, DropoutCell | ResidualCell):
        _from_nodes(cell.cell, place, file)
    elif operator_of(cell) is not None:
        _from_operator(cell, place, 0, file)
    else:
        for name, _ in cell.named_parameters():
            if name in PARAMETERS:
                node, turned = PARAMETERS[name]
                *inside, last = name.split(".")
                module = cell.get_submodule(".".join(inside))
                _set(module, last, file.constant(under(place, node), 1), turned=turned)


def _from_operator(cell: Any, place: str, number: int, file: _File) -> None:
    """The weights of the cell that is the first or the second direction of a node."""
    operator = operator_of(cell)
    assert operator is not None
    node = under(place, operator.name)
    of_node = [file.constant(node, each) for each in (1, 2, 3, 7)]
    for value, rank in zip(of_node, (3, 3, 2, 2), strict=True):
        if value is not None and (value.dim() != rank or number >= len(value)):
            raise _DiffersError(f"the weights of {node!r} have other sizes")
    W, R, B, P = (None if value is None else value[number] for value in of_node)
    if W is None or R is None:
        raise _DiffersError(f"{node!r} has no weights")
    try:
        found = weights_of(operator.name, W, R, B, P)
    except ValueError:  # which have no rows for each gate
        raise _DiffersError(f"the weights of {node!r} have other sizes") from None
    for name, value in found.items():
        _set(cell, name, value)
    if operator.name == "LSTM" and cell.bias_ih is not None:
        cell.bias_ih[cell.hidden_size : 2 * cell.hidden_size] -= cell.forget_bias


def _set(module: Any, name: str, value: Tensor | None, *, turned: bool = False) -> None:
    parameter = getattr(module, name)
    if value is None or parameter is None:
        return
    value = value.T if turned and value.dim() == 2 else value
    if value.numel() != parameter.numel() or (
        value.dim() == parameter.dim() and value.shape != parameter.shape
    ):
        raise _DiffersError(f"a {name} has shape {list(value.shape)}, expected {list(parameter.shape)}")
    parameter.copy_(value.reshape(parameter.shape))


def _apart(file: _File, again: _File) -> float:
    """The largest difference of two models' numbers.

    Raises:
        _DiffersError: they have other nodes, or other numbers.
    """
    apart = _same_graph(file.graph, again.graph, file, again)
    for ours, theirs in ((file.graph.input, again.graph.input), (file.graph.output, again.graph.output)):
        if [entry.type for entry in ours] != [entry.type for entry in theirs]:
            raise _DiffersError("its inputs or outputs have other shapes")
    return apart


def _same_graph(one: Any, other: Any, file: _File, again: _File) -> float:
    if len(one.node) != len(other.node):
        raise _DiffersError(f"it has {len(one.node)} nodes, and the network's {len(other.node)}")
    for ours, theirs in ((one.input, other.input), (one.output, other.output)):
        if [entry.name for entry in ours] != [entry.name for entry in theirs]:
            raise _DiffersError("it has other inputs or outputs")
    return max(
        (_same_node(*pair, file, again) for pair in zip(one.node, other.node, strict=True)), default=0.0
    )


def _same_node(one: Any, other: Any, file: _File, again: _File) -> float:
    for field in ("op_type", "domain", "name", "output"):
        if getattr(one, field) != getattr(other, field):
            raise _DiffersError(f"the node {one.name!r} stands where it has {other.name!r}")
    if len(one.input) != len(other.input) or len(one.attribute) != len(other.attribute):
        raise _DiffersError(f"{one.name!r} is another node")
    apart = 0.0
    for ours, theirs in zip(one.input, other.input, strict=True):
        value, expected = file.values.get(ours), again.values.get(theirs)
        if (value is None) != (expected is None) or (value is None and ours != theirs):
            raise _DiffersError(f"{one.name!r} takes {ours!r}")
        if value is not None and expected is not None:
            apart = max(apart, _same_numbers(one.name, value, expected))
    attributes = {attribute.name: attribute for attribute in other.attribute}
    for attribute in one.attribute:
        expected = attributes.get(attribute.name)
        if expected is None or attribute.type != expected.type:
            raise _DiffersError(f"{one.name!r} has another {attribute.name}")
        if attribute.type == GRAPH:
            apart = max(apart, _same_graph(attribute.g, expected.g, file, again))
        elif attribute != expected:
            raise _DiffersError(f"{one.name!r} has another {attribute.name}")
    return apart


def _same_numbers(node: str, value: Tensor, expected: Tensor) -> float:
    if value.dtype != expected.dtype or value.shape != expected.shape:
        raise _DiffersError(f"the numbers of {node!r} are others")
    if not value.numel():
        return 0.0
    differences = (value.double() - expected.double()).abs()
    if not (differences <= WITHIN * (1 + expected.double().abs())).all():  # a NaN is not
        raise _DiffersError(f"the numbers of {node!r} are others")
    return float(differences.max())
