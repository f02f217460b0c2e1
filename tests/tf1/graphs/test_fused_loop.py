"""Loops that are layers of cells run as such, to the same results; every other loop runs as it is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import kept
from tests.tf1.graphs.graph_files import constant, node
from unrolled import UnrolledError
from unrolled.tf1 import Graph
from unrolled.tf1.checkpoints.wire import DamagedError, Message, bytes_field
from unrolled.tf1.graphs.files import read_source

LAYERS = {
    "max": "lstm",
    "memory": "lstm",
    "mean": "lstm",
    "shared": "lstm, lstm, lstm",
    "time-major": "lstm",
    "own-initial-state": "gru",
    "lengths-last": "gru",
    "lengths-state": "gru",
    "lengths-beside-the-end": "gru",
    "language-model": "lstm, lstm",
}
AS_THEY_ARE = ("residual", "keras-lstm", "keras-gru-after", "keras-rnn")


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """`golden("max")`: a graph's prefix, the tensor that is its answer, and what it is fed."""
    folder = kept.unpack("imports.zip", tmp_path_factory.mktemp("loops"))
    results = kept.results("imports.zip")

    def read(name):
        prefix = folder / name / "model.ckpt"
        x = results[f"{name}/x"]
        feeds = {"x:0": x.swapaxes(0, 1) if name == "time-major" else x}
        if f"{name}/lengths" in results:
            feeds["seqlen:0"] = results[f"{name}/lengths"]
        ends = [end for end in Graph.load(prefix).ends if "while" not in end and "rnn" not in end]
        return prefix, ends[0], feeds

    return read


