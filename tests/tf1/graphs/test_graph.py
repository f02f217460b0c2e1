"""Graphs of TensorFlow that run: what is fed, what is fetched, what is kept, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tf1.graphs.graph_files import (
    constant,
    definition,
    function,
    load,
    node,
    placeholder,
)
from unrolled import UnrolledError
from unrolled.tf1 import Graph, write_checkpoint
from unrolled.tf1.checkpoints.wire import bytes_field

X = np.array([[1.0, -2.0], [3.0, 4.0]], "f4")


def refused(message, call, *arguments, **options):
    with pytest.raises(UnrolledError, match=message) as raised:
        call(*arguments, **options)
    assert str(raised.value).isprintable()


def doubling(folder):
    return load(
        folder, placeholder(shape=(-1, 2)), constant("two", np.float32(2)), node("y", "Mul", "x", "two")
    )


def test_arrays_give_arrays_and_tensors_give_tensors_with_gradients(tmp_path):
    graph = doubling(tmp_path)
    assert isinstance(graph.run("y:0", {"x:0": X}), np.ndarray)
    x = torch.from_numpy(X).requires_grad_()
    y = graph.run("y:0", {"x:0": x})
    y.sum().backward()
    assert torch.equal(x.grad, torch.full((2, 2), 2.0))


def test_a_name_a_list_and_a_dict_are_given_back_as_they_came(tmp_path):
    graph = doubling(tmp_path)
    assert np.array_equal(graph.run(["y:0", "x:0"], {"x": X}), [2 * X, X])
    found = graph.run({"twice": "y:0", "only run": "y"}, {"x:0": X})
    assert found["only run"] is None
    assert np.array_equal(found["twice"], 2 * X)


def test_any_tensor_can_be_fed_and_what_is_before_it_is_not_run(tmp_path):
    graph = load(tmp_path, node("odd", "NobodyKnows"), node("y", "Neg", "odd:0"))
    assert np.array_equal(graph.run("y:0", {"odd:0": X}), -X)


def test_what_is_fed_gets_the_type_of_its_placeholder(tmp_path):
    graph = doubling(tmp_path)
    assert graph.run("y:0", {"x:0": [[1, 2]]}).dtype == np.float32
    whole = load(tmp_path, placeholder(dtype=np.int32))
    refused("'x:0' is float64, expected int32", whole.run, "x:0", {"x:0": [1.5]})


def test_mistakes_with_names_and_feeds_are_one_line(tmp_path):
    graph = doubling(tmp_path)
    refused("'x:0' must be fed: an array of float32", graph.run, "y:0")
    refused(r"'x:0' has shape \[2\], expected \[None, 2\]", graph.run, "y:0", {"x:0": [1, 2]})
    refused("unknown node 'yy': did you mean 'y'.*; the graph has 3 nodes", graph.run, "yy:0", {"x:0": X})
    refused("has no output 1", graph.run, "y:1", {"x:0": X})
    refused("'a:b' is no name of a tensor", graph.run, "a:b", {"x:0": X})
    refused("fetches are 3, expected a name", graph.run, 3)
    refused("'x:0' is no array of float32", graph.run, "y:0", {"x:0": "text"})


def test_operators_that_are_not_there_are_named_with_a_node_before_anything_runs(tmp_path):
    nodes = [
        node("first", "Assert", "no"),
        constant("no", False),
        node("bad", "Frobnicate", "first", "^first"),
    ]
    graph = load(tmp_path, *nodes, node("fine", "Neg", "one"), constant("one", X))
    refused(r"do not run here: Frobnicate \(node 'bad'\): fetch what comes before", graph.run, "bad:0")
    assert np.array_equal(graph.run("fine:0"), -X)


def test_operators_that_are_not_there_are_found_inside_functions_before_anything_runs(tmp_path):
    inner = function("inner", ["a"], {"r": "bad:y:0"}, node("bad", "Frobnicate", "a"))
    outer = function("outer", ["a"], {"r": "call:output:0"}, node("call", "PartitionedCall", "a", f=b"inner"))
    check = [constant("no", False), node("check", "Assert", "no")]
    call = node("y", "PartitionedCall", "x", "^check", f=b"outer")
    graph = load(tmp_path, constant("x", X), *check, call, functions=[inner, outer])
    refused(r"Frobnicate \(node 'bad'\)", graph.run, "y:0")


def test_a_node_that_fails_is_named(tmp_path):
    graph = load(tmp_path, constant("x", X), constant("w", X.T[:1]), node("in/y", "MatMul", "x", "w"))
    refused(r"the node 'in/y' \(MatMul\) failed: matrices \[2, 2\] and \[1, 2\]", graph.run, "in/y:0")
    graph = load(tmp_path, constant("x", X), constant("i", 1), node("y", "AddV2", "x", "i"))
    refused(r"'y' \(AddV2\) failed: torch.float32 and torch.int64 come", graph.run, "y:0")


def test_what_never_gets_its_inputs_is_refused_and_not_waited_for(tmp_path):
    around = [node("a", "Neg", "b"), node("b", "Neg", "a"), node("c", "Neg", "nowhere")]
    graph = load(tmp_path, *around)
    refused("'a' was not computed: .* in a circle", graph.run, "a:0")
    refused("the node 'c' needs 'nowhere', which is not in the graph", graph.run, "c:0")


def test_the_branch_that_is_not_taken_does_not_run(tmp_path):
    nodes = [
        constant("x", X),
        placeholder("p", np.bool_),
        node("s", "Switch", "x", "p"),
        node("yes", "Neg", "s:1"),
        node("no", "Frobnicate", "s:0"),
        node("no2", "MatMul", "s", "bad"),
        constant("bad", np.ones((7, 7), "f4")),
        node("m", "Merge", "no2", "yes"),
    ]
    graph = load(tmp_path, *nodes)
    y, taken = graph.run(["m:0", "m:1"], {"p:0": True})
    assert np.array_equal(y, -X)
    assert taken == 1
    refused(
        "'no2' was not computed: it stands in a branch that was not taken", graph.run, "no2:0", {"p:0": True}
    )
    refused("MatMul", graph.run, "m:0", {"p:0": False})


def counter(end, *after):
    """A loop of old that counts to `end`, and sums what it counts; each step waits for `after`."""
    return [
        constant("zero", np.int32(0)),
        constant("end", np.int32(end)),
        *(node(name, "Enter", "zero", frame_name="f") for name in ("i_in", "s_in")),
        node("end_in", "Enter", "end", frame_name="f", is_constant=True),
        node("i", "Merge", "i_in", "i_next"),
        node("s", "Merge", "s_in", "s_next"),
        node("less", "Less", "i", "end_in"),
        node("go", "LoopCond", "less"),
        node("i_sw", "Switch", "i", "go"),
        node("s_sw", "Switch", "s", "go"),
        constant("one_out", np.int32(1)),
        node("one", "Enter", "one_out", frame_name="f", is_constant=True),
        node("i_add", "AddV2", "i_sw:1", "one"),
        node("s_add", "AddV2", "s_sw:1", "i_sw:1"),
        node("i_next", "NextIteration", "i_add", *after),
        node("s_next", "NextIteration", "s_add"),
        node("sum", "Exit", "s_sw"),
    ]


@pytest.mark.parametrize("end", [0, 1, 7])
def test_a_loop_of_old_runs_as_often_as_it_says(tmp_path, end):
    assert load(tmp_path, *counter(end)).run("sum:0") == sum(range(end))


def test_a_loop_in_a_branch_that_is_not_taken_is_over_at_once(tmp_path):
    """What waits for such a loop goes on: here a Merge that must come after it."""
    frame = {"frame_name": "f"}
    nodes = [
        constant("x", np.float32(3)),
        placeholder("p", np.bool_),
        node("s", "Switch", "x", "p"),
        node("in", "Enter", "s:1", **frame),
        node("merge", "Merge", "in", "next"),
        node("less", "Less", "merge", "hundred"),
        node("hundred", "Enter", "hundred_out", **frame, is_constant=True),
        constant("hundred_out", np.float32(100)),
        node("go", "LoopCond", "less"),
        node("switch", "Switch", "merge", "go"),
        node("squared", "Square", "switch:1"),
        node("next", "NextIteration", "squared"),
        node("out", "Exit", "switch"),
        node("other", "Neg", "s"),
        node("y", "Merge", "other", "out", "^out"),
    ]
    graph = load(tmp_path, *nodes)
    assert graph.run("y:0", {"p:0": False}) == -3
    assert graph.run("y:0", {"p:0": True}) == 6561


def test_a_trigger_goes_off_after_a_branch_that_is_not_taken(tmp_path):
    """In a loop, too, whose gradient waits for a branch of a step: `NextIteration` must not die of it."""
    nodes = [
        *counter(4, "^trigger"),
        node("odd", "FloorMod", "i_sw:1", "two"),
        constant("two_out", np.int32(2)),
        node("two", "Enter", "two_out", frame_name="f", is_constant=True),
        node("is_odd", "Cast", "odd", SrcT=np.int32, DstT=np.bool_),
        node("branch", "Switch", "i_sw:1", "is_odd"),
        node("taken_when_odd", "Neg", "branch:1"),
        node("trigger", "ControlTrigger", "^taken_when_odd"),
    ]
    assert load(tmp_path, *nodes).run("sum:0") == 0 + 1 + 2 + 3


def test_a_loop_without_an_end_is_given_up_when_the_time_is_over(tmp_path):
    body = function("body", ["a"], {"r": "y:y:0"}, node("y", "Neg", "a"))
    always = function("always", ["a"], {"r": "yes:output:0"}, constant("yes", True))
    graph = load(
        tmp_path,
        constant("x", X),
        node("w", "While", "x", cond=b"always", body=b"body"),
        functions=[body, always],
    )
    refused("the graph ran for more than 0.2 s: a loop may never end", graph.run, "w:0", seconds=0.2)


def test_functions_that_call_themselves_are_one_line(tmp_path):
    again = function("again", ["a"], {"r": "c:output:0"}, node("c", "PartitionedCall", "a", f=b"again"))
    graph = load(tmp_path, constant("x", X), node("y", "again", "x"), functions=[again])
    refused("functions of the graph call each other without an end", graph.run, "y:0")


def test_a_loop_of_old_forgets_its_iterations(tmp_path):
    from unrolled.tf1.graphs import executor

    frames = []
    settle = executor._Execution.settle

    def watched(self, at):
        settle(self, at)
        frames.append(len(at.frame.iterations))

    graph = load(tmp_path, *counter(200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor._Execution, "settle", watched)
        assert graph.run("sum:0") == 19900
    assert max(frames) < 5


def variables(folder):
    """y = x w, and steps that count and that change w."""
    write_checkpoint(folder / "model.ckpt", {"w": X, "count": np.int32(5)})
    nodes = [
        placeholder(),
        node("w", "VariableV2", dtype=np.float32, shape=(2, 2)),
        node("count", "VarHandleOp", dtype=np.int32, shape=()),
        node("read", "ReadVariableOp", "count", dtype=np.int32),
        node("w/read", "Identity", "w"),
        node("y", "MatMul", "x", "w/read"),
        constant("one", np.int32(1)),
        node("more", "AssignAddVariableOp", "count", "one"),
        node("counted", "ReadVariableOp", "count", "^more", dtype=np.int32),
        constant("half", np.float32(0.5)),
        node("smaller", "Mul", "w/read", "half"),
        node("step", "Assign", "w", "smaller"),
        node("lone", "VariableV2", dtype=np.float32, shape=(2,)),
    ]
    (folder / "model.ckpt.meta").write_bytes(bytes_field(2, definition(*nodes)))
    return Graph.load(folder / "model.ckpt")


def test_variables_come_by_their_names_where_no_saver_says_otherwise(tmp_path):
    graph = variables(tmp_path)
    assert sorted(graph.variables) == ["count", "w"]
    assert [parameter.shape for parameter in graph.parameters()] == [(2, 2)]
    assert np.array_equal(graph.run("y:0", {"x:0": X}), X @ X)
    refused("the variable 'lone' has no value: .*set_variable", graph.run, "lone:0")
    graph.set_variable("lone", [1, 2])
    assert np.array_equal(graph.run("lone:0"), [1, 2])
    refused("unknown variable 'lome': did you mean 'lone'", graph.set_variable, "lome", 1)
    refused(r"'lone' has shape \[3\], expected \[2\]", graph.set_variable, "lone", [1, 2, 3])


def test_what_is_assigned_stays_and_a_run_that_fails_changes_nothing(tmp_path):
    graph = variables(tmp_path)
    assert graph.run("counted:0") == 6
    assert graph.run("read:0") == 6
    refused("must be fed", graph.run, ["counted:0", "y:0"])
    refused("MatMul", graph.run, ["counted:0", "y:0"], {"x:0": np.ones((1, 5), "f4")})
    assert graph.run("read:0") == 6


def test_an_old_graph_can_be_trained_on_and_its_parameters_stay_the_same_objects(tmp_path):
    graph = variables(tmp_path)
    (w,) = graph.parameters()
    optimizer = torch.optim.SGD([w], 0.1)
    y = graph.run("y:0", {"x:0": torch.from_numpy(X)})
    y.sum().backward()
    optimizer.step()
    expected = X - 0.1 * X.sum(0, keepdims=True).T
    np.testing.assert_allclose(graph.run("y:0", {"x:0": X}), X @ expected, rtol=1e-6)
    graph.run("step")
    assert next(graph.parameters()) is w
    np.testing.assert_allclose(w.detach(), expected / 2, rtol=1e-6)


def test_gradients_are_of_the_weights_that_the_run_had_even_if_it_assigned_others(tmp_path):
    graph = variables(tmp_path)
    x = torch.from_numpy(X).requires_grad_()
    y, _ = graph.run(["y:0", "step"], {"x:0": x})
    y.sum().backward()
    assert np.array_equal(x.grad, np.broadcast_to(X.sum(1), (2, 2)))


def test_a_meta_without_a_checkpoint_is_a_graph_whose_initializer_can_be_run(tmp_path):
    nodes = [
        node("w", "VariableV2", dtype=np.float32, shape=(2, 2)),
        constant("value", X),
        node("init", "Assign", "w", "value"),
    ]
    (tmp_path / "model.meta").write_bytes(bytes_field(2, definition(*nodes)))
    graph = Graph.load(tmp_path / "model.meta")
    refused("the variable 'w' has no value", graph.run, "w:0")
    graph.run("init")
    assert np.array_equal(graph.run("w:0"), X)


def test_every_name_of_a_checkpoint_leads_to_its_graph(tmp_path):
    variables(tmp_path)
    for name in ("model.ckpt", "model.ckpt.meta", "model.ckpt.index", "checkpoint", "."):
        assert "w" in Graph.load(tmp_path / name).variables
    (tmp_path / "model.ckpt.meta").unlink()
    refused("no graph .*model.ckpt.meta: .*import-tf1", Graph.load, tmp_path / "model.ckpt")
    refused("no checkpoint", Graph.load, tmp_path / "nothing")
    refused("cannot read .*nothing.pb", Graph.load, tmp_path / "nothing.pb")


def test_files_that_hold_no_graph_are_refused(tmp_path):
    path = tmp_path / "graph.pb"
    for content in (b"", bytes_field(2, b""), b"\xff" * 50, bytes_field(1, b"\x0a\x7f")):
        path.write_bytes(content)
        refused("graph.pb is damaged", Graph.load, path)
    path.write_bytes(definition(constant("x", X), constant("x", X)))
    refused("two nodes of its graph have the same name", Graph.load, path)


def test_placeholders_of_old_graphs_take_any_shape(tmp_path):
    scalar = placeholder(shape=())
    assert load(tmp_path, scalar, producer=20).placeholders == {"x:0": None}
    assert load(tmp_path, scalar, producer=20).run("x:0", {"x:0": X}).shape == (2, 2)
    refused(r"'x:0' has shape \[2, 2\], expected \[\]", load(tmp_path, scalar).run, "x:0", {"x:0": X})


def test_a_constant_can_be_given_another_value(tmp_path):
    graph = doubling(tmp_path)
    graph.set_constant("two", 3)
    assert np.array_equal(graph.run("y:0", {"x:0": X}), 3 * X)
    refused("unknown constant 'x'", graph.set_constant, "x", 3)
    refused(r"'two' has shape \[1\], expected \[\]", graph.set_constant, "two", [3])


def test_numbers_that_no_machine_can_hold_are_refused_before_they_are_made(tmp_path):
    huge = constant("huge", np.array([2**20, 2**20, 2**8]))
    ops = {
        "Fill": node("y", "Fill", "huge", "one"),
        "Tile": node("y", "Tile", "cube", "huge"),
        "RandomUniform": node("y", "RandomUniform", "huge", dtype=np.float32),
        "OneHot": node("y", "OneHot", "huge", "most", "one", "one", axis=-1),
        "Range": node("y", "Range", "none", "most", "step"),
        "TensorListReserve": node("y", "TensorListReserve", "huge", "most"),
    }
    given = [
        huge,
        constant("one", np.float32(1)),
        constant("cube", np.ones((1, 1, 1), "f4")),
        constant("most", np.int64(2**46)),
        constant("none", np.int64(0)),
        constant("step", np.int64(1)),
    ]
    for op, each in ops.items():
        refused(f"{op}.* are more than this machine can hold", load(tmp_path, *given, each).run, "y:0")


def test_a_constant_that_repeats_one_value_takes_no_memory_before_it_is_used(tmp_path):
    from unrolled.tf1.checkpoints.dtypes import write_shape
    from unrolled.tf1.checkpoints.wire import fixed32_field, integer_field

    value = integer_field(1, 1) + bytes_field(2, write_shape((2**20, 2**18))) + fixed32_field(5, 0x3F800000)
    attributes = bytes_field(5, bytes_field(1, b"value") + bytes_field(2, bytes_field(8, value)))
    graph = load(
        tmp_path,
        bytes_field(1, b"c") + bytes_field(2, b"Const") + attributes,
        node("y", "Shape", "c"),
    )
    assert graph.run("y:0").tolist() == [2**20, 2**18]


@pytest.mark.skipif(
    "UNROLLED_DATA_DIR" not in os.environ, reason="UNROLLED_DATA_DIR names no folder with tf1-graphs"
)
def test_graphs_made_elsewhere_compute_what_tensorflow_did():
    folder = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-graphs"
    seen = 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as kept:
            graph = Graph.load(path.with_suffix(".ckpt"))
            y = graph.run("logits:0", {"Placeholder:0": kept["x"]})
            scale = max(1.0, np.abs(kept["y"]).max())
            np.testing.assert_allclose(y, kept["y"], rtol=0, atol=1e-5 * scale, err_msg=path.stem)
            seen += 1
    assert seen >= 21
