"""ONNX Runtime: the standard's LSTM, GRU and RNN operators, for inference; x is time-major, as theirs."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.protocol import Array, Problem, Steps

VERSION = f"onnxruntime {onnxruntime.__version__}"
# The operator, its attributes, and where its gates stand among torch's.
OPERATORS = {
    "lstm": ("LSTM", {}, (0, 3, 1, 2)),
    "gru": ("GRU", {"linear_before_reset": 1}, (1, 0, 2)),
    "gru-before": ("GRU", {"linear_before_reset": 0}, (1, 0, 2)),
    "rnn": ("RNN", {}, (0,)),
}


def build(problem: Problem, threads: int) -> Steps:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model(problem).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {"x": np.ascontiguousarray(problem.x.swapaxes(0, 1))}
    if problem.lengths is not None:
        given["lengths"] = problem.lengths

    return Steps(
        outputs=lambda: session.run(None, given)[0].swapaxes(0, 1), infer=lambda: session.run(None, given)
    )


def model(problem: Problem) -> object:
    """One node for each layer, and what lays its directions [T, D, N, H] beside each other: [T, N, D H]."""
    operator, attributes, order = OPERATORS[problem.cell]
    direction = "bidirectional" if problem.directions == 2 else "forward"
    lengths = "lengths" if problem.lengths is not None else ""
    constants = {"beside": np.array([0, 0, -1], np.int64)}
    nodes, y = [], "x"
    for layer in range(problem.layers):
        ways = [problem.of(layer, way) for way in range(problem.directions)]
        H = ways[0]["weight_hh"].shape[1]
        W, U, b = f"W{layer}", f"U{layer}", f"b{layer}"
        constants[W] = np.stack([ordered(w["weight_ih"], order) for w in ways])
        constants[U] = np.stack([ordered(w["weight_hh"], order) for w in ways])
        biases = ("bias_ih", "bias_hh")
        constants[b] = np.stack([np.concatenate([ordered(w[n], order) for n in biases]) for w in ways])
        nodes += [
            helper.make_node(
                operator,
                [y, W, U, b, lengths],
                [f"raw{layer}"],
                hidden_size=H,
                direction=direction,
                **attributes,
            ),
            helper.make_node("Transpose", [f"raw{layer}"], [f"turned{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"turned{layer}", "beside"], [f"y{layer}"]),
        ]
        y = f"y{layer}"
    N, T, I = problem.x.shape
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [T, N, I])]
    if lengths:
        inputs.append(helper.make_tensor_value_info(lengths, TensorProto.INT32, [N]))
    outputs = [helper.make_tensor_value_info(y, TensorProto.FLOAT, [T, N, problem.target.shape[1]])]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "layers", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def ordered(value: Array, order: tuple[int, ...]) -> Array:
    """The gates in the operator's order."""
    gates = np.split(value, len(order))
    return np.concatenate([gates[gate] for gate in order])
