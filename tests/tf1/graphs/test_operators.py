"""Operators that TensorFlow has no kernel of on a CPU, or whose mistakes are worth a line of their own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tf1.graphs.graph_files import constant, load, node
from unrolled import UnrolledError

T, N, I, H, L = 5, 3, 4, 6, 2


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def opaque(layer):
    """The parameters of a layer of torch.nn as cuDNN orders them: all weights, then all biases."""
    parts = [dict(layer.named_parameters()), layer.num_layers, 2 if layer.bidirectional else 1]
    named, layers, directions = parts
    places = [f"l{k}{'_reverse' * d}" for k in range(layers) for d in range(directions)]
    weights = [named[f"weight_{kind}_{place}"] for place in places for kind in ("ih", "hh")]
    biases = [named[f"bias_{kind}_{place}"] for place in places for kind in ("ih", "hh")]
    return torch.cat([each.detach().reshape(-1) for each in weights + biases]).numpy()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_cudnns_networks_are_torchs_with_the_parameters_in_one_vector(tmp_path, mode, bidirectional):
    kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    options = {} if mode in kinds else {"nonlinearity": mode.removeprefix("rnn_")}
    torch.manual_seed(0)
    layer = kinds.get(mode, torch.nn.RNN)(I, H, L, bidirectional=bidirectional, **options)
    D = 2 if bidirectional else 1
    x, h, c = numbers(T, N, I), numbers(L * D, N, H, seed=1), numbers(L * D, N, H, seed=2)
    state = (torch.from_numpy(h), torch.from_numpy(c)) if mode == "lstm" else torch.from_numpy(h)
    with torch.no_grad():
        expected, last = layer(torch.from_numpy(x), state)
    attributes = {
        "rnn_mode": mode,
        "direction": "bidirectional" if bidirectional else "unidirectional",
        "is_training": False,
    }
    nodes = [constant(name, value) for name, value in [("x", x), ("h", h), ("c", c), ("p", opaque(layer))]]
    nodes += [constant(name, np.int32(value)) for name, value in [("L", L), ("H", H), ("I", I)]]
    nodes += [
        node("y", "CudnnRNN", "x", "h", "c", "p", **attributes),
        node("size", "CudnnRNNParamsSize", "L", "H", "I", S=np.int32, **attributes),
        node("canonical", "CudnnRNNParamsToCanonical", "L", "H", "I", "p", **attributes),
    ]
    count = 4 * L * D * {"lstm": 4, "gru": 3}.get(mode, 1)
    outputs = ["canonical"] + [f"canonical:{k}" for k in range(1, count)]
    nodes.append(node("back", "CudnnRNNCanonicalToParams", "L", "H", "I", *outputs, **attributes))
    graph = load(tmp_path, *nodes)
    y, h_last, size, back = graph.run(["y:0", "y:1", "size:0", "back:0"])
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(h_last, last[0] if mode == "lstm" else last, rtol=0, atol=1e-6)
    assert size == [len(opaque(layer))]
    assert np.array_equal(back, opaque(layer))


def test_cudnns_networks_stop_at_each_length(tmp_path):
    torch.manual_seed(0)
    layer = torch.nn.LSTM(I, H, bidirectional=True)
    x, zeros, lengths = numbers(T, N, I), np.zeros((2, N, H), "f4"), np.array([2, 5, 1], "i4")
    given_ = [("x", x), ("z", zeros), ("p", opaque(layer)), ("n", lengths)]
    y = node("y", "CudnnRNNV3", "x", "z", "z", "p", "n", direction="bidirectional", is_training=False)
    graph = load(tmp_path, *(constant(name, value) for name, value in given_), y)
    outputs, last = graph.run(["y:0", "y:1"])
    for n, length in enumerate(lengths):
        with torch.no_grad():
            expected, (h, _) = layer(torch.from_numpy(x[:length, n]))
        np.testing.assert_allclose(outputs[:length, n], expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(last[:, n], h, rtol=0, atol=1e-6)
        assert not outputs[length:, n].any()


def test_cudnns_parameters_of_another_size_are_refused(tmp_path):
    nodes = [constant(name, value) for name, value in [("x", numbers(T, N, I)), ("h", numbers(1, N, H))]]
    nodes += [constant("p", numbers(7)), node("y", "CudnnRNN", "x", "h", "h", "p", is_training=False)]
    with pytest.raises(
        UnrolledError, match=r"shape \[7\] come, expected \[288\] for 1 layers of 6 with 4 in"
    ):
        load(tmp_path, *nodes).run("y:0")


part = st.builds(
    lambda kind, a, b, step: {"slice": slice(a, b, step), "one": 0, "new": None, "all": slice(None)}[kind],
    st.sampled_from(["slice", "slice", "one", "new", "all"]),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.sampled_from([-2, -1, 1, 2, None]),
)


@given(st.lists(part, max_size=5), st.one_of(st.none(), st.integers(0, 5)))
def test_every_part_that_numpy_can_take_is_taken(parts, ellipsis):
    """The masks of StridedSlice, written as TensorFlow writes an index."""
    x = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype("f4")
    parts = list(parts)
    while sum(each is not None for each in parts) > x.ndim:
        parts.pop(next(at for at, each in enumerate(parts) if each is not None))
    if ellipsis is not None:
        parts.insert(min(ellipsis, len(parts)), Ellipsis)
    begin, end, strides = [], [], []
    masks = dict.fromkeys(["begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"], 0)
    for at, each in enumerate(parts):
        bit = 1 << at
        a, b, step = 0, 0, 1
        if each is Ellipsis:
            masks["ellipsis_mask"] |= bit
        elif each is None:
            masks["new_axis_mask"] |= bit
        elif isinstance(each, int):
            masks["shrink_axis_mask"] |= bit
            a, b = each, each + 1
        else:
            a, b, step = each.start, each.stop, each.step or 1
            masks["begin_mask"] |= bit * (a is None)
            masks["end_mask"] |= bit * (b is None)
        begin, end, strides = [*begin, a or 0], [*end, b or 0], [*strides, step]
    from unrolled.tf1.checkpoints.wire import Message
    from unrolled.tf1.graphs.node import Node
    from unrolled.tf1.graphs.ops.slicing import strided_slice

    made = Node(Message(node("y", "StridedSlice", **masks)))
    came = strided_slice(made, torch.from_numpy(x), *(torch.tensor(each) for each in (begin, end, strides)))
    assert np.array_equal(came.numpy(), x[tuple(parts)])


def test_whole_numbers_cannot_be_divided_by_nothing(tmp_path):
    nodes = [constant("a", np.int32(3)), constant("b", np.int32(0)), node("y", "FloorDiv", "a", "b")]
    with pytest.raises(UnrolledError, match="failed: ZeroDivisionError"):
        load(tmp_path, *nodes).run("y:0")


def test_indices_outside_are_refused_and_never_counted_from_the_end(tmp_path):
    for index in (-1, 3):
        nodes = [
            constant("x", numbers(3, 2)),
            constant("i", np.array([0, index])),
            node("y", "Gather", "x", "i"),
        ]
        with pytest.raises(UnrolledError, match=f"index {index} of an axis of 3"):
            load(tmp_path, *nodes).run("y:0")


def test_an_assertion_that_does_not_hold_says_what_the_graph_says(tmp_path):
    nodes = [constant("no", False), constant("why", b"x must be positive"), node("y", "Assert", "no", "why")]
    with pytest.raises(UnrolledError, match="an assertion of the graph does not hold: x must be positive"):
        load(tmp_path, *nodes).run("y")


def test_beams_are_followed_back_to_their_beginnings(tmp_path):
    """By hand. After an end label, and after a row's length, all is the end label."""
    labels = np.array([[[1, 2]], [[3, 4]], [[5, 9]], [[6, 7]]], "i4")
    parents = np.array([[[0, 0]], [[0, 0]], [[1, 0]], [[0, 1]]], "i4")
    nodes = [constant("labels", labels), constant("parents", parents), constant("end", np.int32(9))]
    nodes += [constant("n", np.array([4], "i4")), node("y", "GatherTree", "labels", "parents", "n", "end")]
    graph = load(tmp_path, *nodes)
    assert graph.run("y:0")[:, 0].T.tolist() == [[1, 4, 5, 6], [1, 3, 9, 9]]
    assert graph.run("y:0", {"n:0": [2]})[:, 0].T.tolist() == [[1, 3, 9, 9], [1, 4, 9, 9]]


def test_one_and_a_random_number_are_below_two(tmp_path):
    """A dropout with `keep_prob` 1 is the floor of it: TensorFlow's numbers have 23 bits."""
    nodes = [constant("n", np.array([1000], "i4")), node("y", "RandomUniform", "n", dtype=np.float32)]
    assert not (load(tmp_path, *nodes).run("y:0") * 2.0**23 % 1).any()
