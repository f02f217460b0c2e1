"""Models of one recurrent node, or of a few nodes, to be read."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STATES = {"LSTM": ("initial_h", "initial_c"), "GRU": ("initial_h",), "RNN": ("initial_h",)}


def numbers(*shape, seed):
    return (np.random.default_rng(seed).normal(size=shape) * 0.5).astype("f4")


def recurrent(
    op, directions=1, inputs=3, hidden=2, *, bias=True, peepholes=False, lengths=False, states=False,
    name="rnn", seed=0, **attributes,
):  # fmt: skip
    """A model of one node with random weights: X [T, N, I] to Y, Y_h, and of an LSTM Y_c."""
    gates = GATES[op]
    weights = {
        "W": numbers(directions, gates * hidden, inputs, seed=seed),
        "R": numbers(directions, gates * hidden, hidden, seed=seed + 1),
    }
    if bias:
        weights["B"] = numbers(directions, 2 * gates * hidden, seed=seed + 2)
    if peepholes:
        weights["P"] = numbers(directions, 3 * hidden, seed=seed + 3)
    places = ["X", "W", "R", "B" * bias, "sequence_lens" * lengths]
    if states:
        places += STATES[op]
    if peepholes:
        places += [""] * (7 - len(places)) + ["P"]
    outputs = ["Y", "Y_h", *(["Y_c"] if op == "LSTM" else [])]
    direction = "bidirectional" if directions == 2 else "forward"
    node = helper.make_node(
        op, places, outputs, name=name, hidden_size=hidden, **{"direction": direction, **attributes}
    )
    fed = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "N", inputs])]
    if lengths:
        fed.append(helper.make_tensor_value_info("sequence_lens", TensorProto.INT32, ["N"]))
    if states:
        fed += [
            helper.make_tensor_value_info(state, TensorProto.FLOAT, [directions, "N", hidden])
            for state in STATES[op]
        ]
    return model([node], fed, outputs, weights)


def model(nodes, inputs, outputs, constants):
    """A model of nodes and constants, by name."""
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", inputs, given, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def classifier(op="LSTM", inputs=28, hidden=5, classes=10, producer="", **options):
    """X [N, T, I] to logits [N, classes] by the final state of one recurrent layer."""
    made = recurrent(op, 1, inputs, hidden, **options)
    made.producer_name = producer
    made.graph.node[0].input[0] = "turned"
    made.graph.node.insert(0, helper.make_node("Transpose", ["X"], ["turned"], perm=[1, 0, 2]))
    made.graph.node.extend(
        [
            helper.make_node("Squeeze", ["Y_h", "axis"], ["last"]),
            helper.make_node("MatMul", ["last", "dense"], ["product"]),
            helper.make_node("Add", ["product", "shift"], ["logits"]),
        ]
    )
    constants = {"axis": np.array([0]), "dense": numbers(hidden, classes, seed=8)}
    constants["shift"] = numbers(classes, seed=9)
    made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    del made.graph.output[:]
    made.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes]))
    x = made.graph.input[0].type.tensor_type.shape
    x.dim[0].dim_param, x.dim[1].dim_param = "N", "T"
    return made


def saved(made, folder, name="model.onnx"):
    onnx.save(made, folder / name)
    return folder / name
