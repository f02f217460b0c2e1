"""What of a graph a run needs, and in which order tokens flow through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import OPERATORS, Operator
from unrolled.tf1.graphs.values import type_name

# What a step does with the tokens that come to it; the operators of control flow are the executor's own.
COMPUTE, SWITCH, MERGE, ENTER, EXIT, NEXT, TRIGGER, FED = range(8)
KINDS = {
    "Switch": SWITCH,
    "RefSwitch": SWITCH,
    "Merge": MERGE,
    "RefMerge": MERGE,
    "Enter": ENTER,
    "RefEnter": ENTER,
    "Exit": EXIT,
    "RefExit": EXIT,
    "NextIteration": NEXT,
    "RefNextIteration": NEXT,
    "ControlTrigger": TRIGGER,
}
CONTROL_OUTPUTS = {"Switch": ("output_false", "output_true"), "Merge": ("output", "value_index")}
MOST_NAMED = 5  # operators in one error
MOST_OUTPUTS = 100_000  # of a node


class Port(NamedTuple):
    """An output of a node; output -1 is that it has run."""

    node: str
    output: int


RAN = -1


class Step:
    """A node of a plan: how many tokens it waits for, and where its own go.

    Attributes:
        targets: for each output the steps, and their inputs, that it goes to.
        after: the steps that wait until it has run.
        fetched: pairs of a place among the results, and the output (or `RAN`) that is asked for there.
    """

    __slots__ = (
        "after", "arity", "constant", "fetched", "frame", "function", "index", "kind", "node", "of_run",
        "refers", "targets", "waits",
    )  # fmt: skip

    def __init__(self, index: int, kind: int, node: Node | None) -> None:
        self.index, self.kind, self.node = index, kind, node
        self.arity = self.waits = 0
        self.targets: list[list[tuple[Step, int]]] = []
        self.after: list[Step] = []
        self.fetched: list[tuple[int, int]] = []
        self.function: Callable[..., Any] | None = None
        self.of_run = False
        self.refers = node is not None and node.op.startswith("Ref")
        self.frame = node.text("frame_name") if kind == ENTER and node else ""
        self.constant = kind == ENTER and node is not None and node.flag("is_constant")


class Body:
    """Nodes by their names, of the graph or of one function.

    Args:
        output_names: the names of a function's outputs, for calls of it by name.
    """

    def __init__(
        self, nodes: Mapping[str, Node], output_names: Callable[[str], Sequence[str] | None]
    ) -> None:
        self.nodes = nodes
        self._output_names = output_names

    def port(self, text: str) -> Port:
        """What an input means: "name", "name:1", "^name", and in functions "name:output:0"."""
        if text.startswith("^"):
            return Port(text[1:], RAN)
        name, *rest = text.split(":")
        if not rest:
            return Port(name, 0)
        if not rest[-1].isdecimal() or len(rest[-1]) > 9 or len(rest) > 2:
            raise UnrolledError(f"the graph reads {text!r}, which is no name of an output")
        return Port(name, int(rest[-1]) + (self._first(name, rest[0]) if len(rest) == 2 else 0))

    def _first(self, name: str, output: str) -> int:
        op = self.nodes[name].op if name in self.nodes else ""
        known = OPERATORS[op].outputs if op in OPERATORS else CONTROL_OUTPUTS.get(op, self._output_names(op))
        return known.index(output) if known and output in known else 0


class Plan:
    """The steps that compute some outputs of a body from others.

    Args:
        wanted: what to compute.
        fed: outputs whose values are given; nothing before them is run.
        callable_: whether a name is one of a function's.
    """

    def __init__(
        self, body: Body, wanted: Sequence[Port], fed: Iterable[Port], callable_: Callable[[str], bool]
    ) -> None:
        self.steps: list[Step] = []
        self.roots: list[Step] = []
        self.enters: dict[str, int] = {}
        self.fed = {port: self._add(FED, None) for port in fed}
        self.functions: set[str] = set()
        self.wanted = list(wanted)
        self._body, self._callable = body, callable_
        self._by_name: dict[str, Step] = {}
        self._unknown: dict[str, str] = {}
        self._fed_nodes = {port.node for port in self.fed}
        self._waiting: list[Step] = []
        for place, port in enumerate(wanted):
            if port.output == RAN and port.node in self._fed_nodes:
                continue
            self._source(port, "what is fetched").fetched.append((place, port.output))
        while self._waiting:
            self._connect(self._waiting.pop())
        if self._unknown:
            raise unknown_operators(self._unknown)
        self.roots += [step for step in self.steps if step.kind != FED and not step.waits]

    def _add(self, kind: int, node: Node | None) -> Step:
        step = Step(len(self.steps), kind, node)
        self.steps.append(step)
        return step

    def _source(self, port: Port, reader: str) -> Step:
        """The step that gives an output."""
        if port in self.fed:
            return self.fed[port]
        if (step := self._by_name.get(port.node)) is not None:
            return step
        node = self._body.nodes.get(port.node)
        if node is None:
            raise UnrolledError(f"{reader} needs {port.node!r}, which is not in the graph")
        kind = KINDS.get(node.op, COMPUTE)
        step = self._by_name[port.node] = self._add(kind, node)
        if kind == COMPUTE:
            self._find_operator(step, node)
        elif kind == ENTER:
            self.enters[step.frame] = self.enters.get(step.frame, 0) + 1
        self._waiting.append(step)
        return step

    def _find_operator(self, step: Step, node: Node) -> None:
        operator: Operator | None = OPERATORS.get(node.op)
        if operator is not None:
            step.function, step.of_run = operator.function, operator.of_run
        elif self._callable(node.op):
            step.function, step.of_run = OPERATORS["PartitionedCall"].function, True
            self.functions.add(node.op)
        elif node.op in ("Placeholder", "PlaceholderV2"):
            dtype = type_name(node.type_number("dtype"))
            raise UnrolledError(f"{f'{node.name}:0'!r} must be fed: an array of {dtype}")
        else:
            self._unknown.setdefault(node.op, node.name)
        if step.of_run:
            self.functions.update(name for name in node.functions() if name)

    def _connect(self, step: Step) -> None:
        node = step.node
        assert node is not None
        data = 0
        for text in node.inputs:
            port = self._body.port(text)
            if port.output == RAN:
                if port.node in self._fed_nodes:
                    continue
                self._source(port, f"the node {node.name!r}").after.append(step)
            else:
                source = self._source(port, f"the node {node.name!r}")
                output = 0 if source.kind == FED else port.output
                if output > MOST_OUTPUTS:
                    raise UnrolledError(f"the node {node.name!r} reads {text!r}, an output that no node has")
                while len(source.targets) <= output:
                    source.targets.append([])
                source.targets[output].append((step, data))
                data += 1
            step.waits += 1
        step.arity = data


def unknown_operators(nodes: Mapping[str, str]) -> UnrolledError:
    """The error that names operators that are not there, with a node of each."""
    named = [f"{op} (node {name!r})" for op, name in list(nodes.items())[:MOST_NAMED]]
    more = f" and {len(nodes) - MOST_NAMED} more" if len(nodes) > MOST_NAMED else ""
    return UnrolledError(
        f"the graph needs operators that do not run here: {', '.join(named)}{more}: fetch what comes before "
        "them, or feed what they give"
    )
