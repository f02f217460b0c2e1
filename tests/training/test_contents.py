"""A run goes on with the data that it was begun with, to the last bit, or not at all."""

import dataclasses
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled import data as datasets
from unrolled.data import Dataset, Examples
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig, Trainer, TrainingStoppedError, train_run
from unrolled.training.contents import BLOCK, contents_of, differences

NETWORK = NetworkConfig("small", (("gru", 9),), input_size=5, classes=3)
CONFIG = RunConfig(NETWORK, Recipe(batch_size=32, epochs=3), "easy", ("a", "b", "c"), seed=3, validation=60)


def with_part(data: Dataset, part: str, sequences=None, labels=None) -> Dataset:
    """The data with other sequences or labels in a part."""
    old = getattr(data, part)
    sequences = old.sequences if sequences is None else sequences
    return dataclasses.replace(data, **{part: Examples(sequences, old.labels if labels is None else labels)})


def add_to_one(values, place, what):
    other = values.clone()
    other.view(-1)[place] += what
    return other


CHANGES = {
    "the sequences of train are others": lambda d: with_part(
        d, "train", add_to_one(d.train.sequences, -1, 1e-6)
    ),
    "the sequences of validation are others": lambda d: with_part(
        d, "validation", add_to_one(d.validation.sequences, 7, 1e-6)
    ),
    "the sequences of test are others": lambda d: with_part(d, "test", d.test.sequences.flip(0)),
    "the labels of train are others": lambda d: with_part(d, "train", labels=(d.train.labels + 1) % 3),
    "the labels of test are others": lambda d: with_part(d, "test", labels=d.test.labels.flip(0)),
    "train has 299 examples, not 300": lambda d: dataclasses.replace(d, train=d.train[:299]),
    "validation has 0 examples, not 60": lambda d: dataclasses.replace(d, validation=d.validation[:0]),
    "test has 89 examples, not 90": lambda d: dataclasses.replace(d, test=d.test[1:]),
    "the sequences of train have 5 steps, not 6": lambda d: with_part(d, "train", d.train.sequences[:, :5]),
    "the steps of train are 4 wide, not 5": lambda d: with_part(d, "train", d.train.sequences[..., :4]),
    "the sequences of train are float64, not float32": lambda d: with_part(
        d, "train", d.train.sequences.double()
    ),
    "there are 4 classes, not 3": lambda d: dataclasses.replace(d, classes=("a", "b", "c", "d")),
    "the names of the classes are others": lambda d: dataclasses.replace(d, classes=("b", "a", "c")),
}


@pytest.fixture
def stopped(tmp_path, easy_data):
    with pytest.raises(TrainingStoppedError):
        train_run(tmp_path / "run", CONFIG, easy_data, should_stop=lambda: True)
    return tmp_path / "run"


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_does_not_go_on_with_other_data_and_says_what_changed(change, stopped, easy_data):
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(
        UnrolledError, match=rf"^the data easy are not those that .*run was begun with: {change}; give it"
    ):
        train_run(stopped, CONFIG, CHANGES[change](easy_data), resume=True)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
    train_run(stopped, CONFIG, easy_data, resume=True)


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_is_not_put_back_into_a_training_on_other_data(change, easy_data):
    state = Trainer(SequenceClassifier(NETWORK), easy_data, CONFIG.recipe).state()
    other = Trainer(SequenceClassifier(NETWORK), CHANGES[change](easy_data), CONFIG.recipe)
    with pytest.raises(UnrolledError, match=rf"on other data: .*{change}"):
        other.load_state(state)


def test_the_data_are_known_from_before_the_first_checkpoint_on(tmp_path, easy_data, monkeypatch):
    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("unrolled.training.trainer.Trainer.epochs", die)
        patch.setattr("unrolled.training.run.Run.discard", lambda run: None)  # as if it were killed
        with pytest.raises(SystemExit):
            train_run(tmp_path / "run", CONFIG, easy_data)
    other = CHANGES["the labels of train are others"](easy_data)
    with pytest.raises(UnrolledError, match="the labels of train are others"):
        train_run(tmp_path / "run", CONFIG, other, resume=True)


