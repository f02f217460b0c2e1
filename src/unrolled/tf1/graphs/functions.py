"""The functions of a graph: bodies of loops and branches as later versions keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.errors import UnrolledError
from unrolled.tf1.checkpoints.wire import DamagedError, Message
from unrolled.tf1.graphs.executor import execute
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.plan import RAN, Body, Plan, Port
from unrolled.tf1.graphs.run import Run


class Function:
    """A FunctionDef: its arguments and results by name, and its nodes."""

    def __init__(self, message: Message) -> None:
        signature = message.message(1)
        self.name = signature.text(1)
        self.arguments = [argument.text(1) for argument in signature.messages(2)]
        self.outputs = [output.text(1) for output in signature.messages(3)]
        self._message = message

    def plan(self, library: Library) -> Plan:
        """How its results, and what it does besides, come from its arguments."""
        nodes = read_nodes(self._message.all_bytes(3))
        body = Body(nodes, library.outputs_of)
        returned = {entry.text(1): entry.text(2) for entry in self._message.messages(4)}
        missing = [output for output in self.outputs if output not in returned]
        if missing:
            raise DamagedError(f"the function {self.name!r} returns no {missing[0]!r}")
        wanted = [body.port(returned[output]) for output in self.outputs]
        wanted += [Port(entry.text(2), RAN) for entry in self._message.messages(6)]
        return Plan(body, wanted, [Port(name, 0) for name in self.arguments], library.__contains__)


class Library:
    """The functions of a graph by name; each is looked into when it is first needed."""

    def __init__(self, messages: Sequence[Message]) -> None:
        functions = map(Function, messages)
        self._functions: dict[str, Function] = {function.name: function for function in functions}
        self._plans: dict[str, Plan] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def outputs_of(self, name: str) -> Sequence[str] | None:
        return self._functions[name].outputs if name in self._functions else None

    def plan(self, name: str) -> Plan:
        if name not in self._plans:
            if name not in self._functions:
                raise UnrolledError(f"the graph calls the function {name!r}, which it does not have")
            self._plans[name] = self._functions[name].plan(self)
        return self._plans[name]

    def look_through(self, names: set[str]) -> set[str]:
        """Find what the functions of these names need, before anything runs; and those that they call, too.

        Raises:
            UnrolledError: an operator or a function is not there.
        """
        waiting, seen = list(names), set(names)
        while waiting:
            more = self.plan(waiting.pop()).functions - seen
            seen |= more
            waiting += more
        return seen

    def call(self, run: Run, name: str, arguments: Sequence[Any]) -> list[Any]:
        """The results of a function."""
        plan = self.plan(name)
        if len(arguments) != len(plan.fed):
            raise UnrolledError(
                f"the function {name!r} got {len(arguments)} arguments, expected {len(plan.fed)}"
            )
        return execute(plan, arguments, run)[: len(self._functions[name].outputs)]


def read_nodes(messages: Sequence[memoryview]) -> Mapping[str, Node]:
    """Nodes by name, from NodeDefs.

    Raises:
        DamagedError: two have one name.
    """
    nodes = {node.name: node for node in (Node(Message(message)) for message in messages)}
    if len(nodes) != len(messages):
        raise DamagedError("two nodes of its graph have the same name")
    return nodes
