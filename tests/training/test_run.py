"""Run folders: what is kept, and what is refused."""

import dataclasses
import json

import pytest
import torch

from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.training import Recipe, Run, RunConfig, train_run
from unrolled.training.run import newest, next_free

NETWORK = NetworkConfig("small", (("lstm", 7),), input_size=5, classes=3)
CONFIG = RunConfig(NETWORK, Recipe(batch_size=32, epochs=2), "easy", ("a", "b", "c"), seed=3, validation=60)


@pytest.fixture
def outcome(tmp_path, easy_data):
    return train_run(tmp_path / "runs" / "small-1", CONFIG, easy_data)


def test_a_run_can_be_opened_again_with_its_weights(outcome, easy_data):
    run = Run.open(outcome.run.folder)
    assert run.config == CONFIG
    network = run.load_network()
    x = easy_data.test.sequences
    with torch.no_grad():
        assert torch.equal(network(x), outcome.network.eval()(x))
    assert not network.training


def test_metrics_have_a_line_for_each_epoch_and_one_for_the_test(outcome):
    *epochs, test = outcome.run.metrics()
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert test["test_accuracy"] == outcome.test.accuracy


def test_a_run_folder_holds_whole_files_only(outcome):
    names = {path.name for path in outcome.run.folder.iterdir()}
    judged = {"calibration.json", "likeness.safetensors"}
    assert names == {"config.json", "metrics.jsonl", "weights.safetensors", "checkpoint.safetensors"} | judged


def test_a_folder_that_holds_a_run_is_not_written_over(outcome, easy_data):
    before = (outcome.run.folder / "weights.safetensors").read_bytes()
    with pytest.raises(UnrolledError, match="small-1 already holds a run: choose another folder with --run"):
        train_run(outcome.run.folder, CONFIG, easy_data)
    assert (outcome.run.folder / "weights.safetensors").read_bytes() == before


def test_a_folder_with_other_things_is_not_written_into(tmp_path, easy_data):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(UnrolledError, match="is not empty: choose another folder"):
        train_run(tmp_path, CONFIG, easy_data)


def test_a_file_is_not_a_run_folder(tmp_path, easy_data):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnrolledError, match="file is a file: choose another folder"):
        train_run(tmp_path / "file", CONFIG, easy_data)


def test_a_training_that_fails_at_once_leaves_no_folder(tmp_path, easy_data):
    easy_data.train.sequences[:] = float("inf")
    with pytest.raises(UnrolledError, match="the sequences of train: in row 0, step 0, number 0 is inf"):
        train_run(tmp_path / "run", CONFIG, easy_data)
    assert not (tmp_path / "run").exists()


def test_a_training_that_is_stopped_keeps_its_best_weights(tmp_path, easy_data):
    def stop(metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(tmp_path / "run", CONFIG, easy_data, on_epoch=stop)
    assert Run.open(tmp_path / "run").load_network().config == NETWORK


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UnrolledError, match=r"no run folder .*nowhere: `unrolled train` makes one"):
        Run.open(tmp_path / "nowhere")
    (tmp_path / "digit.png").write_bytes(b"")
    with pytest.raises(UnrolledError, match=r"no run folder .*digit\.png: that is a file; `unrolled train`"):
        Run.open(tmp_path / "digit.png")


def test_a_folder_without_a_configuration_is_not_a_run(tmp_path):
    with pytest.raises(UnrolledError, match=r"is not a run folder: it has no config\.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"network": 3}', '{"network": {"name": "x", "layers": 3}}', "null", "\x00\xff"],
)
def test_a_damaged_configuration_is_one_clear_error(tmp_path, text):
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UnrolledError, match=r"config\.json"):
        Run.open(tmp_path)


def test_no_classes_in_a_configuration_are_refused(outcome):
    path = outcome.run.folder / "config.json"
    values = json.loads(path.read_text())
    values["network"]["classes"] = 0
    path.write_text(json.dumps(values))
    with pytest.raises(UnrolledError, match="classes is 0, expected a whole number of at least 1"):
        Run.open(outcome.run.folder)


def test_weights_of_another_network_are_refused(outcome):
    other = SequenceClassifier(dataclasses.replace(NETWORK, layers=(("lstm", 9),)))
    outcome.run.save_weights(other.state_dict())
    message = (
        r"holds another network than small, which config\.json names: "
        r"cell\.cells\.0\.weight_ih is \[36, 5\], expected \[28, 5\]"
    )
    with pytest.raises(UnrolledError, match=message):
        outcome.run.load_network()
    deeper = SequenceClassifier(dataclasses.replace(NETWORK, layers=(("lstm", 7), ("gru", 7))))
    outcome.run.save_weights(deeper.state_dict())
    with pytest.raises(UnrolledError, match=r"cell\.cells\.1\.\w+ is \[.*\], expected no such weights"):
        outcome.run.load_network()
    outcome.run.save_weights({"other": torch.zeros(1)})
    with pytest.raises(UnrolledError, match=r"weight_ih is missing, expected \[28, 5\]"):
        outcome.run.load_network()


def test_missing_and_damaged_weights_are_one_clear_error(outcome):
    path = outcome.run.folder / "weights.safetensors"
    whole = path.read_bytes()
    for damaged in (b"", whole[:5], whole[: len(whole) // 2], whole[:-1], b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(UnrolledError, match=r"weights\.safetensors is damaged"):
            outcome.run.load_network()
    path.unlink()
    with pytest.raises(UnrolledError, match=r"has no weights\.safetensors: its training did not finish"):
        outcome.run.load_network()


def test_a_line_that_was_being_written_when_the_training_was_killed_is_left_out(outcome):
    path = outcome.run.folder / "metrics.jsonl"
    first, *_ = path.read_text().splitlines()
    path.write_text(f'{first}\n{{"epo')
    assert outcome.run.metrics() == [json.loads(first)]


def test_damaged_metrics_are_one_clear_error(outcome):
    (outcome.run.folder / "metrics.jsonl").write_text('{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    with pytest.raises(UnrolledError, match=r"metrics\.jsonl is damaged"):
        outcome.run.metrics()


def test_new_runs_are_numbered(tmp_path):
    assert next_free(tmp_path, "net").name == "net-1"
    (tmp_path / "net-1").mkdir()
    assert next_free(tmp_path, "net").name == "net-2"


def test_the_newest_run_is_the_one_whose_weights_were_written_last(tmp_path, easy_data):
    with pytest.raises(UnrolledError, match=r"no run in .*: `unrolled train` makes one"):
        newest(tmp_path)
    for name in ("z", "a"):
        train_run(tmp_path / name, CONFIG, easy_data)
    assert newest(tmp_path) == tmp_path / "a"
