"""`--data FOLDER`: arrays of your own on the command line."""

import json
import re

import numpy as np
import pytest

from unrolled.data import save_arrays


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
