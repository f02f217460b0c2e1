"""A model that was read from ONNX: recurrent nodes on this package's cells, everything else in torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells.cell import Cell
from unrolled.errors import UnrolledError, unknown_name
from unrolled.onnx import ops  # noqa: F401  enters the operators
from unrolled.onnx.limits import Limits
from unrolled.onnx.loops import LOOP, layer_of_loop, run_loop
from unrolled.onnx.reading import Graph
from unrolled.onnx.recurrent_layer import KINDS, RecurrentLayer
from unrolled.onnx.registry import OPERATORS, Body, Node

# Of constants alone these are computed when the model is read: they move numbers, and make no new ones.
MOVING = {
    "Constant", "Identity", "Cast", "CastLike", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Concat",
    "Split", "Reshape", "Flatten", "Shape", "Gather",
}  # fmt: skip
MOST_MOVED = 2**20  # numbers that moving may make, besides as many for each node as the file holds
ALL_MOVED = 4  # times what the file holds


class OnnxModel(nn.Module):
    """A model of ONNX operators.

        outputs = model(x, lengths, state=...)

    It takes the model's inputs, by place or by name, tensors or arrays, and returns a dictionary of its
    outputs. Recurrent nodes (LSTM, GRU, RNN) run on this package's cells and kernels.

    Attributes:
        inputs: what it takes, by name: `Input` with dtype and shape.
        outputs: the names of what it returns.
        layers: the recurrent nodes whose weights the file holds, each a `RecurrentLayer`, by the node's name;
            and of loops that compute what one does that layer, with weights of its own.
        weights: the other floats of the file: those of dense layers, embeddings, and the like.
        metadata: what whoever wrote the file says besides, by name.
        producer: who wrote it.
        graph_nodes: the nodes that are computed, without those that only move constants.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inputs = dict(graph.inputs)
        self.outputs = graph.outputs
        self.metadata = dict(graph.metadata)
        self.producer = graph.producer
        _check_known(graph.nodes)
        _check_loops(graph.nodes)
        values, nodes = fold(graph)
        self.layers = nn.ModuleDict()
        self._layer_of: dict[int, str] = {}
        of_loops = Limits(0)
        for place, node in enumerate(nodes):
            if node.op in KINDS:
                self._add_layer(place, node, values)
            elif node.op == LOOP:
                layer = layer_of_loop(node, values, of_loops)
                if layer is not None:
                    self.layers[_key(node.name, self.layers)] = layer
        self.graph_nodes = tuple(
            self._without_weights(node) if place in self._layer_of else node
            for place, node in enumerate(nodes)
        )
        self.weights = nn.ParameterDict()
        self._keys: dict[str, str] = {}
        self._constants: dict[str, Tensor] = {}
        used = {value for node in self.graph_nodes for value in node.needs} | set(self.outputs)
        for name in (name for name in values if name in used):
            if values[name].is_floating_point() and values[name].dim():
                self._keys[name] = key = _key(name, self.weights)
                self.weights[key] = nn.Parameter(values[name])
            else:
                self._constants[name] = values[name]
        self._last = _last_uses(self.graph_nodes, self.outputs)

    @property
    def cells(self) -> dict[str, Cell]:
        """Every recurrent cell, by the name of its layer and its direction: "NAME.forward"."""
        return {
            f"{name}.{way}": cell
            for name, layer in self.layers.items()
            if isinstance(layer, RecurrentLayer)
            for way, cell in layer.cells.items()
        }

    def constant(self, name: str) -> Tensor | None:
        """The value of that name that the file holds, if there is one outside of cells."""
        return self.weights[self._keys[name]] if name in self._keys else self._constants.get(name)

    def forward(self, *inputs: Any, **named: Any) -> dict[str, Tensor]:
        """Compute the outputs.

        Args:
            inputs: in the model's order.
            named: by name; names that Python cannot say go in as a dictionary with two stars before it.

        Raises:
            UnrolledError: an input is missing, unknown or of another shape, or a node cannot compute what it
                is given: the message names it.
        """
        values: dict[str, Tensor] = self._fed(inputs, named)
        limits = Limits(sum(value.numel() for value in values.values()))
        values |= self._constants
        values |= {name: self.weights[key] for name, key in self._keys.items()}
        for place, node in enumerate(self.graph_nodes):
            given = [values[name] if name else None for name in node.inputs]
            if node.op == LOOP:
                came = _named(node, lambda: run_loop(node, values, limits))  # noqa: B023
            else:
                came = self._compute(place, node, given, limits)
            limits.hold(node.outputs, came)
            for name, value in zip(node.outputs, came, strict=False):
                values[name] = value
            for name in self._last[place]:
                values.pop(name, None)
                limits.free(name)
        for name in self.outputs:
            if name not in values:
                raise UnrolledError(f"nothing has made the output {name!r}")
        return {name: values[name] for name in self.outputs}

    def _compute(
        self, place: int, node: Node, given: list[Tensor | None], limits: Limits
    ) -> tuple[Tensor, ...]:
        layer: Any = self.layers[self._layer_of[place]] if place in self._layer_of else None
        weights = 0 if layer is None else sum(weight.numel() for weight in layer.parameters())
        try:
            limits.check(node, given, weights)
        except UnrolledError as error:
            raise _failed(node, error) from None
        if node.op not in KINDS:
            return _run(node, given)
        try:
            if layer is not None:
                return tuple(layer(*given))
            x, W, R, B, lengths, h, c, P = (given + [None] * 8)[:8]
            return tuple(RecurrentLayer.of(node, W, R, B, P)(x, lengths, h, c))  # type: ignore[arg-type]
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise _failed(node, error) from error

    def _add_layer(self, place: int, node: Node, values: Mapping[str, Tensor]) -> None:
        """Make a layer of a node whose weights are there; one that is fed weights waits until they come."""
        W, R, B, P = (node.inputs[n] if n < len(node.inputs) else "" for n in (1, 2, 3, 7))
        if not all(name in values for name in (W, R)) or any(name and name not in values for name in (B, P)):
            return
        try:
            layer = RecurrentLayer.of(node, values[W], values[R], values.get(B), values.get(P))
        except UnrolledError as error:
            raise _failed(node, error) from None
        key = _key(node.name, self.layers)
        self.layers[key] = layer
        self._layer_of[place] = key

    @staticmethod
    def _without_weights(node: Node) -> Node:
        x, _, _, _, lengths, h, c, _ = (node.inputs + ("",) * 8)[:8]
        return dataclasses.replace(node, inputs=(x, lengths, h, c))

    def _fed(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Tensor]:
        if len(inputs) > len(self.inputs):
            raise UnrolledError(
                f"{len(inputs)} inputs came, expected {len(self.inputs)}: {', '.join(self.inputs)}"
            )
        given = dict(zip(self.inputs, inputs, strict=False))
        for name, value in named.items():
            if name not in self.inputs:
                raise unknown_name("input", name, self.inputs)
            if name in given:
                raise UnrolledError(f"the input {name!r} came twice, by place and by name")
            given[name] = value
        missing = [name for name in self.inputs if name not in given]
        if missing:
            raise UnrolledError(f"the input {missing[0]!r} is missing: {self.inputs[missing[0]]}")
        fed = {}
        for name, expected in self.inputs.items():
            try:
                value = torch.as_tensor(given[name])
            except (TypeError, ValueError, RuntimeError):
                kind = type(given[name]).__name__
                raise UnrolledError(f"the input {name!r} is a {kind}, expected {expected}") from None
            shape = value.shape if expected.shape is None else expected.shape
            fits = len(shape) == value.dim() and all(
                isinstance(size, str) or size == came for size, came in zip(shape, value.shape, strict=False)
            )
            if not fits or value.dtype.is_floating_point != expected.dtype.is_floating_point:
                kind = str(value.dtype).removeprefix("torch.")
                raise UnrolledError(f"the input {name!r} is {kind} {list(value.shape)}, expected {expected}")
            fed[name] = value.to(expected.dtype)
        return fed


