"""TensorFlow's own checkpoints: read, written back, and imported as networks that compute what they did."""

import numpy as np
import pytest
import torch

from tests.golden import kept
from tests.tolerances import assert_close
from unrolled import UnrolledError, networks, tf1
from unrolled.tf1.graphs.networks.definition import Graph

NAMES = kept.cases("checkpoints.zip")
NETWORKS = [name for name in NAMES if not name.startswith("every-type")]

# What no graph says: the options that the networks were made with.
OPTIONS = {
    name: {"forget_bias": 0.3, "cell_clip": 0.4, "proj_clip": 0.2}
    for name in ("first-era-options", "second-era-options")
}


def find(checkpoints, name, **given):
    prefix = checkpoints / name / "model.ckpt"
    meta = prefix.with_name("model.ckpt.meta")
    graph = Graph.read(meta) if meta.exists() else None
    model = tf1.find_model(tf1.read_checkpoint(prefix.parent), graph, options=OPTIONS.get(name), **given)
    if model.asks_forget_bias:
        assert graph is None
        model = tf1.find_model(tf1.read_checkpoint(prefix.parent), options={"forget_bias": 1.0}, **given)
    return model


@pytest.fixture(scope="session")
def results():
    return kept.results("checkpoints.zip")


@pytest.mark.parametrize("name", NETWORKS)
def test_an_imported_network_computes_what_tensorflow_did(checkpoints, results, name):
    network = find(checkpoints, name).network()
    with torch.no_grad():
        assert_close(network(torch.from_numpy(results[f"{name}/x"])), results[f"{name}/output"])


def test_every_network_of_the_lesson_is_there(results):
    names = list(networks.CATALOGUE)[:14]
    assert set(names) <= set(NETWORKS)
    assert str(results["tensorflow"]) == "2.21.0"


@pytest.mark.parametrize("name", list(networks.CATALOGUE)[:14])
def test_a_network_of_the_lesson_is_recognised(checkpoints, name):
    """Kinds, number of layers and direction; the unrolling is in the graph only."""
    expected = networks.lookup(name)
    config = find(checkpoints, name).config
    assert [layer[0] for layer in config.layers] == [layer[0] for layer in expected.layers]
    assert config.direction == expected.direction
    assert (config.input_size, config.classes) == (3, 5)


FROM_GRAPHS = {
    "every-option": {
        "layers": (
            (
                "lstm",
                4,
                {"peephole": True, "proj_size": 2, "forget_bias": 0.3, "cell_clip": 0.4, "proj_clip": 0.2},
            ),
        ),
        "unroll": "dynamic",
    },
    "bi-states": {"read": "final", "unroll": "dynamic"},
    "bi-static-states": {"read": "final", "unroll": "static"},
    "single-layer-static-bi-lstm": {"read": "last", "unroll": "static"},
    "multi-layer-dynamic-bi-lstm": {"read": "last", "unroll": "dynamic"},
    "dense-around": {
        "input_layers": ((6, "relu"),),
        "layers": (("lstm", 4, {"forget_bias": 1.0, "activation": "relu"}),),
        "output_layers": ((8, "tanh"),),
    },
    "relu-rnn": {"layers": (("rnn", 4, {"nonlinearity": "relu"}),)},
    "loops-as-functions": {"layers": (("lstm", 4, {"forget_bias": 0.7}),)},
    "resources": {"layers": (("lstm", 4, {"forget_bias": 0.6}),)},
}


@pytest.mark.parametrize("name", FROM_GRAPHS)
def test_the_graph_says_what_no_variable_does(checkpoints, name):
    model = find(checkpoints, name)
    assert {key: getattr(model.config, key) for key in FROM_GRAPHS[name]} == FROM_GRAPHS[name]
    assert model.notes == []


def test_stacks_for_each_direction_are_told_from_stacked_directions(checkpoints):
    assert find(checkpoints, "bi-of-stacks").config.direction == "parallel"
    assert find(checkpoints, "scopes-of-bi").config.direction == "bidirectional"


def test_what_is_only_assumed_is_noted(checkpoints):
    (no_graph, two_directions) = find(checkpoints, "bi-of-stacks").notes
    assert no_graph.startswith("no graph: the cells are taken to have TensorFlow's activations")
    assert two_directions.startswith("two directions: the classifier is taken to see both beside the last")
    assert "no output layer was found" in find(checkpoints, "no-classifier").notes[1]


