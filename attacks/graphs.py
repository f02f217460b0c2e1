"""TensorFlow's graphs that run: loops without ends, functions that multiply, numbers that no memory holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from attacks.attack import Call, attack
from unrolled.tf1 import Graph
from unrolled.tf1.checkpoints.dtypes import NUMBERS, write_shape
from unrolled.tf1.checkpoints.wire import bytes_field, integer_field


def attribute(name: str, content: bytes) -> bytes:
    return bytes_field(5, bytes_field(1, name.encode()) + bytes_field(2, content))


def calls(**functions: str) -> bytes:
    """Attributes that name functions."""
    return b"".join(
        attribute(key, bytes_field(10, bytes_field(1, name.encode()))) for key, name in functions.items()
    )


def node(name: str, op: str, *inputs: str, attributes: bytes = b"") -> bytes:
    content = bytes_field(1, name.encode()) + bytes_field(2, op.encode())
    return content + b"".join(bytes_field(3, given.encode()) for given in inputs) + attributes


def constant(name: str, value: object, *after: str) -> bytes:
    array = np.asarray(value)
    tensor = integer_field(1, NUMBERS[array.dtype]) + bytes_field(2, write_shape(array.shape))
    tensor += bytes_field(4, array.tobytes())
    return node(name, "Const", *after, attributes=attribute("value", bytes_field(8, tensor)))


def function(name: str, result: str, *nodes: bytes) -> bytes:
    """A function of one argument, `a`, that returns one value."""
    signature = bytes_field(1, name.encode()) + bytes_field(2, bytes_field(1, b"a"))
    signature += bytes_field(3, bytes_field(1, b"r"))
    content = bytes_field(1, signature) + b"".join(bytes_field(3, each) for each in nodes)
    return content + bytes_field(4, bytes_field(1, b"r") + bytes_field(2, result.encode()))


def graph(folder: Path, *nodes: bytes, functions: tuple[bytes, ...] = ()) -> Path:
    library = b"".join(bytes_field(1, each) for each in functions)
    path = folder / "graph.pb"
    path.write_bytes(b"".join(bytes_field(1, each) for each in nodes) + bytes_field(2, library))
    return path


def running(path: Path, fetch: str = "y:0", seconds: float | None = None) -> Callable[[], object]:
    return lambda: Graph.load(path).run(fetch, seconds=seconds)


@attack("'n9' was not computed: .* in a circle")
def a_graph_to_run_of_sixty_thousand_tangled_nodes(folder: Path) -> Call:
    nodes = [
        node(f"n{n}", ("AddV2", "Mul")[n % 2], *(f"n{(n * k + k) % 60_000}" for k in (7, 11)))
        for n in range(60_000)
    ]
    return running(graph(folder, *nodes), "n9:0")


@attack("ran for more than 1 s: a loop may never end")
def a_loop_of_functions_without_an_end(folder: Path) -> Call:
    body = function("body", "n:y:0", node("n", "Neg", "a"))
    always = function("always", "c:output:0", constant("c", True))
    loop = node("y", "While", "x", attributes=calls(cond="always", body="body"))
    return running(graph(folder, constant("x", 1.0), loop, functions=(body, always)), seconds=1.0)


@attack("ran for more than 1 s: a loop may never end")
def a_loop_of_old_without_an_end(folder: Path) -> Call:
    frame = attribute("frame_name", bytes_field(2, b"frame"))
    nodes = [
        constant("one", 1.0),
        constant("true", True),
        node("enter", "Enter", "one", attributes=frame),
        node("always", "Enter", "true", attributes=frame + attribute("is_constant", integer_field(5, 1))),
        node("merge", "Merge", "enter", "next"),
        node("switch", "Switch", "merge", "always"),
        node("next", "NextIteration", "switch:1"),
        node("y", "Exit", "switch"),
    ]
    return running(graph(folder, *nodes), seconds=1.0)


@attack("call each other without an end")
def a_function_that_calls_itself(folder: Path) -> Call:
    again = function("again", "c:output:0", node("c", "PartitionedCall", "a", attributes=calls(f="again")))
    return running(graph(folder, constant("x", 1.0), node("y", "again", "x"), functions=(again,)))


@attack("ran for more than 1 s")
def functions_that_each_call_the_next_twice(folder: Path) -> Call:
    functions = [function("f40", "n:y:0", node("n", "Neg", "a"))]
    for k in range(40):
        call = calls(f=f"f{k + 1}")
        nodes = (
            node("b", "PartitionedCall", "a", attributes=call),
            node("c", "PartitionedCall", "b", attributes=call),
        )
        functions.append(function(f"f{k}", "c:output:0", *nodes))
    path = graph(folder, constant("x", 1.0), node("y", "f0", "x"), functions=tuple(functions))
    return running(path, seconds=1.0)


@attack("'y' .Fill. failed: .* more than this machine can hold")
def a_tensor_of_a_million_terabytes(folder: Path) -> Call:
    nodes = (
        constant("shape", np.array([2**30, 2**28])),
        constant("one", 1.0),
        node("y", "Fill", "shape", "one"),
    )
    return running(graph(folder, *nodes))


@attack("reads 'x:999999999', an output that no node has")
def an_output_whose_number_is_a_billion(folder: Path) -> Call:
    return running(graph(folder, constant("x", 1.0), node("y", "Neg", "x:999999999")))


@attack("is damaged: it has a variable of shape|'c' is damaged")
def a_constant_of_impossible_shape(folder: Path) -> Call:
    tensor = integer_field(1, 1) + bytes_field(2, write_shape((2**50, 2**50)))
    given = node("c", "Const", attributes=attribute("value", bytes_field(8, tensor)))
    return running(graph(folder, given), "c:0")


@attack("'x:0' is no tensor but|has no value|is no variable|'y' .* failed")
def an_array_of_tensors_where_a_tensor_should_be(folder: Path) -> Call:
    array = node("x", "TensorArrayV3", "size", attributes=attribute("dtype", integer_field(6, 1)))
    return running(graph(folder, constant("size", np.int32(3)), array, node("y", "Neg", "x")))


@attack("is damaged: it holds no graph")
def a_saved_model_that_is_empty(folder: Path) -> Call:
    (folder / "saved_model.pb").write_bytes(b"")
    return ["run-tf1", str(folder)]


@attack("is a SavedModel as text")
def a_saved_model_as_text(folder: Path) -> Call:
    (folder / "saved_model.pbtxt").write_text("meta_graphs {")
    return ["run-tf1", str(folder)]
