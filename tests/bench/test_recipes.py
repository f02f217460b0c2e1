"""The training steps of the tutorials' recipes, beside a peer that says what TensorFlow says."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import recipes
from benchmarks.peers import foreign
from benchmarks.peers.foreign import Foreign

needs_mnist = pytest.mark.skipif(
    "UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with mnist/"
)


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Start the benchmark with that peer."""
    monkeypatch.setattr(foreign, "PACKAGE", "tests.bench.peers")
    monkeypatch.setattr(foreign, "environment", lambda peer: Path(sys.executable))
    monkeypatch.setattr(recipes, "Foreign", lambda peer, *arguments: Foreign("traced_recipe", *arguments))
    monkeypatch.setattr(recipes, "RESULTS", tmp_path)
    threads = torch.get_num_threads()

    def start(*words):
        monkeypatch.setattr(sys, "argv", ["recipes", "--seconds", "0", "--cpu-time", *words])
        recipes.main()

    yield start
    torch.set_num_threads(threads)


@needs_mnist
def test_a_recipes_step_is_checked_and_timed(start, tmp_path, capsys):
    start("seed-003", "--save", "tiny")
    found = json.loads((tmp_path / "tiny.json").read_text())
    assert found["machine"]["clock"] == "process_time"
    assert found["machine"]["peers"] == {"tensorflow_recipe": "trace 1"}
    one = found["recipes"].pop("seed-003")
    assert found["recipes"] == {}
    assert one["losses_apart"] < 1e-5
    assert 0 < one["ratio"] < 1
    assert one["ours_ms"] > one["tensorflow_ms"] > 0
    assert capsys.readouterr().out.startswith("seed-003 ")


@needs_mnist
def test_a_recipe_with_other_losses_is_not_timed(start, monkeypatch, tmp_path):
    monkeypatch.setattr(recipes, "SEED", 1235)
    with pytest.raises(recipes.UnrolledError, match=r"seed-003: the first losses are .*: not timed"):
        start("seed-003", "--save", "tiny")
    assert not (tmp_path / "tiny.json").exists()


def test_an_unknown_recipe_is_refused(start):
    with pytest.raises(recipes.UnrolledError, match="unknown recipe 'sed-003'"):
        start("sed-003")