def test_optimizers_leave_no_layers(checkpoints):
    """Adam, centered RMSProp with momentum, Momentum under a name of its own; a step counter."""
    for name, variables in {"named-by-hand": 21, "called-by-hand": 25, "relu-rnn": 9}.items():
        assert len(tf1.read_checkpoint(checkpoints / name)) == variables
        assert not any("not used" in note for note in find(checkpoints, name).notes)


def test_every_type_is_read(checkpoints):
    numbers = np.arange(6).reshape(2, 3)
    for version in (1, 2):
        variables = tf1.read_checkpoint(checkpoints / f"every-type-{version}")
        assert len(variables) == (15 if version == 1 else 18)
        for name, value in variables.items():
            if name in ("string", "empty", "scalar", "bool", "bfloat16"):
                continue
            factor = -1 - 2j if "complex" in name else 1 if "u" in name else -1
            np.testing.assert_array_equal(value, (numbers * factor).astype(name), strict=True)
        np.testing.assert_array_equal(variables["bool"], numbers % 2 == 0, strict=True)
        np.testing.assert_array_equal(variables["scalar"], np.float32(2.5), strict=True)
        np.testing.assert_array_equal(variables["empty"], np.zeros((0, 4), np.float32), strict=True)
        assert variables["string"].tolist() == [
            [b"a", b"", "ünï".encode()],
            [b"\0\xc3\xbf", b"long " * 99, b"e"],
        ]
    expected = torch.from_numpy(numbers / 7).bfloat16().float().numpy()
    np.testing.assert_array_equal(variables["bfloat16"], expected, strict=True)


# In parts, in several shards, with bfloat16, of version 1: TensorFlow writes those otherwise than we.
OTHERWISE = {"partitioned", "shards", "every-type-2", "every-type-1", "first-era", "first-era-mix"}
OTHERWISE |= {"second-era-options", "version-1-partitioned", "version-1-shards"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - OTHERWISE))
def test_what_was_read_and_written_again_is_the_same_file(checkpoints, tmp_path, name):
    tf1.write_checkpoint(tmp_path / "model.ckpt", tf1.read_checkpoint(checkpoints / name))
    for piece in ("index", "data-00000-of-00001"):
        ours, theirs = tmp_path / f"model.ckpt.{piece}", checkpoints / name / f"model.ckpt.{piece}"
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("name", ["partitioned", "shards", "version-1-partitioned", "version-1-shards"])
def test_parts_and_shards_come_together(checkpoints, tmp_path, name):
    variables = tf1.read_checkpoint(checkpoints / name)
    tf1.write_checkpoint(tmp_path / "whole", variables)
    again = tf1.read_checkpoint(tmp_path / "whole")
    assert list(again) == list(variables)
    for key, value in variables.items():
        np.testing.assert_array_equal(again[key], value, strict=True)


def test_a_checkpoint_is_found_by_prefix_by_any_of_its_files_and_by_its_folder(checkpoints):
    names = list(tf1.read_checkpoint(checkpoints / "shards"))
    for piece in ("model.ckpt", "model.ckpt.index", "model.ckpt.data-00001-of-00002"):
        assert list(tf1.read_checkpoint(checkpoints / "shards" / piece)) == names
    for piece in ("", "model.ckpt-?????-of-00002", "model.ckpt-00001-of-00002", "model.ckpt"):
        assert list(tf1.read_checkpoint(checkpoints / "version-1-shards" / piece)) == names


def test_without_a_graph_the_forget_bias_is_asked_for(checkpoints):
    variables = tf1.read_checkpoint(checkpoints / "every-option")
    assert tf1.find_model(variables).asks_forget_bias
    assert not tf1.find_model(variables, options={"forget_bias": 0.3}).asks_forget_bias
    assert not tf1.find_model(tf1.read_checkpoint(checkpoints / "shards")).asks_forget_bias  # a GRU has none


def test_a_scope_takes_one_of_several_networks(checkpoints):
    one = tf1.read_checkpoint(checkpoints / "single-layer-dynamic-gru")
    other = tf1.read_checkpoint(checkpoints / "single-layer-dynamic-lstm")
    both = {f"a/{name}": value for name, value in one.items()}
    both |= {f"b/{name}": value for name, value in other.items()}
    with pytest.raises(UnrolledError, match=r"do not fit onto one another: a/rnn/gru_cell GRU 3 → 4; b/rnn/"):
        tf1.find_model(both)
    assert tf1.find_model(both, scope="a/").config.layers == (("gru", 4),)
    assert tf1.find_model(both, scope="b/").config.layers == (("lstm", 4),)