def assert_alike(came, expected):
    scale = max(1e-30, np.abs(expected).max())
    np.testing.assert_allclose(came, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_what_the_loop_gives_and_its_gradients(golden, name):
    prefix, end, feeds = golden(name)
    found = []
    for loops in ("kernels", "steps"):
        graph = Graph.load(prefix, loops=loops)
        kinds = list(graph.loops(end, feeds).values())
        assert kinds == ([LAYERS[name]] if loops == "kernels" else [])
        fed = {tensor: torch.from_numpy(value.copy()) for tensor, value in feeds.items()}
        if fed["x:0"].dtype.is_floating_point:
            fed["x:0"].requires_grad_()
        y = graph.run(end, fed)
        (y * torch.linspace(-1, 2, y.numel()).view_as(y)).sum().backward()
        gradients = {key: value.grad for key, value in graph.variables.items() if value.requires_grad}
        found.append((y.detach().numpy(), gradients | {"x:0": fed["x:0"].grad}))
    (y, gradients), (expected, theirs) = found
    assert_alike(y, expected)
    for key, gradient in theirs.items():
        if gradient is not None:
            assert_alike(gradients[key].numpy(), gradient.numpy())


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_a_loop_that_is_something_else_runs_step_by_step(golden, name):
    prefix, end, feeds = golden(name)
    assert Graph.load(prefix).loops(end, feeds) == {}


@given(lengths=st.lists(st.integers(0, 8), min_size=1, max_size=6), time=st.integers(1, 7))
@pytest.mark.parametrize("name", ["lengths-last", "lengths-state", "lengths-beside-the-end"])
def test_layers_and_loop_are_alike_for_all_lengths(golden, name, lengths, time):
    prefix, end, _ = golden(name)
    random = np.random.default_rng(time)
    feeds = {
        "x:0": random.normal(size=(len(lengths), time, 3)).astype("f4"),
        "seqlen:0": np.clip(np.array(lengths, "i4"), 0, time),
    }
    said = []
    for loops in ("kernels", "steps"):
        try:
            said.append(Graph.load(prefix, loops=loops).run(end, feeds))
        except UnrolledError as error:  # what is gathered after a length of 0
            said.append(str(error))
    if isinstance(said[1], str):
        assert said[0] == said[1]
    else:
        assert_alike(*said)


def test_a_tensor_inside_a_loop_that_is_fed_leaves_the_loop_as_it_is(golden):
    prefix, end, feeds = golden("max")
    graph = Graph.load(prefix)
    assert len(graph.loops(end, feeds)) == 1
    inside = next(name for name, op in graph.nodes.items() if op == "Split" and "while" in name)
    assert graph.loops(end, {**feeds, f"{inside}:0": None}) == {}


def test_a_tensor_inside_a_loop_that_is_fetched_leaves_the_loop_as_it_is(golden):
    prefix, end, feeds = golden("max")
    graph = Graph.load(prefix)
    inside = next(name for name, op in graph.nodes.items() if op == "Split" and "while" in name)
    assert graph.loops([end, f"{inside}:0"], feeds) == {}


def test_numbers_that_no_kernel_takes_run_step_by_step(golden):
    prefix, _, feeds = golden("half")
    one, other = (Graph.load(prefix, loops=loops).run("add:0", feeds) for loops in ("kernels", "steps"))
    assert one.dtype == np.float16
    np.testing.assert_array_equal(one, other)


def test_loops_are_run_in_one_of_two_ways(golden):
    with pytest.raises(
        UnrolledError, match=r"unknown way to run loops 'fast'.*expected one of kernels, steps"
    ):
        Graph.load(golden("max")[0], loops="fast")


OTHERS = {
    "Sigmoid": "Tanh",
    "Tanh": "Sigmoid",
    "AddV2": "Mul",
    "Mul": "AddV2",
    "BiasAdd": "Sub",
    "Sub": "AddV2",
    "Less": "LessEqual",
    "LogicalAnd": "LogicalOr",
    "GreaterEqual": "Greater",
    "Identity": "ZerosLike",
}


def changed(content):
    """A node of a loop in other ways: another operator, inputs in another order, one of them, or itself."""
    message = Message(content)
    op, inputs = message.text(2), message.texts(3)
    ways = [(OTHERS[op], inputs)] if op in OTHERS else []
    values = [text for text in inputs if not text.startswith("^")]
    if values and op not in ("Switch", "Merge", "Enter", "NextIteration", "Exit"):
        ways.append((op, [message.text(1), *values[1:], "^" + values[0].partition(":")[0]]))  # a circle
    if len(values) > 1 and op not in ("Switch", "Merge"):
        ways += [(op, [*values[1:], values[0]]), (op, [values[0], values[0], *values[2:]])]
    for new_op, new_inputs in ways:
        other = bytes_field(1, message.text(1).encode()) + bytes_field(2, new_op.encode())
        other += b"".join(bytes_field(3, text.encode()) for text in new_inputs)
        yield memoryview(other + b"".join(bytes_field(5, bytes(each)) for each in message.all_bytes(5)))


def outcome(source, loops, end, feeds):
    try:
        return Graph(source, loops).run(end, feeds, seconds=5)
    except (UnrolledError, DamagedError) as error:
        return str(error)


@pytest.mark.parametrize("name", ["max", "lengths-last"])
def test_a_loop_in_which_anything_is_changed_stays_right(golden, name):
    prefix, end, feeds = golden(name)
    source = read_source(prefix)
    right, tried, taken = Graph(source).run(end, feeds), 0, 0
    for place, content in enumerate(source.nodes):
        if "/while/" not in Message(content).text(1) or "gradients" in Message(content).text(1):
            continue
        for other in changed(content):
            nodes = [*source.nodes[:place], other, *source.nodes[place + 1 :]]
            changed_source = source._replace(nodes=nodes)
            expected = outcome(changed_source, "steps", end, feeds)
            came = outcome(changed_source, "kernels", end, feeds)
            tried += 1
            if isinstance(expected, str):
                assert isinstance(came, str), (bytes(other)[:80], expected)
            else:
                assert not isinstance(came, str), (bytes(other)[:80], came)
                assert_alike(came, expected)
                taken += bool(np.abs(came - right).max() > 1e-3)
    assert tried > 40
    assert taken > 10  # changes that make another function of it


def test_a_loop_with_one_node_more_runs_step_by_step(golden):
    prefix, end, feeds = golden("max")
    source = read_source(prefix)
    more = [
        constant("rnn/while/three", np.int32(3), "^rnn/while/Identity"),
        node("rnn/while/early", "Less", "rnn/while/Identity_1", "rnn/while/three", T=np.int32),
        node("rnn/while/checked", "Assert", "rnn/while/early"),
    ]
    nodes = []
    for each in source.nodes:
        if Message(each).text(1) == "rnn/while/add":
            each = memoryview(bytes(each) + bytes_field(3, b"^rnn/while/checked"))
        nodes.append(each)
    graph = Graph(source._replace(nodes=[*nodes, *map(memoryview, more)]))
    assert graph.loops(end, feeds) == {}
    with pytest.raises(UnrolledError, match="an assertion of the graph does not hold"):
        graph.run(end, feeds)


def test_a_loop_in_which_one_state_stops_at_a_length_and_one_does_not_runs_step_by_step(golden):
    prefix, _, feeds = golden("memory")
    source = read_source(prefix)
    more = [
        constant("lengths", np.ones(len(feeds["x:0"]), "i4")),
        node("rnn/while/lengths", "Enter", "lengths", frame_name="rnn/while/while_context", is_constant=True),
        node("rnn/while/past", "GreaterEqual", "rnn/while/Identity_1", "rnn/while/lengths"),
        node(
            "rnn/while/c",
            "Select",
            "rnn/while/past",
            "rnn/while/Identity_3",
            "rnn/while/basic_lstm_cell/Add_1",
        ),
        node("rnn/while/NextIteration_3", "NextIteration", "rnn/while/c"),
    ]
    nodes = [each for each in source.nodes if Message(each).text(1) != "rnn/while/NextIteration_3"]
    changed_source = source._replace(nodes=[*nodes, *map(memoryview, more)])
    h = "rnn/while/Exit_4:0"
    assert list(Graph(source).loops(h, feeds).values()) == ["lstm"]
    came, expected = (Graph(changed_source, loops).run(h, feeds) for loops in ("kernels", "steps"))
    assert np.abs(expected - Graph(source).run(h, feeds)).max() > 1e-3
    assert_alike(came, expected)


def test_two_layers_of_other_widths_are_one_above_the_other(golden):
    prefix, end, feeds = golden("language-model")
    graph = Graph.load(prefix)
    assert list(graph.loops(end, feeds).values()) == ["lstm, lstm"]
    assert_alike(graph.run(end, feeds), Graph.load(prefix, loops="steps").run(end, feeds))
