"""The tutorials' recipes, from TensorFlow's initial weights and on its batches: its first 50 losses."""

import functools
import importlib.util
import json
import os
from pathlib import Path

import pytest
import torch

from unrolled import data
from unrolled.training import lookup
from unrolled.training.recipes import TUTORIALS

ROOT = Path(__file__).parents[2]
TRACES = json.loads(Path(__file__).with_name("tf1_traces.json").read_text())

specification = importlib.util.spec_from_file_location("replay_tf1", ROOT / "scripts/replay_tf1.py")
replay_tf1 = importlib.util.module_from_spec(specification)
specification.loader.exec_module(replay_tf1)

# The others are these once more, static for dynamic or another cell. How many steps of the large ones.
REPLAYED = {
    "seed-000": 50,
    "seed-001-net-1": 50,
    "seed-001-net-9": 50,
    "seed-001-net-10": 30,
    "seed-001-net-12": 50,
    "seed-001-net-14": 10,
    "seed-002": 2,  # all that it has
    "seed-002-multi-lstm": 50,
    "seed-003": 50,
    "seed-004": 50,
}


@functools.cache
def mnist():
    return data.load("mnist", os.environ["UNROLLED_DATA_DIR"])


@pytest.mark.skipif("UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with mnist/")
@pytest.mark.parametrize(("name", "steps"), REPLAYED.items())
def test_the_first_losses_of_a_recipe_follow_tensorflows(name, steps):
    losses, _ = replay_tf1.replay(name, mnist(), steps)
    assert len(losses) == steps
    theirs = torch.tensor(TRACES[name]["losses"][:steps])
    torch.testing.assert_close(torch.tensor(losses), theirs, rtol=1e-4, atol=0)


def test_the_traces_are_of_whole_trainings_by_the_same_tensorflow():
    assert set(REPLAYED) <= set(TRACES) <= set(TUTORIALS)
    for name, trace in TRACES.items():
        assert trace["tensorflow"] == "2.21.0"
        assert trace["steps"] == lookup(name).recipe.total_steps(55_000)
        assert len(trace["losses"]) == min(50, trace["steps"])
