"""Which tensor of a graph is its answer: what a loss or a choice is made from, or what nothing reads."""

from __future__ import annotations

from collections.abc import Iterable

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.graph import ASIDE
from unrolled.tf1.graphs.graph import Graph as RunningGraph
from unrolled.tf1.graphs.networks.definition import PLACEHOLDERS, VARIABLES, Graph

SHOWN = 8  # names in a question
LOSSES = (
    "SparseSoftmaxCrossEntropyWithLogits",
    "SoftmaxCrossEntropyWithLogits",
    "InTopK",
    "InTopKV2",
    "CTCLoss",
)
CHOICES = ("ArgMax", "TopKV2", "TopK", "Multinomial")
SOFTMAXES = ("Softmax", "LogSoftmax")
LEFT_OVER = ("Exit", "RefExit", "Identity", "While", "StatelessWhile", "TensorArraySizeV3", "Print", "Assert")


def answer_tensor(graph: Graph, running: RunningGraph) -> str:
    """The logits of a graph, where it says which they are.

    Raises:
        UnrolledError: nothing says it, or it is not clear; the message asks.
    """
    asked: list[str] = []
    for candidates in (
        _signed(running),
        _before(graph, LOSSES),
        [
            f"{node}:0"
            for node in graph.nodes
            if node.rpartition("/")[2] == "logits" and not ASIDE.search(node)
        ],
        _before(graph, CHOICES),
        _before(graph, SOFTMAXES),
        _ends(graph, running),
    ):
        found = [name for name in dict.fromkeys(candidates) if _depends_on_input(graph, name)]
        if len(found) == 1:
            return found[0]
        asked += found
    names = list(dict.fromkeys([*asked, *(end for end in running.ends if _depends_on_input(graph, end))]))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    raise UnrolledError(
        f"which tensor is the graph's answer? {', '.join(names[:SHOWN]) or 'None is likely'}{more}: say it "
        "with --output"
    )


def _signed(running: RunningGraph) -> list[str]:
    """What the signature names, if it is one thing."""
    named = [name for signature in running.signatures.values() for name in signature.outputs.values()]
    return named if len(set(named)) == 1 else []


def _before(graph: Graph, ops: Iterable[str]) -> list[str]:
    """What nodes of these ops read, outside of loops and of what training adds."""
    found = []
    for node in graph.ops(*ops):
        if node.inputs and not ASIDE.search(node.name):
            name, output = node.inputs[0]
            for _ in range(5):  # a loss has its logits reshaped, a choice is often made of a softmax
                before = graph.nodes.get(name)
                if before is None or before.op not in ("Reshape", *SOFTMAXES) or not before.inputs:
                    break
                name, output = before.inputs[0]
            found.append(f"{name}:{output}")
    return found


def _ends(graph: Graph, running: RunningGraph) -> list[str]:
    """What nothing reads: that which is made of all variables, if there is one."""
    made: dict[str, frozenset[str]] = {}
    for end in running.ends:
        node = graph.nodes.get(end.partition(":")[0])
        if node is not None and node.op not in LEFT_OVER:
            before = (other.name for other in graph.before(node.name) if other.op in VARIABLES)
            made[end] = frozenset(before)
    every = frozenset[str]().union(*made.values())
    whole = [end for end, variables in made.items() if variables == every]
    return whole if len(whole) == 1 else list(made)


def _depends_on_input(graph: Graph, name: str) -> bool:
    before = graph.before(name.partition(":")[0])
    return any(node.op in PLACEHOLDERS for node in before)
