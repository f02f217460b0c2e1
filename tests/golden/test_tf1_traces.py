"""The tutorials' recipes, from TensorFlow's initial weights and on its batches: its first 50 losses."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
import torch

from unrolled import tf1

ROOT = Path(__file__).parents[2]
TRACES = json.loads(Path(__file__).with_name("tf1_traces.json").read_text())

specification = importlib.util.spec_from_file_location("replay_tf1", ROOT / "scripts/replay_tf1.py")
replay_tf1 = importlib.util.module_from_spec(specification)
specification.loader.exec_module(replay_tf1)


@pytest.fixture(autouse=True)
def _no_graph_seed_stays():
    yield
    tf1.set_random_seed(None)


@pytest.mark.skipif("UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with mnist/")
@pytest.mark.parametrize("name", TRACES)
def test_the_first_losses_of_a_recipe_follow_tensorflows(name):
    losses, _ = replay_tf1.replay(name, os.environ["UNROLLED_DATA_DIR"], steps=50)
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(TRACES[name]["losses"]), rtol=1e-4, atol=0)


def test_every_recipe_has_a_trace_of_the_same_tensorflow():
    assert set(TRACES) == set(replay_tf1.RECIPES)
    for name, trace in TRACES.items():
        assert trace["tensorflow"] == "2.21.0"
        assert trace["steps"] == replay_tf1.RECIPES[name].steps
        assert len(trace["losses"]) == 50