def _run(node: Node, given: Iterable[Tensor | None]) -> tuple[Tensor, ...]:
    try:
        came = OPERATORS[node.op](node, *given)
    except Exception as error:
        raise _failed(node, error) from error
    return came if isinstance(came, tuple) else (came,)


def _named(node: Node, compute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    try:
        return compute()
    except (UnrolledError, RuntimeError, ValueError, KeyError) as error:
        raise _failed(node, error) from error


def _failed(node: Node, error: Exception) -> UnrolledError:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return UnrolledError(f"the node {node.name!r} ({node.op}) cannot be computed: {text}")


def _check_known(nodes: Iterable[Node]) -> None:
    unknown = sorted({node.op for node in nodes} - {*OPERATORS, *KINDS, LOOP})
    if unknown:
        raise UnrolledError(
            f"it has operators that are not read: {', '.join(unknown)}. Read are LSTM, GRU and RNN, and "
            f"{len(OPERATORS)} that may stand around them"
        )


def _check_loops(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if node.op == LOOP:
            body = node.get("body")
            if not isinstance(body, Body) or len(body.inputs) < 2 or len(node.inputs) != len(body.inputs):
                raise UnrolledError(f"the loop {node.name!r} has no body that fits it: the file is damaged")
            unknown = sorted({inner.op for inner in body.nodes} - {*OPERATORS})
            if unknown:
                raise UnrolledError(
                    f"the loop {node.name!r} has operators that are not read in loops: {', '.join(unknown)}"
                )


def fold(graph: Graph) -> tuple[dict[str, Tensor], list[Node]]:
    """The constants, with those that nodes make of them by moving numbers, and the nodes that are left."""
    values, left = dict(graph.constants), []
    held = sum(value.numel() for value in values.values())
    most = MOST_MOVED + ALL_MOVED * held
    moved = 0
    for node in graph.nodes:
        if node.op not in MOVING or moved > most or any(name and name not in values for name in node.inputs):
            left.append(node)
            continue
        came = _run(node, [values[name] if name else None for name in node.inputs])
        moved += sum(value.numel() for value in came)
        values |= {name: value for name, value in zip(node.outputs, came, strict=False) if name}
    return values, left


def _last_uses(nodes: tuple[Node, ...], outputs: tuple[str, ...]) -> list[list[str]]:
    """The values that are not needed any more after each node."""
    last: list[list[str]] = [[] for _ in nodes]
    seen = set(outputs)
    for place in reversed(range(len(nodes))):
        for name in {*nodes[place].needs, *nodes[place].outputs} - seen:
            last[place].append(name)
            seen.add(name)
    return last


def _key(name: str, taken: nn.Module) -> str:
    """A name that torch takes for a part of a module."""
    key = re.sub(r"\.", "_", name).strip("/") or "_"
    while hasattr(taken, key) or key in taken:  # type: ignore[operator]
        key += "_"
    return key
