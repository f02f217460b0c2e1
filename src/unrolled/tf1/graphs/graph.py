"""A graph of TensorFlow 1, loaded and run as it is."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.errors import UnrolledError, unknown_name
from unrolled.tf1.checkpoints.wire import DamagedError
from unrolled.tf1.graphs import ops  # noqa: F401  (enters the operators)
from unrolled.tf1.graphs.executor import execute
from unrolled.tf1.graphs.files import Signature, Source, read_source
from unrolled.tf1.graphs.functions import Library, read_nodes
from unrolled.tf1.graphs.fused_loop import NotFusedError, fuse
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.plan import RAN, Body, Plan, Port
from unrolled.tf1.graphs.restore import restore
from unrolled.tf1.graphs.run import Run
from unrolled.tf1.graphs.values import TORCH_TYPES, from_numpy, to_numpy, type_name
from unrolled.tf1.graphs.variables import Declared, Variables, variable_name

VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}
WITHOUT_OUTPUT = {"NoOp", "Assert", "AssignVariableOp"}
KNOWS_SHAPES = 24  # the version of graphs from which on a placeholder's shape [] is that of a single number
ASIDE = re.compile(r"(?:^|/)(?:gradients|save)(?:_\d+)?/")  # what training and savers add to a graph
PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
LOOPS = ("kernels", "steps")  # ways to run those that are layers of cells


class _Plans(NamedTuple):
    """How to compute something: step by step; and if there are loops that are layers, with those as a whole.

    Attributes:
        loops: the cells of these, by the loops' names.
    """

    plain: Plan
    fused: Plan | None
    loops: dict[str, str]


class Graph:
    """A graph that runs: what TensorFlow 1 saved, in PyTorch.

    Symbols: a tensor's name is that of its node and which of its outputs it is, "logits:0".

    `variables` holds the variables' values by name. Trainable ones are parameters, which `parameters()`
    gives to an optimizer: gradients flow from what `run` returns to them and to tensors that were fed. Graphs
    are on the CPU.

    >>> import tempfile
    >>> from unrolled.tf1.checkpoints.wire import bytes_field
    >>> def node(name, op, *inputs):
    ...     return bytes_field(1, b"".join(bytes_field(n, text.encode()) for n, text in
    ...                        [(1, name), (2, op), *((3, each) for each in inputs)]))
    >>> path = Path(tempfile.mkdtemp()) / "frozen.pb"
    >>> _ = path.write_bytes(node("x", "Placeholder") + node("y", "Square", "x"))
    >>> Graph.load(path).run("y:0", {"x:0": [1.0, 3.0]})
    array([1., 9.])
    """

    def __init__(self, source: Source, loops: str = "kernels") -> None:
        if loops not in LOOPS:
            raise unknown_name("way to run loops", loops, LOOPS)
        self._loops = loops
        self._nodes = read_nodes(source.nodes)
        self._library = Library(source.functions)
        self._body = Body(self._nodes, self._library.outputs_of)
        self._plans: dict[tuple[tuple[Port, ...], tuple[Port, ...]], _Plans] = {}
        self._drawn: dict[Node, int] = {}
        self._producer = source.producer
        self.signatures: Mapping[str, Signature] = source.signatures
        self.variables = Variables(_declared(self._nodes.values(), source.trainable))
        if source.checkpoint is not None:
            restore(self.variables, self._body, self._library, source)

    @classmethod
    def load(cls, path: str | Path, *, loops: str = "kernels") -> Graph:
        """Read a graph, and its variables where its files hold them.

        Args:
            path: the prefix of a checkpoint that has a .meta file, or one of its files; the file
                `checkpoint`, or its folder, for the newest; a frozen GraphDef (.pb); the folder of a
                SavedModel. A .meta file without a checkpoint is a graph whose variables have no values yet.
            loops: "kernels" to run loops that are layers of cells on this library's unrolling; "steps" to run
                every loop step by step.

        Raises:
            UnrolledError: there is no such file, it is damaged, or it holds no graph.
        """
        source = read_source(Path(path))
        try:
            return cls(source, loops)
        except DamagedError as error:
            raise UnrolledError(f"{source.path} is damaged: {error}") from error

    @property
    def placeholders(self) -> dict[str, tuple[int, ...] | None]:
        """The names of what can be fed, with shapes: -1 for a size that is not known, None for a rank."""
        return {
            f"{node.name}:0": self._shape(node)
            for node in self._nodes.values()
            if node.op in PLACEHOLDERS and not ASIDE.search(node.name)
        }

    @property
    def nodes(self) -> Mapping[str, str]:
        """The names of all nodes, and their operators."""
        return {node.name: node.op for node in self._nodes.values()}

    @property
    def ends(self) -> list[str]:
        """The names of tensors that come from what is fed and that nothing reads, the last ones first.

        Gradients and savers do not count.
        """
        readers: dict[str, list[Node]] = {}
        for node in self._nodes.values():
            if not ASIDE.search(node.name):
                for text in node.inputs:
                    readers.setdefault(self._body.port(text).node, []).append(node)
        waiting = [name.partition(":")[0] for name in self.placeholders]
        found = set(waiting)
        while waiting:
            new = {node.name for node in readers.get(waiting.pop(), ())} - found
            found |= new
            waiting += new
        ends = [n for n in self._nodes.values() if n.name in found and n.name not in readers]
        return [f"{node.name}:0" for node in ends[::-1] if node.op not in WITHOUT_OUTPUT | PLACEHOLDERS]

    def needed(self, fetches: Sequence[str], feeds: Iterable[str]) -> tuple[set[str], set[str]]:
        """The names of the nodes and of the functions without which `run` cannot compute these tensors.

        Raises:
            UnrolledError: as `run`, of a name, a placeholder or an operator.
        """
        fed = [self._port(name, output=True) for name in feeds]
        plan = self._plan([self._port(name) for name in fetches], fed).plain
        nodes = {step.node.name for step in plan.steps if step.node is not None} | {p.node for p in fed}
        return nodes, self._library.look_through(plan.functions)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The trainable variables, for an optimizer."""
        return (value for value in self.variables.values() if isinstance(value, nn.Parameter))

    def set_variable(self, name: str, value: Any) -> None:
        """Give a variable a value.

        Raises:
            UnrolledError: the graph has no such variable, or the value is of another shape.
        """
        if name not in self.variables.declared:
            raise unknown_name("variable", name, self.variables.declared)
        number, shape, _ = self.variables.declared[name]
        self.variables.set(name, _checked(name, value, number, shape))

    def set_constant(self, name: str, value: Any) -> None:
        """Give a constant another value, such as 1.0 for a dropout's `keep_prob` that was built in.

        Unlike a tensor that is fed, it may stand inside a loop.

        Raises:
            UnrolledError: the node is no constant of the graph, or the value is of another type or shape.
        """
        node = self._nodes.get(name)
        if node is None or node.op != "Const":
            raise unknown_name("constant", name, [n.name for n in self._nodes.values() if n.op == "Const"])
        node.set_tensor("value", _checked(name, value, node.type_number("dtype"), node.tensor("value").shape))

    def run(
        self,
        fetches: str | Sequence[str] | Mapping[str, str],
        feeds: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> Any:
        """Compute tensors of the graph from others.

        What the graph assigns to its variables is kept when the run has ended well. Random operators with
        seeds draw TensorFlow's numbers, others PyTorch's (`torch.manual_seed`).

        Args:
            fetches: the name of a tensor, "logits:0"; or of a node, "train_op", which is run and gives None;
                or several, in a list or in a dict.
            feeds: values by the tensors' names: any tensor of the graph can be given one.
            seconds: give up after so long; by default never.

        Returns:
            What was fetched, as `fetches` has it: arrays, or tensors if a tensor was fed. Only tensors have
            gradients.

        Raises:
            UnrolledError: a name is not in the graph, a placeholder is not fed, an operator is not there, a
                node fails, or the time is over.
        """
        names = _names(fetches)
        given = {self._port(name, output=True): (name, value) for name, value in (feeds or {}).items()}
        plans = self._plan([self._port(name) for name in names], list(given))
        tensors = any(isinstance(value, Tensor) for _, value in given.values())
        values = [self._feed(port, name, value) for port, (name, value) in given.items()]
        with contextlib.ExitStack() as stack:
            if not tensors:
                stack.enter_context(torch.no_grad())
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            try:
                found, run = self._execute(plans, values, seconds)
            except RecursionError as error:
                raise UnrolledError("functions of the graph call each other without an end") from error
            found = [run.read(value) for value in found]
        run.changes.keep()
        results = [_result(name, value, tensors) for name, value in zip(names, found, strict=True)]
        if isinstance(fetches, str):
            return results[0]
        return dict(zip(fetches, results, strict=True)) if isinstance(fetches, Mapping) else results

    def loops(self, fetches: str | Sequence[str], feeds: Iterable[str] = ()) -> dict[str, str]:
        """The loops that computing tensors runs on this library's unrolling: their cells, by their names.

        Raises:
            UnrolledError: as `run`.
        """
        fed = [self._port(name, output=True) for name in feeds]
        return self._plan([self._port(name) for name in _names(fetches)], fed).loops

    def _execute(self, plans: _Plans, values: list[Any], seconds: float | None) -> tuple[list[Any], Run]:
        """Run the plan with whole layers; where something else comes to them, the one with loops."""
        if plans.fused is not None:
            drawn = dict(self._drawn)
            run = Run(self.variables, self._library, self._drawn, seconds=seconds)
            try:
                return execute(plans.fused, values, run), run
            except NotFusedError:
                self._drawn = drawn
        run = Run(self.variables, self._library, self._drawn, seconds=seconds)
        return execute(plans.plain, values, run), run

    def _port(self, name: str, output: bool = False) -> Port:
        """The output that a name means; that the node is to run, if it names none."""
        match = re.fullmatch(r"\^?([^:^]+?)(?::(\d{1,6}))?", name) if isinstance(name, str) else None
        if match is None:
            raise UnrolledError(f"{name!r} is no name of a tensor, expected one such as 'logits:0'")
        if match[1] not in self._nodes:
            near = unknown_name("node", match[1], self._nodes, listed=False).args[0]
            raise UnrolledError(f"{near}; the graph has {len(self._nodes)} nodes")
        return Port(match[1], int(match[2]) if match[2] else 0 if output else RAN)

    def _plan(self, wanted: list[Port], fed: list[Port]) -> _Plans:
        key = tuple(wanted), tuple(fed)
        if key not in self._plans:
            plain = Plan(self._body, wanted, fed, self._library.__contains__)
            self._library.look_through(plain.functions)
            self._plans[key] = _Plans(plain, None, {})
            if plain.enters and self._loops == "kernels":
                fused = Plan(self._body, wanted, fed, self._library.__contains__)
                if found := fuse(fused):
                    self._plans[key] = _Plans(plain, fused, found)
        return self._plans[key]

    def _feed(self, port: Port, name: str, value: Any) -> Any:
        node = self._nodes[port.node]
        if node.op not in PLACEHOLDERS:
            return _checked(name, value, 0, None)
        return _checked(name, value, node.type_number("dtype"), self._shape(node))

    def _shape(self, node: Node) -> tuple[int, ...] | None:
        """The shape of a placeholder: in graphs of old, [] is written for one that is not known."""
        shape = node.shape("shape")
        return None if shape == () and self._producer < KNOWS_SHAPES else shape


def _names(fetches: Any) -> list[str]:
    if isinstance(fetches, str):
        return [fetches]
    if isinstance(fetches, Mapping):
        return list(fetches.values())
    if isinstance(fetches, Iterable):
        return list(fetches)
    raise UnrolledError(f"fetches are {fetches!r}, expected a name such as 'logits:0', a list or a dict")


def _declared(nodes: Iterable[Node], trainable: frozenset[str] | None) -> dict[str, Declared]:
    declared = {}
    for node in nodes:
        if node.op in VARIABLES:
            trained = trainable is None or node.name in trainable
            shape = node.shape("shape")
            declared[variable_name(node)] = Declared(node.type_number("dtype"), shape, trained)
    return declared


def _checked(name: str, value: Any, number: int, shape: tuple[int, ...] | None) -> Any:
    """A value as the type that is expected, 0 for any; its shape must fit."""
    if not isinstance(value, Tensor):
        try:
            array = np.asarray(value)
            if array.dtype.kind in "USO":
                texts = [each.encode() if isinstance(each, str) else each for each in array.ravel().tolist()]
                value = np.empty(len(texts), object)
                value[:] = texts
                value = value.reshape(array.shape)
            else:
                value = from_numpy(array)
        except (TypeError, ValueError) as error:
            raise UnrolledError(f"{name!r} is {type(value).__name__}, expected an array: {error}") from error
    is_text = isinstance(value, np.ndarray)
    expected = TORCH_TYPES.get(number % 100)
    if (is_text != (number == 7) and number) or (
        is_text and not all(isinstance(e, bytes) for e in value.flat)
    ):
        raise UnrolledError(f"{name!r} is no array of {type_name(number)}, which is expected")
    if expected is not None and value.dtype != expected:
        real = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        if value.dtype in real and expected not in real and not expected.is_complex:
            raise UnrolledError(f"{name!r} is {value.dtype}, expected {expected}".replace("torch.", ""))
        value = value.to(expected)
    if shape is not None and not (
        len(shape) == value.ndim and all(a in (-1, b) for a, b in zip(shape, value.shape, strict=True))
    ):
        sizes = [size if size >= 0 else None for size in shape]
        raise UnrolledError(f"{name!r} has shape {list(value.shape)}, expected {sizes}")
    return value


def _result(name: str, value: Any, tensors: bool) -> Any:
    if value is None or isinstance(value, np.ndarray):
        return value
    if not isinstance(value, Tensor):
        raise UnrolledError(f"{name!r} is no tensor but a {type(value).__name__}: fetch what is read from it")
    return value if tensors else to_numpy(value)
