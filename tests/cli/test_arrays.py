"""`--data FOLDER`: arrays of your own on the command line."""

import json
import re

import numpy as np
import pytest
import torch

from unrolled.data import Dataset, Examples, Numbers, open_arrays, save_arrays
from unrolled.networks import CATALOGUE
from unrolled.training import Recipe, Run, RunConfig, evaluate, train_run
from unrolled.training.tasks import task_of


@pytest.fixture
def waves(tmp_path):
    """Waves of two kinds, 12 steps of 3 values, that any network tells apart."""
    time = np.linspace(0, 6, 12, dtype=np.float32)[:, None]
    random = np.random.default_rng(0)

    def pieces(count):
        for _ in range(count):
            labels = random.integers(0, 2, 25)
            phase = random.random((25, 1, 3), dtype=np.float32)
            yield np.sin(time * (1 + labels[:, None, None]).astype(np.float32) + phase), labels

    save_arrays(tmp_path / "waves", train=pieces(6), test=pieces(2), classes=["slow", "fast"])
    return tmp_path / "waves"


def test_a_folder_of_arrays_is_trained_on_and_evaluated_from_anywhere(unrolled, waves, tmp_path, monkeypatch):
    monkeypatch.chdir(waves.parent)
    options = ("--network", "single-layer-dynamic-gru", "--epochs", 3, "--batch-size", 16, "--run", "run")
    result = unrolled("train", "--data", "waves", *options)
    assert result.code == 0, result.err
    assert "135 examples to train, 15 to validate, 50 to test" in result.out
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"] == str(waves)
    assert config["classes"] == ["slow", "fast"]
    assert (config["network"]["input_size"], config["network"]["classes"]) == (3, 2)
    assert {"curves.png", "confusion.png", "misread.png", "reading.png"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    monkeypatch.chdir("/")
    for split in ("train", "validation", "test"):
        result = unrolled("evaluate", tmp_path / "run", "--split", split)
        assert result.code == 0, result.err
        assert "slow" in result.out
        assert f"{split} accuracy" in result.out
    assert result.out.splitlines()[-1].startswith("test accuracy 1.0000")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "test-labels.npy").unlink(), "cannot read .*test-labels.npy: No such file"),
        (
            lambda folder: (folder / "train-sequences.npy").write_bytes(b"x"),
            "is not a .npy file, or its header",
        ),
        (lambda folder: (folder / "classes.txt").write_text("slow\n"), "is 1, expected 0 to 0"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(unrolled, waves, spoil, message):
    spoil(waves)
    result = unrolled("train", "--data", waves)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert re.search(message, result.err)


def predicted(unrolled, run, path):
    """What `unrolled predict` says of the sequences in a .npy file."""
    result = unrolled("predict", path, "--run", run, "--json")
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_sequences_are_prepared_for_predict_as_those_of_the_training_were(unrolled, tmp_path, dtype):
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 150)
    x = (random.integers(0, 30, (150, 4, 3)) + 150 + 60 * labels[:, None, None]).astype(dtype)
    save_arrays(tmp_path / "far", train=[(x[:120], labels[:120])], test=[(x[120:], labels[120:])])
    run, test = tmp_path / "run", tmp_path / "far" / "test-sequences.npy"
    options = ("--network", "single-layer-dynamic-gru", "--steps", 20, "--run", run)
    assert unrolled("train", "--data", tmp_path / "far", *options).code == 0
    network = Run.open(run).load_network()
    found = evaluate(network, open_arrays(tmp_path / "far", standardize=dtype != np.uint8).test)
    said = predicted(unrolled, run, test)
    assert [int(one["predicted"]) for one in said] == found.predictions.tolist()
    logits = torch.tensor([one["outputs"] for one in said])
    torch.testing.assert_close(logits.softmax(1), found.probabilities)


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_that_predicts_numbers_predicts_them_of_arrays(unrolled, tmp_path, count):
    x = torch.randn(40, 4, 3, generator=torch.Generator().manual_seed(0))
    y = 100 + 10 * x.sum(1)[:, :count]
    names = ("a", "b")[:count]
    numbers = Numbers(names, tuple(y.mean(0).tolist()), tuple(y.std(0).tolist()))
    parts = (Examples(x[rows], y[rows]) for rows in (slice(0, 30), slice(30, 35), slice(35, 40)))
    data = Dataset("mine", *parts, (), task="regress", numbers=numbers)
    network = CATALOGUE["seed-000"].changed(input_size=3, classes=count)
    config = RunConfig(network, Recipe(steps=2), "mine", (), 0, 5, task="regress", numbers=names)
    outcome = train_run(tmp_path / "run", config, data)
    np.save(tmp_path / "x.npy", x[35:].numpy())
    said = predicted(unrolled, tmp_path / "run", tmp_path / "x.npy")
    expected = evaluate(outcome.network, data.test, task_of(data)).predictions
    torch.testing.assert_close(
        torch.tensor([[one["predicted"][name] for name in names] for one in said]), expected
    )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((2, 4, 5), "f4"),
            r"x.npy\[0\] has 5 numbers a step, expected 3: so many reads the network",
        ),
        (np.full((2, 4, 3), np.nan), "in row 0, step 0, number 0 is nan, expected finite ones"),
        (np.array([[3, 1]]), "x has values from 1 to 3, expected 0 to 2: network single-layer-dynamic-gru"),
    ],
)
def test_an_array_that_a_network_does_not_read_gets_a_line(unrolled, waves, tmp_path, array, message):
    options = ("--network", "single-layer-dynamic-gru", "--steps", 1, "--run", tmp_path / "run")
    assert unrolled("train", "--data", waves, *options).code == 0
    np.save(tmp_path / "x.npy", array)
    refused = unrolled("predict", tmp_path / "x.npy", "--run", tmp_path / "run")
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
    assert re.search(message, refused.err)