def test_a_run_of_an_earlier_version_goes_on_with_a_note_and_is_known_from_then_on(
    stopped, easy_data, monkeypatch
):
    path = stopped / "config.json"
    values = json.loads(path.read_text())
    del values["contents"]
    path.write_text(json.dumps(values))
    forget_contents(stopped / "checkpoint.safetensors")
    said = []
    with pytest.raises(TrainingStoppedError):
        train_run(stopped, CONFIG, easy_data, resume=True, say=said.append, should_stop=lambda: True)
    assert [line for line in said if "has no digest of the data" in line]
    other = CHANGES["the labels of test are others"](easy_data)
    with pytest.raises(UnrolledError, match="the labels of test are others"):
        train_run(stopped, CONFIG, other, resume=True)


def forget_contents(path):
    from unrolled.training.checkpoint import load_checkpoint, save_checkpoint

    state = load_checkpoint(path)
    del state.training["data"]
    save_checkpoint(path, state._replace(circumstances={}))


def test_data_that_no_network_of_a_run_can_read_are_refused_without_a_digest_too(stopped, easy_data):
    path = stopped / "config.json"
    values = json.loads(path.read_text())
    del values["contents"]
    path.write_text(json.dumps(values))
    for change in ("the steps of train are 4 wide, not 5", "there are 4 classes, not 3"):
        with pytest.raises(UnrolledError, match=change):
            train_run(stopped, CONFIG, CHANGES[change](easy_data), resume=True)


def test_a_number_of_a_file_that_is_mapped_counts_wherever_it_stands(tmp_path):
    """Of more than a block, so that all blocks must have been read."""
    sequences = torch.zeros(2 * BLOCK // 4096 + 3, 64, 64, dtype=torch.uint8)
    labels = torch.arange(len(sequences)) % 3
    small = [(sequences[:6], labels[:6])]
    datasets.save_arrays(tmp_path / "a", train=[(sequences, labels)], test=small)
    first = contents_of(datasets.open_arrays(tmp_path / "a", validation=0))
    path = tmp_path / "a" / "train-sequences.npy"
    for place in (-1, -BLOCK, -BLOCK - 1, 128):
        with path.open("r+b") as file:
            file.seek(place, 2 if place < 0 else 0)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))
        now = contents_of(datasets.open_arrays(tmp_path / "a", validation=0))
        assert differences(first, now) == ["the sequences of train are others"]
        first = now


@given(data=st.data())
def test_a_digest_is_of_the_numbers_not_of_how_they_lie_in_memory(data):
    count, steps, width = (data.draw(st.integers(1, 5)) for _ in range(3))
    sequences = torch.rand(count, steps, width)
    labels = torch.zeros(count, dtype=torch.int64)
    test = Examples(torch.zeros(1, steps, width), labels[:1])

    def contents(values, threads=1):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return contents_of(Dataset("x", Examples(values, labels), test, test, ("a",)))
        finally:
            torch.set_num_threads(before)

    expected = contents(sequences)
    turned = sequences.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert contents(turned, threads=3) == expected == contents(sequences.clone())
    place = data.draw(st.integers(0, sequences.numel() - 1))
    assert contents(add_to_one(sequences, place, 1e-3)) != expected


def test_what_config_says_of_the_data_may_be_anything_and_is_no_crash(stopped, easy_data):
    path = stopped / "config.json"
    values = json.loads(path.read_text())
    for contents in ({}, {"train": 3}, {"train": {"examples": [[]]}}, 3, [], "x", {"train": None}):
        path.write_text(json.dumps({**values, "contents": contents}))
        with pytest.raises(UnrolledError):
            train_run(stopped, CONFIG, easy_data, resume=True)
    assert Run.open(stopped)
