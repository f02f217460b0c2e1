"""`unrolled train`."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from unrolled.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("blank_pictures")  # what `trained` has are drawn


def test_a_training_leaves_a_run_folder_with_pictures(unrolled, trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {
        "config.json",
        "metrics.jsonl",
        "weights.safetensors",
        "checkpoint.safetensors",
        "calibration.json",
        "likeness.safetensors",
        "curves.png",
        "confusion.png",
        "reliability.png",
        "misread.png",
        "reading.png",
    }
    for picture in trained.glob("*.png"):
        with Image.open(picture) as image:
            assert min(image.size) > 200


def test_the_last_line_is_the_test_accuracy_and_where_the_run_is(unrolled, tmp_path):
    folder = tmp_path / "a [run]"  # brackets must not be taken for markup
    result = unrolled("train", "--network", "seed-000", "--steps", 5, "--run", folder)
    assert result.code == 0
    *_, last = result.out.splitlines()
    match = re.fullmatch(r"test accuracy (0\.\d{4})  (.*)", last)
    assert match
    assert match[2] == str(folder)
    test = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert match[1] == f"{test['test_accuracy']:.4f}"


def test_every_epoch_has_a_line(unrolled, tmp_path):
    result = unrolled("train", "--network", "seed-000", "--steps", 90, "--run", tmp_path / "run")
    assert re.search(r"epoch +1/2 .*\n(.*\n)?epoch +2/2 ", result.out)


def test_runs_are_numbered_below_the_current_folder(unrolled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        result = unrolled("train", "--network", "seed-000", "--steps", 2)
        assert result.out.splitlines()[-1].endswith(f"  runs/seed-000-{number}")


def test_the_effective_configuration_is_saved(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["network"]["name"] == "seed-004"
    assert config["recipe"]["steps"] == 40
    assert config["validation"] == 100
    assert config["classes"] == list("0123456789")
    assert set(config["versions"]) == {"unrolled", "torch", "numpy", "python"}


def test_the_same_seed_gives_the_same_accuracy(unrolled, tmp_path):
    outs = [
        unrolled(
            "train", "--network", "seed-000", "--steps", 2, "--seed", seed, "--run", tmp_path / str(n)
        ).out
        for n, seed in enumerate((7, 7, 8))
    ]
    losses = [re.search(r"loss (\S+)", out)[1] for out in outs]
    assert losses[0] == losses[1] != losses[2]


def test_the_tutorials_way_of_reading_can_be_chosen(unrolled, tmp_path):
    folder = tmp_path / "run"
    name = "single-layer-dynamic-bi-lstm"
    assert unrolled("train", "--network", name, "--read", "last", "--steps", 2, "--run", folder).code == 0
    assert json.loads((folder / "config.json").read_text())["network"]["read"] == "last"


def test_a_scan_can_be_chosen_and_every_verb_knows_it(unrolled, tmp_path):
    folder, model = tmp_path / "run", tmp_path / "model.onnx"
    said = ("--cell", "gru", "--hidden", 4, "--scan", "permuted", "--steps", 2, "--run", folder)
    trained = unrolled("train", *said)
    assert trained.code == 0
    assert json.loads((folder / "config.json").read_text())["network"]["scan"] == "permuted"
    assert unrolled("evaluate", folder).out.splitlines()[-1] == trained.out.splitlines()[-1]
    assert unrolled("quantize", folder, "--to", tmp_path / "small").code == 0
    assert unrolled("export-onnx", folder, model).code == 0
    page = unrolled("page", folder, "-o", tmp_path / "page.html")
    assert (page.code, "reads pictures pixel by pixel in a permuted order" in page.err) == (2, True)


def test_sequences_of_several_lengths_are_no_pictures(unrolled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{one},{step},{one % 2}" for one in range(20) for step in range(3 + one % 4)]
    (tmp_path / "mine.csv").write_text("\n".join(["id,value,label", *rows]))
    said = ("train", "--data", "mine.csv", "--id", "id", "--label", "label", "--steps", 2)
    assert unrolled(*said).code == 0
    refused = unrolled(*said, "--scan", "pixels", "--run", "other")
    assert "3 to 6 steps of 1: expected pictures of one size" in refused.err
    assert refused.code == 2
    assert not (tmp_path / "other").exists()


def test_the_precision_is_saved_with_the_run(unrolled, tmp_path):
    folder = tmp_path / "run"
    assert unrolled("train", "--precision", "bfloat16", "--steps", 2, "--run", folder).code == 0
    assert json.loads((folder / "config.json").read_text())["recipe"]["precision"] == "bfloat16"
    refused = unrolled("train", "--resume", folder, "--precision", "float32")
    assert "leave out --precision" in refused.err


def test_mistakes_are_one_line_and_leave_no_folder(unrolled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mistakes = {
        ("--network", "single-layer-dynamc-lstm"): "did you mean 'single-layer-dynamic-lstm'",
        ("--recipe", "fsat"): "unknown recipe 'fsat'",
        ("--data", "minst"): "did you mean 'mnist'",
        ("--data", "mnist", "--data-dir", str(tmp_path)): "train-images-idx3-ubyte",
        ("--epochs", "0"): "epochs is 0, expected a whole number of at least 1",
        ("--epochs", "3", "--steps", "4"): "--epochs 3 and --steps 4 both say how long: give one of them",
        ("--epochs", "three"): "Invalid value for '--epochs'",
        ("--learning-rate", "-1"): "learning_rate is -1.0, expected a number above 0",
        ("--precision", "bflaot16"): "unknown precision 'bflaot16': did you mean 'bfloat16'",
        ("--threads", "0"): "--threads is 0, expected a whole number of at least 1",
        ("--device", "abacus"): "--device abacus: this torch cannot use it",
        ("--read", "lats"): "unknown read 'lats': did you mean 'last'",
        ("--validation", "4000"): "validation",
        ("--netwrok", "seed-000"): "No such option: --netwrok",
    }
    for arguments, message in mistakes.items():
        result = unrolled("train", *arguments)
        assert result.code == 2, arguments
        assert message in result.err, arguments
        assert result.err.startswith("unrolled: "), arguments
        assert len(result.err.splitlines()) == 1, arguments
        assert not any((tmp_path / "runs").glob("*/weights.safetensors")), arguments


def test_debug_shows_the_traceback(tmp_path):
    command = [sys.executable, "-m", "unrolled", "train", "--network", "nonsense", "--debug"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode != 0
    assert "Traceback" in result.stderr
    assert "UnrolledError: unknown network 'nonsense'" in result.stderr


def test_a_folder_that_is_taken_is_refused_before_training(unrolled, trained):
    before = sorted((path.name, path.stat().st_mtime) for path in trained.iterdir())
    result = unrolled("train", "--run", trained)
    assert result.code == 2
    assert "already holds a run: choose another folder with --run" in result.err
    assert sorted((path.name, path.stat().st_mtime) for path in trained.iterdir()) == before


def test_a_folder_that_cannot_be_made_is_one_line(unrolled, tmp_path):
    (tmp_path / "file").write_text("")
    result = unrolled("train", "--steps", 1, "--run", tmp_path / "file" / "run")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "cannot make the run folder" in result.err


def test_ctrl_c_keeps_a_checkpoint_and_the_training_goes_on_from_it(unrolled, tmp_path):
    """A real process, and a real signal in its first epoch."""
    folder = tmp_path / "run"
    options = ["train", "--network", "seed-000", "--run", str(folder), "--checkpoint-every", "1e-3"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "unrolled", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    deadline = time.monotonic() + 120
    while not (folder / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    stopped = re.fullmatch(
        rf"unrolled: stopped at step (\d+): unrolled train --resume {re.escape(str(folder))} goes on\n", err
    )
    assert stopped, err
    assert load_checkpoint(folder / "checkpoint.safetensors").progress.step == int(stopped[1])
    assert not list(folder.glob(".*"))


def test_a_tutorials_recipe_brings_its_network_and_prints_what_the_tutorial_prints(unrolled, tmp_path):
    folder = tmp_path / "run"
    result = unrolled("train", "--recipe", "seed-004", "--data", "sample", "--steps", 62, "--run", folder)
    assert result.code == 0
    assert "known defect B10: the output layer starts from a standard normal distribution;" in result.out
    assert re.search(r"^After 1 epoch,loss value is \d\.\d{6} ,and accuracy is 0\.\d{6} $", result.out, re.M)
    assert not re.search("^epoch", result.out, re.M)
    config = json.loads((folder / "config.json").read_text())
    assert (config["network"]["name"], config["recipe_name"], config["protocol"]) == (
        "seed-004",
        "seed-004",
        "seed-004",
    )
    assert config["recipe"]["optimizer"] == "tf1-adam"


def test_a_corrected_recipe_prints_as_all_others(unrolled, tmp_path):
    result = unrolled(
        "train",
        "--recipe",
        "seed-004",
        "--corrected",
        "--data",
        "sample",
        "--steps",
        2,
        "--run",
        tmp_path / "r",
    )
    assert result.code == 0
    assert "known defect" not in result.out
    assert re.search("^epoch +1/1 ", result.out, re.M)


def test_there_is_nothing_to_correct_in_our_own_recipes(unrolled):
    result = unrolled("train", "--corrected")
    assert result.code == 2
    assert "there is nothing to correct in the recipe default" in result.err


def test_another_network_can_be_trained_by_a_tutorials_recipe(unrolled, tmp_path):
    folder = tmp_path / "run"
    options = ("--recipe", "seed-003", "--network", "seed-000", "--data", "sample", "--steps", 2)
    assert unrolled("train", *options, "--run", folder).code == 0
    assert json.loads((folder / "config.json").read_text())["network"]["name"] == "seed-000"
