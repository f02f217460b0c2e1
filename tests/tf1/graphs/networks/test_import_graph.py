"""Graphs that stand where a network does: what is found of their ends, what they say, and how they learn."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import kept
from tests.tf1.graphs.graph_files import constant, definition, node
from unrolled import UnrolledError, tf1
from unrolled.training import Run

EVERY_STEP = {
    "language-model",
    "ptb",
    "numbers-at-each-step",
    "batch-inside",
    "one-hot",
    "shared-language-model",
}
# TensorFlow's own answers are random there; and what lies beside the end depends on how long the batch is.
NOT_COMPARED = {"language-model-dropout", "lengths-beside-the-end"}
NAMES = sorted(set(kept.cases("imports.zip")) - NOT_COMPARED)


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    """`golden("max")`: the prefix of a checkpoint that TensorFlow wrote, its input, lengths and answer."""
    folder = kept.unpack("imports.zip", tmp_path_factory.mktemp("graphs"))
    results = kept.results("imports.zip")

    def read(name):
        lengths = results.get(f"{name}/lengths")
        return folder / name / "model.ckpt", results[f"{name}/x"], lengths, results[f"{name}/output"]

    return read


def said(network, x, lengths=None):
    with torch.no_grad():
        lengths = None if lengths is None else torch.from_numpy(lengths).long()
        return network(torch.from_numpy(x), lengths).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_says_as_a_network_what_tensorflow_said(golden, name):
    prefix, x, lengths, expected = golden(name)
    network, _, _ = tf1.import_graph(prefix)
    came = said(network, x, lengths)
    assert (network.config.read == "steps") == (name in EVERY_STEP)
    came = came[:, -1] if name in EVERY_STEP else came
    within = 1e-5 if came.dtype == np.float32 else 1e-2
    np.testing.assert_allclose(came, expected, rtol=0, atol=within * np.abs(expected).max())


def graphs():
    if "UNROLLED_DATA_DIR" not in os.environ:
        return []
    return sorted(path.stem for path in (Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-graphs").glob("*.npz"))


@pytest.mark.skipif(not graphs(), reason="needs UNROLLED_DATA_DIR with tf1-graphs/")
@pytest.mark.parametrize("name", graphs())
def test_every_graph_of_the_collection_runs_as_it_is(name):
    folder = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-graphs"
    network, _, _ = tf1.import_graph(folder / f"{name}.ckpt")
    with np.load(folder / f"{name}.npz") as file:
        expected = file["y"]
        np.testing.assert_allclose(
            said(network, file["x"]), expected, rtol=0, atol=1e-5 * np.abs(expected).max()
        )


@pytest.mark.parametrize("name", ["lengths-last", "lengths-beside-the-end", "max", "language-model"])
@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_sequences_of_several_lengths_are_answered_as_each_alone(golden, name, lengths):
    network = imported(golden(name)[0])
    random = np.random.default_rng(len(lengths))
    size = (len(lengths), max(lengths))
    if network.config.tokens:
        x = random.integers(0, 5, size)
    else:
        x = random.normal(size=(*size, network.config.input_size)).astype("f4")
    came = said(network, x, np.array(lengths))
    for row, length in enumerate(lengths):
        alone = said(network, x[row : row + 1, :length])[0]
        together = came[row, :length] if network.config.read == "steps" else came[row]
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


CACHE = {}


def imported(prefix):
    if prefix not in CACHE:
        CACHE[prefix] = tf1.import_graph(prefix).network
    return CACHE[prefix]


def test_a_graph_of_a_fixed_batch_takes_any_number_of_sequences(golden):
    prefix, x, _, expected = golden("fixed-batch")
    network = imported(prefix)
    assert network.config.sizes == {"N": 4, "T": 6}
    came = said(network, np.concatenate([x, x, x[:1]]))
    np.testing.assert_allclose(came, np.concatenate([expected, expected, expected[:1]]), rtol=0, atol=1e-5)
    with pytest.raises(UnrolledError, match="reads 6 steps, and sequences of 5 came"):
        network(torch.from_numpy(x[:, :5]))


def test_a_run_holds_a_graph_and_gives_it_back(golden, tmp_path):
    prefix, x, lengths, expected = golden("lengths-mean")
    run = Run.of_graph(tmp_path / "run", tf1.import_graph(prefix).network)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "config.json",
        "graph.meta",
        "weights.safetensors",
    ]
    network = Run.open(run.folder).load_network()
    np.testing.assert_allclose(said(network, x, lengths), expected, rtol=0, atol=1e-5)


def test_a_graph_goes_on_learning(golden, tmp_path):
    network = tf1.import_graph(golden("max")[0]).network
    before = {name: value.clone() for name, value in network.weights().items()}
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    x = torch.randn(16, 5, 3, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(16) % 2
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all((value != before[name]).any() for name, value in network.weights().items())
    again = Run.of_graph(tmp_path / "run", network).load_network()
    assert torch.equal(again(x), network(x))


def write(folder, *nodes):
    path = folder / "frozen.pb"
    path.write_bytes(definition(*nodes))
    return path


X = node("x", "Placeholder", dtype=np.float32, shape=(-1, -1, 3))


def test_which_tensor_is_the_answer_is_asked_where_nothing_says_it(tmp_path):
    path = write(tmp_path, X, node("a", "Tanh", "x"), node("b", "Sigmoid", "x"))
    with pytest.raises(UnrolledError, match=r"which tensor is .* answer. b:0, a:0: say it with --output"):
        tf1.import_graph(path)
    network = tf1.import_graph(path, output="a", layout="N T I").network
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("f4")
    np.testing.assert_allclose(said(network, x), np.tanh(x), rtol=0, atol=1e-6)


def test_how_sequences_lie_is_asked_where_both_ways_answer(tmp_path):
    path = write(tmp_path, X, node("y", "Tanh", "x"))
    with pytest.raises(UnrolledError, match=r'how do sequences lie in x:0, "N T I", "T N I". .*--layout'):
        tf1.import_graph(path)


def test_which_placeholder_takes_the_sequences_is_asked(tmp_path):
    other = node("z", "Placeholder", dtype=np.float32, shape=(-1, -1, 3))
    path = write(tmp_path, X, other, node("y", "AddV2", "x", "z"))
    with pytest.raises(UnrolledError, match=r"which of x:0, z:0 takes the sequences. Say it with --input"):
        tf1.import_graph(path)
    network = tf1.import_graph(path, input="x:0", feeds={"z:0": "zeros N T 3"}, layout="N T I").network
    x = np.ones((2, 4, 3), "f4")
    np.testing.assert_array_equal(said(network, x), x)


def test_what_a_number_is_is_asked_where_its_name_does_not_say_it(tmp_path):
    nodes = (
        X,
        node("p", "Placeholder", dtype=bool, shape=()),
        node("number", "Cast", "p", SrcT=bool, DstT=np.float32),
        constant("one", np.float32(1)),
        node("factor", "AddV2", "number", "one"),
        node("y", "Mul", "x", "factor"),
    )
    path = write(tmp_path, *nodes)
    with pytest.raises(UnrolledError, match=r"what is fed to p:0, false or true. Say .* --feed p:0=VALUE"):
        tf1.import_graph(path, layout="N T I")
    network, _, notes = tf1.import_graph(path, layout="N T I", feeds={"p:0": True})
    assert notes == ["fed: p:0 = true"]
    np.testing.assert_array_equal(said(network, np.ones((1, 2, 3), "f4")), np.full((1, 2, 3), 2.0))


def test_a_graph_that_mixes_sequences_is_refused(tmp_path):
    axis = constant("axis", np.array([0, 1], "i4"))
    path = write(tmp_path, X, axis, node("mean", "Mean", "x", "axis"), node("y", "Sub", "x", "mean"))
    with pytest.raises(UnrolledError, match="is no answer to each of them, or to each of their steps, alone"):
        tf1.import_graph(path)


@pytest.mark.parametrize(
    ("said_of_it", "message"),
    [
        ({"feeds": {"q:0": 1.0}}, "q:0 is no placeholder that y:0 depends on: those are x:0"),
        ({"feeds": {"x:0": "ones"}}, "x:0 is fed 'ones', expected a number"),
        ({"layout": "N X"}, "layout is 'N X', expected one of N T I"),
        ({"output": "nothing"}, "unknown node 'nothing'"),
        ({"input": "y"}, "y:0 depends on .*it is not clear how"),
    ],
)
def test_what_is_said_of_a_graph_must_be_of_it(tmp_path, said_of_it, message):
    path = write(tmp_path, X, node("y", "Tanh", "x"))
    with pytest.raises(UnrolledError, match=message):
        tf1.import_graph(path, **{"output": "y", **said_of_it})


def test_a_graph_stays_on_the_cpu(golden):
    with pytest.raises(UnrolledError, match=r"computes on the CPU .*: leave --device out"):
        imported(golden("max")[0]).to("meta")
