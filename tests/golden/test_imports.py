"""Networks that names and shapes do not tell: what TensorFlow's graph computes, or a reasoned refusal."""

import shutil

import numpy as np
import pytest
import torch

from tests.golden import kept
from tests.tf1.graphs.graph_files import constant, definition, node
from tests.tolerances import assert_close
from unrolled import UnrolledError, tf1
from unrolled.tf1.checkpoints.wire import Message, bytes_field
from unrolled.tf1.graphs.files import read_source

NAMES = kept.cases("imports.zip")

REFUSED = {
    "two-parts": r"do not fit onto one another: decoder/rnn/.*; encoder/rnn/.* take one of them with --scope",
    "own-initial-state": "c0 has no place among",
    "sum": r"the network that was found is not the graph's: they part at Sum:0, .*; `unrolled .* --as-graph",
    "lengths-beside-the-end": r"they part at strided_slice:0, .*lengths \[",
    "keras-hard-sigmoid": r"they part at lstm/strided_slice_\d:0",
}
FULL = {torch.float16: torch.float32}
RANDOM = {"language-model-dropout"}  # TensorFlow's own results are other ones each time
ONE_HOT = {"one-hot"}  # TensorFlow's graph takes whole numbers, the network the steps that it makes of them


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return kept.unpack("imports.zip", tmp_path_factory.mktemp("imports"))


@pytest.fixture(scope="session")
def results():
    return kept.results("imports.zip")


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(REFUSED) - RANDOM))
def test_what_is_imported_computes_what_tensorflow_did(folder, results, name):
    imported = tf1.import_checkpoint(folder / name / "model.ckpt")
    assert imported.proof.startswith("it computes what the graph's")
    assert ("of several lengths" in imported.proof) == (f"{name}/lengths" in results)
    x, lengths = torch.from_numpy(results[f"{name}/x"]), results.get(f"{name}/lengths")
    if name in ONE_HOT:
        assert any("makes one-hot steps of them" in note for note in imported.model.notes)
        x = torch.nn.functional.one_hot(x.long(), imported.model.config.input_size).float()
    with torch.no_grad():
        came, expected = (
            imported.model.network()(x.to(FULL.get(x.dtype, x.dtype)), lengths),
            results[f"{name}/output"],
        )
    if x.dtype == torch.float16:
        np.testing.assert_allclose(came, expected, rtol=0, atol=5e-3 * np.abs(expected).max())
    else:
        assert_close(came, expected)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_run_can_hold_is_refused_and_the_reason_said(folder, name):
    with pytest.raises(UnrolledError, match=REFUSED[name]):
        tf1.import_checkpoint(folder / name / "model.ckpt")


FOUND = {
    "one-hot": {"input_layers": (), "input_size": 7, "classes": 7},
    "shared-language-model": {"layers": (("lstm", 5, {"forget_bias": 0.7}),) * 3, "input_size": 7},
    "batch-inside": {"layers": (("lstm", 5, {"forget_bias": 0.7}),), "read": "final"},
    "shared": {"layers": (("lstm", 5, {"forget_bias": 0.7}),) * 3},
    "residual": {"layers": (("gru", 5), ("gru", 5, {"residual": True}), ("gru", 5, {"residual": True}))},
    "max": {"read": "max"},
    "mean": {"read": "mean"},
    "lengths-mean": {"read": "mean"},
    "first": {"read": "first"},
    "memory": {"read": "memory"},
    "reversed": {"direction": "backward"},
    "scaled": {"input_layers": ((3, "identity"),)},
    "softsign-after": {"output_layers": ((5, "softsign"),)},
    "keras-gru-after": {"layers": (("gru", 5, {"reset": "after"}),)},
    "keras-two-directions": {"direction": "bidirectional", "read": "final"},
    "ptb": {"layers": (("lstm", 5, {"forget_bias": 0.0}),) * 2, "unroll": "static", "input_size": 7},
    "two-directions-with-lengths": {"direction": "bidirectional", "read": "final"},
    "language-model": {"input_size": 7, "classes": 7, "input_layers": ((5, "identity"),)},
}


@pytest.mark.parametrize("name", FOUND)
def test_what_the_graph_proves_stands_in_the_configuration(folder, name):
    config = tf1.import_checkpoint(folder / name / "model.ckpt").model.config
    assert {key: getattr(config, key) for key in FOUND[name]} == FOUND[name]


def test_an_embedding_stands_before_the_cells_and_is_looked_up(folder, results):
    model = tf1.import_checkpoint(folder / "language-model" / "model.ckpt").model
    assert model.describe()[0] == "embedding: embedding 7 → 5"
    assert model.notes == ["the graph answers at every step: the network does after the last one"]
    network, words = model.network(), torch.from_numpy(results["language-model/x"])
    with torch.no_grad():
        one_hot = torch.nn.functional.one_hot(words.long(), 7).float()
        assert_close(network(words), network(one_hot))
    with pytest.raises(ValueError, match="x has values from 0 to 7, expected 0 to 6"):
        network(torch.tensor([[0, 7]]))


