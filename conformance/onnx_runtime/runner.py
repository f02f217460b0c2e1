"""ONNX Runtime on its CPU provider: the operators RNN, LSTM and GRU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from conformance.layouts import laid_out
from conformance.problem import Array, Layer, Problem, sizes
from conformance.protocol import Numbers, serve

LACKS = {
    "gradients": "inference alone",
    "second derivatives": "inference alone",
    "projection": "the LSTM operator has no projection",
    "cell clip": "`clip` bounds what goes into the activations, not c",
    "projection clip": "the LSTM operator has no projection",
    "forget bias": "the LSTM operator has no forget bias beside its biases",
    "mask": "the operators have lengths; no other steps can be left out",
    "resets": "a sequence has one beginning",
    "every-step states": "Y_c is of the last step",
    "static": "there is one operator for all steps",
    "stacks apart": "operators are composed by the program",
    "asks for a dtype": "a missing state is zeros of the input's type",
    "states in one piece": "initial_h and initial_c may each be left out",
    "state as one tensor": "an LSTM's state is two tensors",
    "told path": "it is not told which kernels ran",
} | dict.fromkeys(
    (
        f"{p} dropout"
        for p in (
            *("input", "variational input", "output", "state", "recurrent", "candidate"),
            "between layers",
        )
    ),
    "the operators have no dropout",
)
# Where each of the definition's gates stands: LSTM i, o, f, c; GRU z, r, h.
ORDER = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}
OPSET, IR = 22, 10


def run(problem: Problem) -> Numbers:
    numpy_type = _numpy_type(problem.dtype)
    x = laid_out(problem.x.astype(numpy_type), problem.layout)
    model = _model(problem, x)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    feeds = {"x": x} | {f"state.{name}": v.astype(numpy_type)[None] for name, v in problem.state.items()}
    if problem.lengths is not None:
        feeds["lengths"] = np.asarray(problem.lengths, np.int32)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, feeds), strict=True))
    return _answer(problem, found)


def _numpy_type(dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype)


def _model(problem: Problem, x: Any) -> onnx.ModelProto:
    kind = {
        "float32": TensorProto.FLOAT,
        "float64": TensorProto.DOUBLE,
        "bfloat16": TensorProto.BFLOAT16,
    }[problem.dtype]
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    inputs = [helper.make_tensor_value_info("x", kind, x.shape)]
    outputs: list[Any] = []
    if problem.lengths is not None:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [len(problem.lengths)]))
    for name, value in problem.state.items():
        inputs.append(helper.make_tensor_value_info(f"state.{name}", kind, [1, *value.shape]))
    # The operators' own layout has time first.
    y = "x"
    if problem.layout != "time major":
        nodes.append(helper.make_node("Transpose", ["x"], ["x.t"], perm=[1, 0, 2]))
        y = "x.t"
    for number, layer in enumerate(problem.layers):
        y = _add(problem, number, layer, y, nodes, weights, outputs, kind)
    outputs.append(helper.make_tensor_value_info(y, kind, None))
    graph = helper.make_graph(nodes, "case", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


def _add(
    problem: Problem,
    number: int,
    layer: Layer,
    y: str,
    nodes: list[Any],
    weights: list[Any],
    outputs: list[Any],
    kind: int,
) -> str:
    """One layer's operator; the name of its outputs [T, N, D H]."""
    ways = list(layer.ways)
    H = sizes(layer, ways[0])[-1]
    numpy_type = _numpy_type(problem.dtype)
    first = layer.ways[ways[0]]
    names = {"W": "W", "U": "R"}
    operands = [y]
    for name, outer in names.items():
        value = np.stack([_ordered(layer, layer.ways[way][name], H) for way in ways])
        weights.append(numpy_helper.from_array(value.astype(numpy_type), f"{number}.{outer}"))
        operands.append(f"{number}.{outer}")
    operands.append("")
    if "b" in first:
        value = np.stack([_bias(layer, layer.ways[way], H) for way in ways])
        weights.append(numpy_helper.from_array(value.astype(numpy_type), f"{number}.B"))
        operands[-1] = f"{number}.B"
    operands.append("lengths" if problem.lengths is not None else "")
    parts = ("h", "c") if layer.cell == "lstm" else ("h",)
    for part in parts:
        given = [f"state.{number}.{way}.{part}" for way in ways if f"{number}.{way}.{part}" in problem.state]
        if len(given) == 2:
            nodes.append(helper.make_node("Concat", given, [f"{number}.start.{part}"], axis=0))
            given = [f"{number}.start.{part}"]
        operands.append(given[0] if given else "")
    if "pi" in first:
        value = np.stack([np.concatenate([layer.ways[w][p] for p in ("pi", "po", "pf")]) for w in ways])
        weights.append(numpy_helper.from_array(value.astype(numpy_type), f"{number}.P"))
        operands.append(f"{number}.P")
    attributes: dict[str, Any] = {
        "hidden_size": H,
        "direction": "bidirectional" if len(ways) == 2 else {"backward": "reverse"}.get(ways[0], "forward"),
    }
    if layer.cell == "gru":
        attributes["linear_before_reset"] = int(layer.options["reset"] == "after")
    if layer.options.get("activation") == "relu":
        attributes["activations"] = ["Relu"] * len(ways)
    results = [f"{number}.Y", *(f"{number}.Y_{part}" for part in parts)]
    nodes.append(helper.make_node(layer.cell.upper(), operands, results, **attributes))
    outputs += [helper.make_tensor_value_info(name, kind, None) for name in results[1:]]
    # [T, D, N, H] -> [T, N, D H]
    weights.append(
        numpy_helper.from_array(
            np.array([0, 0, -1 if problem.x.size else len(ways) * H], np.int64), f"{number}.shape"
        )
    )
    nodes.append(helper.make_node("Transpose", [f"{number}.Y"], [f"{number}.t"], perm=[0, 2, 1, 3]))
    nodes.append(helper.make_node("Reshape", [f"{number}.t", f"{number}.shape"], [f"{number}.y"]))
    return f"{number}.y"


def _ordered(layer: Layer, value: Array, H: int) -> Array:
    return np.concatenate([value[k * H : (k + 1) * H] for k in ORDER[layer.cell]])


def _bias(layer: Layer, weights: dict[str, Array], H: int) -> Array:
    b = weights["b"]
    d = weights.get("d", np.zeros_like(b))
    return np.concatenate([_ordered(layer, b, H), _ordered(layer, d, H)])


def _answer(problem: Problem, found: dict[str, Array]) -> Numbers:
    top = len(problem.layers) - 1
    answer = {"outputs": found[f"{top}.y"].swapaxes(0, 1)}
    for number, layer in enumerate(problem.layers):
        for part in ("h", "c") if layer.cell == "lstm" else ("h",):
            for k, way in enumerate(layer.ways):
                answer[f"final.{number}.{way}.{part}"] = found[f"{number}.Y_{part}"][k]
    return {name: answer[name] for name in problem.asked_of(answer)}


if __name__ == "__main__":
    serve("ONNX Runtime", {"onnxruntime": ort.__version__, "onnx": onnx.__version__}, LACKS, run)
