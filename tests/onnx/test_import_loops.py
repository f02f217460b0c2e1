"""Loops along time: run as ONNX Runtime runs them, and recognised as the layers that they compute."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.onnx.models import model, numbers, saved
from unrolled import GRUCell, LSTMCell, RNNCell, UnrolledError, dynamic_unroll
from unrolled.onnx import find_network, load

GATES = {"LSTM": 4, "GRU": 3, "GRU before": 3, "RNN": 1, "RNN relu": 1}
KINDS = {"LSTM": LSTMCell, "GRU": GRUCell, "GRU before": GRUCell, "RNN": RNNCell, "RNN relu": RNNCell}


def node(op, inputs, *outputs, **attributes):
    return helper.make_node(op, inputs.split(), list(outputs), **attributes)


def step(kind):
    """The nodes from x_t, h (and c) to new_h (and new_c), as Keras has them."""
    gates = ("xz", "xr", "xn"), ("hz", "hr", "hn")
    nodes = [node("MatMul", "x_t W", "x_W"), node("Add", "x_W b", "from_x")]
    if kind.startswith("RNN"):
        act = "Relu" if kind.endswith("relu") else "Tanh"
        return [
            *nodes,
            node("MatMul", "h R", "h_R"),
            node("Add", "from_x h_R", "all"),
            node(act, "all", "new_h"),
        ]
    if kind == "LSTM":
        acts = ("Sigmoid", "Sigmoid", "Tanh", "Sigmoid")
        nodes += [node("MatMul", "h R", "h_R"), node("Add", "from_x h_R", "all")]
        nodes += [node("Split", "all", *"ifco", axis=-1)]  # Keras' order
        nodes += [node(op, name, f"{name}_") for op, name in zip(acts, "ifco", strict=True)]
        nodes += [
            node("Mul", "f_ state_c", "f_c"),
            node("Mul", "i_ c_", "i_g"),
            node("Add", "f_c i_g", "new_c"),
        ]
        return [*nodes, node("Tanh", "new_c", "shown"), node("Mul", "o_ shown", "new_h")]
    nodes.append(node("Split", "from_x", *gates[0], axis=-1))
    if kind == "GRU":
        nodes += [node("MatMul", "h R", "h_R"), node("Add", "h_R d", "from_h")]
        nodes += [node("Split", "from_h", *gates[1], axis=-1)]
    else:
        nodes += [node("Split", "R thirds", "Rz", "Rr", "Rn", axis=1)]
        nodes += [node("MatMul", f"h R{gate}", f"h{gate}") for gate in "zr"]
    for gate in "zr":
        nodes += [node("Add", f"x{gate} h{gate}", f"{gate}_all"), node("Sigmoid", f"{gate}_all", gate)]
    if kind == "GRU":
        nodes += [node("Mul", "r hn", "r_hn")]
    else:
        nodes += [node("Mul", "r h", "r_h"), node("MatMul", "r_h Rn", "r_hn")]
    nodes += [node("Add", "xn r_hn", "n_all"), node("Tanh", "n_all", "n"), node("Sub", "one z", "rest")]
    nodes += [node("Mul", "z h", "z_h"), node("Mul", "rest n", "rest_n")]
    return [*nodes, node("Add", "z_h rest_n", "new_h")]


def looped(kind, inputs=3, hidden=2, change=(), seed=0, dense=False):
    """X [N, T, I] to h of all steps [T, N, H] and the last one, by a Loop; `change` comes behind new_h."""
    width = GATES[kind] * hidden
    constants = {
        "W": numbers(inputs, width, seed=seed),
        "R": numbers(hidden, width, seed=seed + 1),
        "b": numbers(width, seed=seed + 2),
        "d": numbers(width, seed=seed + 3),
        "thirds": np.array([hidden] * 3),
        "one": np.float32(1),
        "zero": np.array(0),
        "first": np.array([0]),
        "second": np.array([1]),
        "H": np.array([hidden]),
        "nothing": np.float32(0),
    }
    if kind == "GRU":  # whose two biases are one constant, taken apart by its body
        constants["both"] = np.stack([constants.pop("b"), constants.pop("d")])
    used = {"GRU before": ("thirds",)}.get(kind, ())
    constants = {
        name: value for name, value in constants.items() if name not in ("d", "thirds") or name in used
    }
    states = ["h", "state_c"] if kind == "LSTM" else ["h"]
    after = ["changed" if change else "new_h", "new_c"][: len(states)]
    parted = [node("Split", "both", "b2", "d2", axis=0)]
    parted += [node("Squeeze", f"{name}2 first", name) for name in "bd"]
    body = [
        *(parted if kind == "GRU" else []),
        node("Gather", "turned t", "x_t", axis=0),
        *step(kind),
        *change,
        node("Add", "t step", "next_t"),
        node("Less", "next_t T", "more"),
        node("Identity", after[0], "out"),
    ]  # fmt: skip
    value = helper.make_tensor_value_info
    floats, whole = TensorProto.FLOAT, TensorProto.INT64
    taken = [value("number", whole, []), value("going", TensorProto.BOOL, []), value("t", whole, [])]
    given = [value("more", TensorProto.BOOL, []), value("next_t", whole, [])]
    taken += [value(name, floats, ["N", hidden]) for name in states]
    given += [value(name, floats, ["N", hidden]) for name in (*after, "out")]
    step_of_one = onnx.numpy_helper.from_array(np.array(1), "step")
    graph = helper.make_graph(body, "body", taken, given, [step_of_one])
    nodes = [
        node("Transpose", "X", "turned", perm=[1, 0, 2]),
        node("Shape", "turned", "sizes"),
        node("Gather", "sizes zero", "T", axis=0),
        node("Gather", "sizes second", "N", axis=0),
        node("Concat", "N H", "state_shape", axis=0),
        node("Expand", "nothing state_shape", "zeros"),
        helper.make_node(
            "Loop",
            ["T", "", "zero", *(["zeros"] * len(states))],
            ["end", *(f"last_{name}" for name in states), "all"],
            body=graph,
            name="walk",
        ),
    ]
    outputs = ["all", "last_h"]
    if dense:
        constants |= {"dense": numbers(hidden, 4, seed=8), "shift": numbers(4, seed=9)}
        nodes += [node("MatMul", "last_h dense", "product"), node("Add", "product shift", "logits")]
        outputs = ["logits"]
    return model(nodes, [value("X", floats, ["N", "T", inputs])], outputs, constants)


cases = st.tuples(
    st.sampled_from(list(GATES)), st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.integers(1, 3),
    st.integers(0, 99),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(cases)
def test_a_loop_computes_what_onnx_runtime_does_and_its_cell_the_same(tmp_path_factory, case):
    runtime = pytest.importorskip("onnxruntime")
    kind, inputs, hidden, time, batch, seed = case
    path = saved(looped(kind, inputs, hidden, seed=seed), tmp_path_factory.mktemp("model"))
    read = load(path)
    x = np.random.default_rng(7).normal(size=(batch, time, inputs)).astype("f4")
    came = read(x)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for name, expected in zip(came, session.run(list(came), {"X": x}), strict=True):
        np.testing.assert_allclose(came[name].detach(), expected, rtol=0, atol=1e-5)
    (cell,) = read.cells.values()
    assert type(cell) is KINDS[kind]
    outputs, _ = dynamic_unroll(cell, torch.from_numpy(x))
    np.testing.assert_allclose(outputs.detach(), came["all"].detach().movedim(0, 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", GATES)
def test_the_network_of_a_loop_is_found(kind, tmp_path):
    network, proof = find_network(load(saved(looped(kind, dense=True), tmp_path)), "mine")
    assert proof.startswith("network and model agree within")
    assert network.config.layers[0][:2] == (kind.split()[0].lower(), 2)


def test_a_loop_that_computes_something_else_is_run_and_has_no_cell(tmp_path):
    path = saved(looped("GRU", dense=True, change=[node("Mul", "new_h new_h", "changed")]), tmp_path)
    read = load(path)
    assert not read.cells
    assert read(torch.randn(2, 3, 3))["logits"].shape == (2, 4)
    with pytest.raises(UnrolledError, match="it has no recurrent layer whose weights it holds"):
        find_network(read, "mine")


def test_what_no_loop_can_be_is_told_in_one_line(tmp_path):
    made = looped("RNN")
    made.graph.node[-1].attribute[0].g.node.append(node("TopK", "new_h new_h", "p", "q"))
    with pytest.raises(
        UnrolledError, match=r"the loop 'walk' has operators that are not read in loops: TopK"
    ):
        load(saved(made, tmp_path))
    made = looped("RNN")
    made.graph.node[-1].input.append("zeros")
    with pytest.raises(UnrolledError, match="the loop 'walk' has no body that fits it"):
        load(saved(made, tmp_path))
    made = looped("RNN")
    made.graph.node[-1].attribute[0].g.node[0].input[0] = "nowhere"
    with pytest.raises(
        UnrolledError, match=r"'walk' \(Loop\) takes 'nowhere', which nothing before it makes"
    ):
        load(saved(made, tmp_path))
