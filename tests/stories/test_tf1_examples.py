"""The tutorials' ports in examples/tf1 run, on a few batches of random pictures."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from unrolled.data import write_idx

EXAMPLES = Path(__file__).parents[2] / "examples/tf1"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """MNIST's four files with noise in them: 5,600 pictures to train and validate, 300 to test."""
    folder = tmp_path_factory.mktemp("mnist")
    random = np.random.default_rng(0)
    for part, count in (("train", 5600), ("t10k", 300)):
        write_idx(
            folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        )
        write_idx(folder / f"{part}-labels-idx1-ubyte", random.integers(0, 10, count, dtype=np.uint8))
    return folder


@pytest.fixture
def run(data_dir, tmp_path, monkeypatch, capsys):
    """Run an example as a program, in an empty folder, and return what it prints."""

    def run_example(name, *options, has_mnist=True):
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(EXAMPLES)
        place = ["--data-dir", str(data_dir)] if has_mnist else []
        monkeypatch.setattr(sys, "argv", [name, *place, *map(str, options)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_example


def test_tutorial_000_prints_an_accuracy_for_each_epoch(run):
    output = run("000_lstm_of_28.py", "--epochs", 2, "--steps", 2)
    assert re.fullmatch(r"0 0\.\d+\n1 0\.\d+\n", output)


@pytest.mark.parametrize("network", range(1, 15))
def test_tutorial_001_trains_a_network_and_tests_it(network, run):
    options = ["--network", network, "--steps", 1, "--test-steps", 2]
    output = run("001_fourteen_networks.py", *options)
    assert "state of the LSTM: 2" in output
    assert re.search(r"Test accuracy: 0\.\d+\n$", output)


def test_tutorial_002_compares_state_and_output(run):
    output = run("002_state_and_output.py")
    assert output.count("h_state_2 == outputs[:, -1, :]: True") == 2
    assert output.endswith("with keep_prob 0.5: False\n")


def test_tutorial_003_prints_its_test_accuracy(run):
    output = run("003_lstm_of_128.py", "--steps", 2)
    assert re.search(r"Testing Accuracy: 0\.\d+\n$", output)


def test_tutorial_004_prints_each_epoch_and_saves_its_weights(run, tmp_path):
    output = run("004_two_layers.py", "--epochs", 2, "--steps", 2)
    assert len(re.findall(r"After \d epoch,loss value is \d+\.\d+ ,and accuracy is 0\.\d+", output)) == 2
    assert (tmp_path / "checkpoints/rnn_mnist.pt").is_file()


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("00[0-4]*.py")))
def test_without_mnist_a_tutorial_reads_the_digits_that_come_with_the_package(
    name, run, tmp_path, monkeypatch
):
    monkeypatch.delenv("UNROLLED_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    few = {"000": ["--epochs", 1, "--steps", 2], "001": ["--steps", 200], "002": [], "003": ["--steps", 2]}
    few["004"] = ["--epochs", 1, "--steps", 2]
    output = run(name, *few[name[:3]], has_mnist=False)
    (line,) = [line for line in output.splitlines() if line.startswith("MNIST is not here")]
    assert "4,000 of its digits that come with the package" in line


def test_a_folder_without_mnist_is_one_line(run, tmp_path):
    with pytest.raises(SystemExit, match=r"does not hold mnist: expected .*; or leave out --data-dir"):
        run("000_lstm_of_28.py", "--data-dir", tmp_path)


def test_the_language_model_learns_a_text_and_goes_on_with_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "text.txt").write_text("abcd " * 120, encoding="utf-8")
    options = ["--text", str(tmp_path / "text.txt"), "--epochs", "25", "--rows", "4", "--steps", "12"]
    monkeypatch.setattr(sys, "argv", ["005_letters.py", *options])
    runpy.run_path(str(EXAMPLES / "005_letters.py"), run_name="__main__")
    *epochs, written = capsys.readouterr().out.splitlines()
    losses = [float(re.fullmatch(r"epoch \d+: (\d\.\d+) nats a letter", line)[1]) for line in epochs]
    assert len(losses) == 25
    assert losses[-1] < 0.1 < losses[0]
    assert written == "abcd " * 16


def test_every_port_names_the_defects_that_it_repairs():
    text = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py"))
    assert {int(number) for number in re.findall(r"\bB(\d+)\b", text)} == set(range(1, 14))
