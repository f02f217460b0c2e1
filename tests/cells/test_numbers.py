"""Sizes and probabilities may be numpy's numbers or come from tensors; they are kept as Python's own."""

import json

import numpy as np
import pytest
import torch

from tests.tolerances import assert_equal
from unrolled import DropoutCell, GRUCell, LSTMCell, RNNCell, Stream, dynamic_unroll
from unrolled.data import Examples, batches, load
from unrolled.errors import UnrolledError, check_count
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig

KINDS = {
    "int": int,
    "int64": np.int64,
    "uint8": np.uint8,
    "array": np.array,
    "tensor": torch.tensor,
    "size": lambda number: torch.empty(number).shape[0],
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@kinds
@pytest.mark.parametrize("make", [GRUCell, RNNCell, LSTMCell, lambda i, h: LSTMCell(i, 5, proj_size=h)])
def test_a_cell_is_made_by_any_whole_numbers(kind, make):
    cell, x = make(kind(4), kind(3)), torch.rand(2, 6, 4)
    assert (type(cell.input_size), type(cell.output_size), type(cell.hidden_size)) == (int, int, int)
    torch.manual_seed(1)
    own = make(4, 3)
    own.load_state_dict(cell.state_dict())
    assert_equal([dynamic_unroll(cell, x)[0]], [dynamic_unroll(own, x)[0]])
    assert repr(cell) == repr(own)


@pytest.mark.parametrize(
    "size",
    [
        True,
        np.True_,
        torch.tensor(True),
        3.0,
        np.float64(3),
        torch.tensor(3.0),
        "3",
        None,
        [3],
        0,
        -1,
        np.int64(0),
    ],
    ids=repr,
)
def test_what_is_no_size_is_refused(size):
    for make in (GRUCell, RNNCell, LSTMCell):
        with pytest.raises(UnrolledError, match=r"hidden_size is .*, expected a whole number of at least 1"):
            make(4, size)


def test_counts_from_0_may_be_0():
    assert check_count("validation", np.int64(0), least=0) == 0
    with pytest.raises(UnrolledError, match="at least 0"):
        check_count("validation", False, least=0)


def test_probabilities_and_bounds_may_be_numpys():
    half = np.float32(0.5)
    cell = DropoutCell(
        LSTMCell(4, 3, forget_bias=half, cell_clip=half, recurrent_dropout=half, zoneout=half),
        input=half,
        output=np.float64(0.5),
        state=np.int64(0),
    )
    inner = cell.cell
    kept = (cell.input, cell.output, cell.state, inner.forget_bias, inner.cell_clip, inner.zoneout)
    assert {type(value) for value in kept} == {float}
    assert dynamic_unroll(cell, torch.rand(2, 5, 4))[0].shape == (2, 5, 3)
    assert dynamic_unroll(cell.eval(), torch.rand(2, 5, 4))[0].shape == (2, 5, 3)


@kinds
def test_networks_recipes_streams_and_batches_take_them_too(kind):
    config = NetworkConfig(
        "mine",
        (("lstm", kind(5)), ("gru", kind(4))),
        input_size=kind(3),
        classes=kind(2),
        input_layers=((kind(6), "relu"),),
        output_layers=((kind(7), "tanh"),),
    )
    assert json.loads(json.dumps(config.changed(name="mine").layers)) == [["lstm", 5], ["gru", 4]]
    network = SequenceClassifier(config)
    assert network(torch.rand(2, 5, 3)).shape == (2, 2)
    recipe = Recipe(batch_size=kind(2), epochs=kind(3), patience=kind(4), steps=kind(5))
    assert {type(value) for value in (recipe.batch_size, recipe.epochs, recipe.patience, recipe.steps)} == {
        int
    }
    assert Stream(GRUCell(3, 2), kind(2)).step(torch.rand(2, 3)).shape == (2, 2)
    examples = Examples(torch.rand(5, 2, 3), torch.arange(5))
    assert [len(labels) for _, labels, _ in batches(examples, kind(2))] == [2, 2, 1]


def test_rates_may_be_numpys():
    recipe = Recipe(learning_rate=np.float32(0.5), clip_norm=np.float16(2), weight_decay=np.int64(0))
    assert json.dumps([recipe.learning_rate, recipe.clip_norm, recipe.weight_decay]) == "[0.5, 2.0, 0.0]"
    assert NetworkConfig("mine", (("lstm", 5),), output_dropout=np.float32(0.5)).output_dropout == 0.5
    with pytest.raises(UnrolledError, match=r"learning_rate is .*nan"):
        Recipe(learning_rate=np.float32("nan"))


@pytest.mark.parametrize("kind", [np.int64, torch.tensor], ids=["int64", "tensor"])
def test_a_run_and_its_data_are_described_by_any_whole_numbers(kind, tmp_path):
    data = load("sample", validation=kind(5))
    assert len(data.validation) == 5
    network = NetworkConfig("n", (("rnn", kind(3)),), input_size=kind(28), classes=kind(10))
    config = RunConfig(network, Recipe(steps=kind(1)), "sample", data.classes, kind(0), kind(5))
    run = Run.create(tmp_path / "run", config)
    assert Run.open(run.folder).config == config
