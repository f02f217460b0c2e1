"""`unrolled import-tf1 --as-graph`, and what the other verbs do with such a run."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from unrolled.data import save_arrays

REFUSED = ("nonzero_init", "two_outputs_concat", "keras_lstm")


def predicted(unrolled, run, x, tmp_path):
    """What `unrolled predict` says of sequences, as numbers."""
    np.save(tmp_path / "x.npy", x)
    result = unrolled("predict", tmp_path / "x.npy", "--run", run, "--json")
    assert result.code == 0, result.err
    return np.array([json.loads(line)["outputs"] for line in result.out.splitlines()])


@pytest.mark.skipif("UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with tf1-graphs/")
@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_that_is_no_network_is_refused_and_then_taken_as_it_is(unrolled, tmp_path, name):
    folder = Path(os.environ["UNROLLED_DATA_DIR"]) / "tf1-graphs"
    prefix = folder / f"{name}.ckpt"
    refused = unrolled("import-tf1", prefix, "--run", tmp_path / "run")
    assert refused.code == 2
    assert f"`unrolled import-tf1 {prefix} --as-graph` makes a run of the graph as it is" in refused.err
    result = unrolled("import-tf1", prefix, "--as-graph", "--run", tmp_path / "run")
    assert result.code == 0, result.err
    with np.load(folder / f"{name}.npz") as file:
        came = predicted(unrolled, tmp_path / "run", file["x"], tmp_path)
        np.testing.assert_allclose(came, file["y"], rtol=0, atol=1e-5 * np.abs(file["y"]).max())


@pytest.mark.parametrize("name", ["language-model", "ptb"])
def test_a_language_model_answers_at_every_step(unrolled, with_graph, tmp_path, name):
    prefix, x, expected = with_graph(name)
    result = unrolled("import-tf1", prefix, "--as-graph", "--run", tmp_path / "run")
    assert result.code == 0
    assert "takes whole numbers as [N T]" in result.out
    assert "is 7 out at every step" in result.out
    came = predicted(unrolled, tmp_path / "run", x, tmp_path)
    assert came.shape == (4, 6, 7)
    np.testing.assert_allclose(came[:, -1], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_run_of_a_graph_is_evaluated(unrolled, with_graph, tmp_path):
    prefix, x, expected = with_graph("max")
    assert unrolled("import-tf1", prefix, "--as-graph", "--run", tmp_path / "run").code == 0
    pieces = [(x, expected.argmax(1))]
    save_arrays(tmp_path / "data", train=pieces * 5, test=pieces, classes=["0", "1"])
    result = unrolled("evaluate", tmp_path / "run", "--data", tmp_path / "data")
    assert result.code == 0, result.err
    assert f"test accuracy 1.0000  {tmp_path / 'run'}" in result.out


def test_the_page_shows_what_the_import_of_a_graph_prints(unrolled, with_graph, monkeypatch):
    prefix, _, _ = with_graph("own-initial-state")
    monkeypatch.chdir(prefix.parent)
    page = (Path(__file__).parents[2] / "docs/tf1-checkpoints.md").read_text(encoding="utf-8")
    section = page.partition("### A run that holds a graph")[2]
    command, _, printed = section.partition("$ unrolled ")[2].partition("\n```")[0].partition("\n")
    assert unrolled(*command.split()).out.splitlines() == printed.splitlines()


def test_what_the_ends_of_a_graph_are_is_said(unrolled, with_graph, tmp_path):
    prefix, _, _ = with_graph("lengths-last")
    ends = ("--input", "x:0", "--lengths", "seqlen:0", "--output", "fc/add:0", "--layout", "N T I")
    result = unrolled("import-tf1", prefix, "--as-graph", "--run", tmp_path / "run", *ends)
    assert result.out.splitlines() == [
        f"{prefix}: 168 nodes, 6 variables",
        "graph: x:0 takes steps of 3 as [N T I]; fc/add:0 is 2 out",
        "note: fed: seqlen:0 = lengths",
        f"imported  {tmp_path / 'run'}",
    ]


@pytest.mark.parametrize(
    "arguments",
    [("report", "RUN"), ("export-tf1", "RUN", "model.ckpt"), ("train", "--from", "RUN", "--data", "sample")],
)
def test_a_verb_that_needs_cells_says_so_in_one_line(unrolled, with_graph, tmp_path, arguments):
    prefix, _, _ = with_graph("max")
    assert unrolled("import-tf1", prefix, "--as-graph", "--run", tmp_path / "run").code == 0
    result = unrolled(*[tmp_path / "run" if each == "RUN" else each for each in arguments])
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "is a graph of TensorFlow 1, which was imported as it is" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--feed", "x:0=1"], "--feed is said of a graph as it is: give --as-graph, too"),
        (["--as-graph", "--forget-bias", "1.0"], "--forget-bias is said of a network that is found"),
        (["--as-graph", "--scope", "rnn/"], "--scope is said of a network that is found"),
        (["--as-graph", "--feed", "x"], "--feed is 'x', expected NAME=VALUE"),
    ],
)
def test_options_that_do_not_go_together_are_refused(unrolled, with_graph, options, message):
    prefix, _, _ = with_graph("max")
    result = unrolled("import-tf1", prefix, *options)
    assert (result.code, message in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 5), "f4"), r"x has shape \[2, 4, 5\], expected \[N, T, 3\]"),
        (np.zeros((2, 4), "f4"), r"holds float32 \[2, 4\], expected numbers \[N, T, I\], or whole numbers"),
        (np.full((2, 4, 3), np.nan), "holds numbers that are not finite"),
        (np.array([["a"]]), "expected numbers"),
    ],
)
def test_sequences_that_a_graph_does_not_read_get_a_line(unrolled, with_graph, tmp_path, array, message):
    prefix, _, _ = with_graph("max")
    assert unrolled("import-tf1", prefix, "--as-graph", "--run", tmp_path / "run").code == 0
    np.save(tmp_path / "x.npy", array)
    result = unrolled("predict", tmp_path / "x.npy", "--run", tmp_path / "run")
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert re.search(message, result.err)