def test_a_dropout_of_a_fixed_probability_does_not_hide_the_network(folder):
    imported = tf1.import_checkpoint(folder / "language-model-dropout" / "model.ckpt")
    assert imported.proof is not None
    assert imported.model.notes[0].startswith("the graph drops values with a fixed probability")


@pytest.mark.parametrize(
    "wrong", [{"read": "final"}, {"options": {"forget_bias": 0.0}}, {"options": {"cell_clip": 0.01}}]
)
def test_what_the_caller_says_is_held_against_the_graph_too(folder, wrong):
    with pytest.raises(UnrolledError, match="they part at"):
        tf1.import_checkpoint(folder / "memory" / "model.ckpt", **wrong)


def test_a_clip_that_only_large_numbers_meet_is_met(folder):
    """No memory comes to 9 in the few steps of most trials."""
    with pytest.raises(UnrolledError, match=r"they part at .* numbers of about 30"):
        tf1.import_checkpoint(folder / "memory" / "model.ckpt", options={"cell_clip": 9.0})


def test_ends_can_be_named_and_wrong_ones_prove_nothing(folder):
    prefix = folder / "first" / "model.ckpt"
    assert tf1.import_checkpoint(prefix, input="x:0", output="fc/add:0").proof is not None
    for wrong, message in {
        ("y:0", "fc/add:0"): "not verified at y:0 and fc/add:0: the graph does not run: .*'y'",
        ("x:0", "nowhere:0"): "not verified at x:0 and nowhere:0: .*unknown node 'nowhere'",
        (
            "x:0",
            "strided_slice:0",
        ): r"strided_slice:0 has shape \[3, 5\], which is not 2 for each",
    }.items():
        with pytest.raises(UnrolledError, match=message):
            tf1.import_checkpoint(prefix, input=wrong[0], output=wrong[1])


def test_without_a_graph_there_is_no_proof(folder, tmp_path):
    for piece in ("index", "data-00000-of-00001"):
        shutil.copy(folder / "shared" / f"model.ckpt.{piece}", tmp_path)
    imported = tf1.import_checkpoint(tmp_path / "model.ckpt", options={"forget_bias": 0.7})
    assert (imported.has_graph, imported.proof) == (False, None)
    assert "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel may have been shared by several layers" in str(
        imported.model.notes
    )
    with pytest.raises(UnrolledError, match=r"x:0 is a tensor of a graph, and there is no .*\.meta"):
        tf1.import_checkpoint(tmp_path / "model.ckpt", input="x:0")


def changed(prefix, folder, new, renamed):
    """A checkpoint in whose graph `new` nodes stand, in the place of those that have their names; what read
    `renamed` reads another node.
    """
    for file in prefix.parent.glob("model.ckpt.*"):
        shutil.copy(file, folder)
    made = [Message(memoryview(each)).text(1) for each in new]
    nodes = []
    for each in map(Message, read_source(prefix).nodes):
        if each.text(1) not in made:
            content = b"".join(bytes_field(n, each.text(n).encode()) for n in (1, 2))
            for text in each.texts(3):
                content += bytes_field(3, renamed.get(text, text).encode())
            nodes.append(content + b"".join(bytes_field(5, bytes(part)) for part in each.all_bytes(5)))
    (folder / "model.ckpt.meta").write_bytes(bytes_field(2, definition(*nodes, *new)))
    return folder / "model.ckpt"


def test_a_graph_that_takes_the_lengths_from_the_padding_is_another_network(folder, tmp_path):
    new = [
        constant("two", np.int32(2)),
        constant("one", np.int32(1)),
        node("abs", "Abs", "x"),
        node("largest", "Max", "abs", "two"),
        node("used", "Sign", "largest"),
        node("count", "Sum", "used", "one"),
        node("seqlen", "Cast", "count", SrcT=np.float32, DstT=np.int32),
    ]
    prefix = changed(folder / "lengths-state" / "model.ckpt", tmp_path, new, {})
    with pytest.raises(UnrolledError, match=r"they part at .* numbers of about 1, padded\)"):
        tf1.import_checkpoint(prefix)


def test_a_default_that_no_name_explains_is_part_of_what_the_graph_computes(folder, tmp_path):
    new = [
        constant("quarter", np.float32(0.25)),
        node("much", "PlaceholderWithDefault", "quarter", dtype=np.float32, shape=()),
        node("x_much", "Mul", "x", "much"),
    ]
    prefix = changed(folder / "max" / "model.ckpt", tmp_path, new, {"x": "x_much"})
    with pytest.raises(UnrolledError, match="they part at"):
        tf1.import_checkpoint(prefix)


def test_what_the_graph_was_fed_and_for_how_many_steps_it_is_proved_is_said(folder):
    assert "fed: keep_prob:0 = 1.0" in tf1.import_checkpoint(folder / "one-hot" / "model.ckpt").model.notes
    assert "random sequences of 6 steps, to" in tf1.import_checkpoint(folder / "flat" / "model.ckpt").proof
