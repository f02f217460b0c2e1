"""ONNX models: shapes, files beside them, nodes that multiply what they are given, and metadata that lie."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attacks import innocent
from attacks.attack import Call, add, attack
from attacks.paths import KINDS
from unrolled.onnx import load
from unrolled.onnx.require import require

require()  # before memory is held short
import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FLOAT = TensorProto.FLOAT


def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [output], **attributes)


def classifier(*nodes: Any, **constants: Any) -> Any:
    """A model of a recurrent layer of 2 and a dense one, whose "logits" go through `nodes`."""
    random = np.random.default_rng(0)
    values: dict[str, Any] = {
        "W": random.normal(size=(1, 2, 3)),
        "R": random.normal(size=(1, 2, 2)),
        "dense": random.normal(size=(2, 4)),
        "axis": np.array([0]),
        **constants,
    }
    body = [
        helper.make_node("RNN", ["x", "W", "R"], ["", "h"], name="rnn", hidden_size=2),
        node("Squeeze", ["h", "axis"], "last"),
        node("MatMul", ["last", "dense"], "logits"),
        *nodes,
    ]
    held = [
        numpy_helper.from_array(
            np.asarray(value, None if np.asarray(value).dtype.kind == "i" else "f4"), name
        )
        for name, value in values.items()
    ]
    end = nodes[-1].output[0] if nodes else "logits"
    graph = helper.make_graph(
        body,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, ["T", "N", 3])],
        [helper.make_tensor_value_info(end, FLOAT, None)],
        held,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def importing(model: Any, folder: Path) -> list[str]:
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return ["import-onnx", str(path), "--run", str(folder / "run")]


def tensor(model: Any, name: str) -> Any:
    return next(each for each in model.graph.initializer if each.name == name)


@attack(r"'W' has shape \[1099511627776, 1048576\] and 6 numbers")
def a_tensor_of_more_numbers_than_there_are(folder: Path) -> Call:
    model = classifier()
    tensor(model, "W").dims[:] = [2**40, 2**20]
    return importing(model, folder)


@attack(r"has shape \[-1, -6\]")
def a_tensor_of_two_negative_sizes(folder: Path) -> Call:
    model = classifier()
    tensor(model, "W").dims[:] = [-1, -6]
    return importing(model, folder)


@attack("expected .*R|hidden_size")
def a_recurrent_layer_that_claims_to_be_two_billion_wide(folder: Path) -> Call:
    model = classifier()
    model.graph.node[0].attribute[0].i = 2**31
    return importing(model, folder)


def lying_in(location: str, **said: str) -> Callable[[Path], Call]:
    """A weight that lies in a file of that name."""

    def make(folder: Path) -> Call:
        model = classifier()
        weight = tensor(model, "W")
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **said}.items():
            weight.external_data.add(key=key, value=value)
        return importing(model, folder)

    return make


for where in ("../../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../b", "a\nb/c"):
    add(f"a tensor that lies in {where!r}", lying_in(where), "expected a file beside the model")
add("a tensor that lies in a file with a zero in its name", lying_in("a\0b"), "no file can be called")
add("a tensor that lies nowhere", lying_in("model.onnx", offset="much"), "lies nowhere")
add(
    "a tensor that lies beyond its file",
    lying_in("model.onnx", offset=str(2**62)),
    "said to be 24 bytes from 4,611,686,018,427,387,904 on",
)
add("a tensor that lies before its file", lying_in("model.onnx", offset="-24"), "24 bytes from -24 on")
for kind, put in KINDS.items():

    def _beside(folder: Path, put: Callable[[Path], None] = put) -> Call:
        put(folder / "weights.bin")
        return lying_in("weights.bin")(folder)

    add(f"a tensor that lies in a {kind}", _beside, "cannot read .*weights.bin")


@attack("is no ONNX model, or it is damaged|operators that are not read: If")
def graphs_within_graphs_ten_thousand_deep(folder: Path) -> Call:
    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph = b""
    for _ in range(10_000):  # a graph with a node with an attribute that is a graph
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
    return importing(field(7, graph), folder)


GROWING: dict[str, list[Any]] = {
    "doubles by joining with itself": [
        node("Concat", [f"v{n}", f"v{n}"], f"v{n + 1}", axis=0) for n in range(60)
    ],
    "doubles by tiling": [node("Tile", [f"v{n}", "two"], f"v{n + 1}") for n in range(60)],
    "is a table of sums": [
        node("Reshape", ["v0", "column"], "w0"),
        *(
            each
            for n in range(30)
            for each in (
                node("Reshape", [f"w{n}", "row"], f"r{n}"),
                node("Reshape", [f"w{n}", "column"], f"c{n}"),
                node("Add", [f"c{n}", f"r{n}"], f"w{n + 1}"),
            )
        ),
    ],
    "is of a shape that stands there": [node("Expand", ["one", "giant"], "e"), node("Add", ["e", "e"], "w")],
    "is kept a thousand times": [
        node("Expand", ["one", "large"], "e"),
        *(node("Add", ["e", "e"], f"k{n}") for n in range(1000)),
        node("Sum", [f"k{n}" for n in range(1000)], "w"),
    ],
    "is padded": [node("Pad", ["v0", "pads"], "w")],
    "is convolved with room around": [node("Conv", ["three", "kernel"], "w", pads=[2**29, 2**29])],
    "is convolved with holes": [
        node("Conv", ["three", "kernel"], "w", dilations=[2**29], auto_pad="SAME_UPPER")
    ],
    "is multiplied for ever": [
        node("Expand", ["one", "large"], "m0"),
        *(node("MatMul", [f"m{n}", "m0"], f"m{n + 1}") for n in range(1000)),
    ],
    "is summed for ever": [
        node("Expand", ["one", "large"], "s0"),
        *(node("Exp", [f"s{n}"], f"s{n + 1}") for n in range(2000)),
    ],
    "is multiplied over all its letters": [
        node("Einsum", ["big", "big", "big"], "w", equation="ab,cd,ef->ace")
    ],
    "is counted": [node("Range", ["zero", "end", "step"], "w")],
    "is hot at one place of a billion": [node("OneHot", ["places", "billion", "both"], "w")],
}
GIVEN = {
    "two": np.array([2, 1]),
    "column": np.array([-1, 1]),
    "row": np.array([1, -1]),
    "one": np.ones((1, 1)),
    "giant": np.array([2**15, 2**15]),
    "large": np.array([2**12, 2**12]),
    "pads": np.array([0, 2**27, 0, 2**27]),
    "three": np.ones((1, 1, 4)),
    "kernel": np.ones((1, 1, 2)),
    "big": np.ones((300, 300)),
    "zero": np.array(0),
    "end": np.array(2**40),
    "step": np.array(1),
    "places": np.zeros((1000, 1000), "i8"),
    "billion": np.array(10**9),
    "both": np.array([0.0, 1.0]),
}
for what, nodes in GROWING.items():

    def _growing(folder: Path, nodes: list[Any] = nodes) -> Call:
        def renamed(each: Any) -> Any:
            copied = onnx.NodeProto.FromString(each.SerializeToString())
            copied.input[:] = ["logits" if name == "v0" else name for name in each.input]
            return copied

        used = {name for each in nodes for name in each.input} & set(GIVEN)
        return importing(classifier(*map(renamed, nodes), **{name: GIVEN[name] for name in used}), folder)

    add(f"a value that {what}", _growing, "cannot be computed: |none computes what it computes")


@attack("it has more than 1,000 dense layers")
def fifty_thousand_dense_layers_one_behind_the_other(folder: Path) -> Call:
    nodes = [node("MatMul", ["logits" if n == 0 else f"d{n}", "square"], f"d{n + 1}") for n in range(50_000)]
    return importing(classifier(*nodes, square=np.eye(4)), folder)


@attack("has 200,004 nodes, expected 200,000 at most")
def more_nodes_than_any_model_has(folder: Path) -> Call:
    nodes = [node("Identity", ["logits" if n == 0 else f"d{n}"], f"d{n + 1}") for n in range(200_001)]
    return importing(classifier(*nodes), folder)


def loop(*nodes: Any, going: str = "going", after: str = "v") -> Any:
    """A loop whose length nothing bounds but what it says itself, with the logits as its state."""
    inputs = [
        helper.make_tensor_value_info("number", TensorProto.INT64, []),
        helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        helper.make_tensor_value_info("v", FLOAT, None),
    ]
    outputs = [
        helper.make_tensor_value_info(going, TensorProto.BOOL, []),
        helper.make_tensor_value_info(after, FLOAT, None),
        helper.make_tensor_value_info(after, FLOAT, None),
    ]
    body = helper.make_graph(list(nodes), "body", inputs, outputs)
    return helper.make_node("Loop", ["", "", "logits"], ["y", "all"], body=body)


LOOPS = {
    "without an end": loop(node("Neg", ["v"], "w"), after="w"),
    "without an end or a node": loop(),
    "that doubles what it has": loop(node("Concat", ["v", "v"], "w", axis=0), after="w"),
}
for what, made in LOOPS.items():

    def _looping(folder: Path, made: Any = made) -> Call:
        path = Path(importing(classifier(made), folder)[1])
        return lambda: load(path)(np.ones((2, 3, 3)))

    add(f"an ONNX loop {what}", _looping, r"Loop\) cannot be computed: it would (compute|hold) more")


@attack("within a loop|not read in loops: Loop")
def a_loop_within_a_loop(folder: Path) -> Call:
    return importing(classifier(loop(loop())), folder)


@attack(r"operators that are not read: \S{100}")
def an_operator_of_a_million_letters(folder: Path) -> Call:
    return importing(classifier(node("x" * 1_000_000, ["logits"], "y")), folder)


@attack("takes 'y', which nothing before it makes")
def a_value_that_is_made_of_itself(folder: Path) -> Call:
    return importing(classifier(node("Neg", ["y"], "y")), folder)


def exported(folder: Path, **said: str) -> Call:
    """A run that was exported, with other metadata."""
    from unrolled.onnx import export
    from unrolled.training import Run

    export(Run.open(innocent.run(folder / "first")), folder / "good.onnx")
    model = onnx.load(folder / "good.onnx")
    helper.set_model_props(model, {entry.key: entry.value for entry in model.metadata_props} | said)
    return importing(model, folder)


def network(**fields: Any) -> str:
    config = {"name": "mine", "layers": [["gru", 6]], "input_size": 28, "classes": 10}
    return json.dumps({**config, **fields})


SAID: dict[str, tuple[dict[str, str], str]] = {
    "of a network of gigabytes": ({"network": network(layers=[["gru", 2**24]])}, "and the network"),
    "of a thousand layers as wide as can be": (
        {"network": network(layers=[["lstm", 2**24]] * 1000)},
        "and the network",
    ),
    "of a network of half a million nested lists": (
        {"network": "[" * 500_000 + "]" * 500_000},
        "nested too deeply",
    ),
    "of a million classes": ({"classes": json.dumps(["x"] * 1_000_000)}, "1000000 classes have names"),
    "of a likeness that unpacks to gigabytes": (
        {"likeness": base64.b64encode(zlib.compress(bytes(2**28), 9)).decode(), "calibration": "{}"},
        "likeness is damaged: .*unpacks to more",
    ),
    "of a seed that is no number": ({"seed": "1e999"}, "seed is damaged"),
    "of a task with escape sequences": ({"task": "\x1b[2J"}, "unknown task"),
    "of a name with line breaks": (
        {"network": network(name="a\nb\nc", read="mean")},
        "its graph is not that of",
    ),
}
for what, (said, says) in SAID.items():
    add(
        f"metadata of an ONNX model {what}",
        lambda folder, said=said: exported(folder, **said),
        says,
    )
