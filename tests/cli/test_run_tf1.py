"""`unrolled run-tf1`: a graph's inputs and outputs, what is fed, what is fetched and kept."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.golden import kept


@pytest.fixture
def graph(tmp_path):
    """`graph(name)`: the folder of a graph that TensorFlow wrote, and what was fed to it and came of it."""

    def unpack(name):
        folder = kept.unpack("graphs.zip", tmp_path, name)
        return folder, kept.arrays(folder / "results.npz")

    return unpack


def test_a_graph_is_fed_from_files_and_numbers_and_its_outputs_are_kept(unrolled, graph, tmp_path):
    folder, kept = graph("nested-loops")
    np.save(tmp_path / "x.npy", kept["feed x:0"])
    given = ("--feed", f"x:0={tmp_path / 'x.npy'}", "--feed", "n:0=4", "--fetch", "total:0")
    result = unrolled("run-tf1", folder / "model.ckpt", *given, "--output", tmp_path / "out.npz")
    assert result.code == 0
    assert result.out.splitlines()[0] == "total:0  float32 [3, 4]"
    assert result.out.splitlines()[-1] == f"kept  {tmp_path / 'out.npz'}"
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_allclose(found["total:0"], kept["fetch total:0"], rtol=0, atol=1e-5)


def test_what_can_be_fed_and_fetched_is_listed(unrolled, graph):
    folder, _ = graph("nested-loops")
    lines = unrolled("run-tf1", folder / "model.ckpt").out.splitlines()
    assert lines[:2] == ["feed   x:0  [None, 4]", "feed   n:0  []"]
    assert all(line.startswith("fetch  ") for line in lines[2:])
    folder, _ = graph("saved-model")
    lines = unrolled("run-tf1", folder).out.splitlines()
    assert "signature serving_default: pictures=x:0, scores=y:0" in lines
    assert "fetch  y:0" in lines


def test_the_examples_of_the_help_run(unrolled, graph, tmp_path, monkeypatch):
    """On a graph with the nodes that they name."""
    from tests.tf1.graphs.graph_files import constant, definition, node, placeholder
    from unrolled.tf1 import write_checkpoint
    from unrolled.tf1.checkpoints.wire import bytes_field

    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.ones((2, 3), "f4"))
    write_checkpoint("model/model.ckpt-5000", {"w": np.ones(3, "f4")})
    w = node("w", "VariableV2", dtype=np.float32, shape=(3,))
    nodes = [placeholder("Placeholder"), w, node("logits", "Mul", "Placeholder", "w")]
    Path("model/model.ckpt-5000.meta").write_bytes(bytes_field(2, definition(*nodes)))
    nodes = [
        placeholder(),
        placeholder("keep_prob"),
        constant("two", np.float32(2)),
        node("z", "Mul", "x", "two"),
    ]
    Path("frozen.pb").write_bytes(definition(*nodes, node("y", "Mul", "z", "keep_prob")))
    examples = re.findall(
        r"unrolled (run-tf1\b.*)", unrolled("run-tf1", "--help").out.partition("examples:")[2]
    )
    assert len(examples) == 3
    for example in examples:
        assert unrolled(*shlex.split(example)).code == 0, example
    with np.load("y.npz") as found:
        assert np.array_equal(found["y:0"], 2 * np.ones((2, 3)))


def test_mistakes_are_one_line(unrolled, graph, tmp_path):
    folder, _ = graph("nested-loops")
    (tmp_path / "bad.npy").write_bytes(b"no array")
    fetch = ("--fetch", "total:0")
    for arguments, message in {
        ("--feed", "x"): "--feed is 'x', expected NAME=FILE.npy or NAME=NUMBER",
        ("--feed", "n:0=four"): "--feed n:0 is 'four', expected a .npy file, a number",
        ("--feed", f"x:0={tmp_path / 'bad.npy'}"): "is not a .npy file",
        ("--feed", f"x:0={tmp_path / 'none.npy'}"): "cannot read",
        ("--feed", "n:0=4"): "'x:0' must be fed: an array of float32",
        ("--output", "out.txt"): "--output is 'out.txt', expected a name that ends in .npz",
    }.items():
        result = unrolled("run-tf1", folder / "model.ckpt", *fetch, *arguments)
        assert (result.code, result.out) == (2, "")
        (line,) = result.err.splitlines()
        assert message in line
    assert unrolled("run-tf1", tmp_path / "nothing.ckpt").err.startswith("unrolled: no checkpoint")
