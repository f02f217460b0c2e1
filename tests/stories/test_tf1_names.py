"""The table of TensorFlow 1.15's names in docs/coming-from-tf1.md against what is exported."""

import re
from pathlib import Path

import pytest
import torch

from unrolled import tf1

PAGE = Path(__file__).parents[2] / "docs/coming-from-tf1.md"
# How many public names of recurrent networks TensorFlow 1.15 has in each module.
MODULES = {
    "tf.nn.rnn_cell": 10,
    "tf.nn": 6,
    "tf.contrib.rnn": 37,  # without those of tf.nn, which it shows as well
    "tf.contrib.cudnn_rnn": 14,
    "tf.contrib.legacy_seq2seq": 13,
    "tf.contrib.seq2seq": 30,
}
# Here for what TensorFlow has elsewhere, or has not.
OF_OTHER_KINDS = {
    *("Adam", "RMSProp", "DataSet", "Datasets", "read_data_sets", "FoundModel", "find_model", "Graph"),
    *("load_variables", "read_checkpoint", "write_checkpoint", "constant", "zeros", "glorot_uniform"),
    *("random_normal", "random_uniform", "truncated_normal", "set_random_seed", "Dense", "TensorArray"),
    *("TensorShape", "VariableScope", "LayerNormLSTMCell", "cudnn_rnn", "legacy_seq2seq", "seq2seq"),
    *("Imported", "import_checkpoint", "ImportedGraph", "import_graph"),
}


def tables():
    """The rows (name, here, note) of each module's table."""
    text = PAGE.read_text(encoding="utf-8").split("### Every name")[1].split("\n## ")[0]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if len(cells) == 3 and cells[1] == "here":
            rows = found.setdefault(cells[0].strip("`"), [])
        elif len(cells) == 3 and set(cells[0]) != {"-"}:
            rows.append((cells[0].strip("`"), cells[1].strip("`"), cells[2]))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_the_table_has_every_name_once_and_in_order(module):
    names = [name for name, _, _ in tables()[module]]
    assert len(names) == MODULES[module]
    assert names == sorted(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_each_name_is_exported_or_has_a_reason(module):
    for name, here, note in tables()[module]:
        if here == "no":
            assert note, f"{name} is not here, and nothing says why"
            for room in (tf1, tf1.seq2seq, tf1.legacy_seq2seq, tf1.cudnn_rnn):
                assert room is tf1.legacy_seq2seq or name not in room.__all__, f"{name} is here"
        else:
            first, *path, last = here.split(".")
            assert (first, last) == ("tf1", name)
            room = getattr(tf1, path[0]) if path else tf1
            assert name in room.__all__
            assert getattr(room, name).__doc__


def test_everything_that_is_exported_stands_in_the_table():
    here = {row[1] for rows in tables().values() for row in rows}
    exported = {f"tf1.{name}" for name in tf1.__all__ if name not in OF_OTHER_KINDS}
    for room in ("cudnn_rnn", "legacy_seq2seq", "seq2seq"):
        exported |= {f"tf1.{room}.{name}" for name in getattr(tf1, room).__all__}
    assert here - {"no"} == exported


@pytest.mark.parametrize("kind", ["by the loop", "on a fused kernel"])
def test_what_is_said_to_run_on_a_kernel_does_and_nothing_else(kind):
    from unrolled.unroll.kernel_layer import kernel_of

    for module in ("tf.nn.rnn_cell", "tf.contrib.rnn", "tf.contrib.cudnn_rnn"):
        for name, here, note in tables()[module]:
            if not note.startswith(kind) or re.search("Conv|Wrapper", name):
                continue
            room = tf1.cudnn_rnn if "cudnn" in here else tf1
            cell = getattr(room, name)(4)
            cell.build(3, torch.float32)
            inner = cell.inner()
            assert (kernel_of(inner) is not None) == (kind == "on a fused kernel"), name


def test_the_number_of_operators_is_the_registrys():
    from unrolled.tf1.graphs.registry import OPERATORS

    tf1.Graph  # noqa: B018  its import registers them
    text = PAGE.with_name("tf1-checkpoints.md").read_text(encoding="utf-8")
    assert re.findall(r"and (\d+) operators are there", text) == [str(len(OPERATORS))]
