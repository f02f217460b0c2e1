"""The run folder is the first thing that a training makes: what is killed then can be resumed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from unrolled.training import Run

pytestmark = pytest.mark.usefixtures("blank_pictures")
SMALL = ("--network", "seed-000", "--steps", "6", "--seed", "4")

# Python with a torch that takes for ever to import: what is there then is there before torch.
WITHOUT_TORCH = """
import sys, time
class Waiting:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "numpy"):
            print("waits", flush=True)
            time.sleep(600)
sys.meta_path.insert(0, Waiting())
from unrolled.cli.main import main
main(sys.argv[1:])
"""


@pytest.fixture
def killed_before_torch(tmp_path):
    def kill(*arguments):
        command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "waits\n", process.communicate()
        process.kill()
        process.communicate()

    return kill


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    from unrolled.cli.main import main

    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.raises(SystemExit):
        main(["train", *SMALL, "--run", str(folder)])
    return folder


def assert_same(folder, whole):
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    assert (folder / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    configs = [json.loads((path / "config.json").read_text()) for path in (folder, whole)]
    assert configs[0] == configs[1]


def test_a_training_that_is_killed_before_torch_is_there_goes_on_with_the_same_bits(
    unrolled, killed_before_torch, whole, tmp_path
):
    folder = tmp_path / "run"
    killed_before_torch("train", *SMALL, "--run", folder)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "config.json"]
    assert Run.open(folder).config.seed == 4
    killed_before_torch("train", "--resume", folder)  # and again, while it goes on
    result = unrolled("train", "--resume", folder)
    assert result.code == 0, result.err
    assert_same(folder, whole)


def test_what_was_asked_of_data_is_kept_until_they_are_read(unrolled, killed_before_torch, tmp_path):
    folder = tmp_path / "run"
    killed_before_torch("train", *SMALL, "--validation", 130, "--read", "state", "--run", folder)
    assert unrolled("train", "--resume", folder).code == 0
    config = Run.open(folder).config
    assert (config.validation, config.network.read, len(config.classes)) == (130, "state", 10)


def test_a_begun_run_says_what_it_is_wherever_it_is_read(unrolled, killed_before_torch, tmp_path):
    folder = tmp_path / "run"
    killed_before_torch("train", *SMALL, "--run", folder)
    for verb in ("evaluate", "export-tf1"):
        arguments = (folder, tmp_path / "model") if verb == "export-tf1" else (folder,)
        result = unrolled(verb, *arguments)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert "its training did not finish an epoch" in result.err
    result = unrolled("train", *SMALL, "--run", folder)
    assert "already holds a run" in result.err


def test_a_comparison_that_is_killed_before_torch_is_there_goes_on(unrolled, killed_before_torch, tmp_path):
    folder = tmp_path / "both"
    names = ("seed-004", "seed-000")
    killed_before_torch("compare", *names, "--steps", 4, "--run", folder)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "comparison.json", *sorted(names)]
    assert unrolled("train", "--resume", folder / "seed-000").code == 0
    before = (folder / "seed-000" / "weights.safetensors").stat().st_mtime_ns
    result = unrolled("compare", "--resume", folder)
    assert result.code == 0, result.err
    assert (folder / "seed-000" / "weights.safetensors").stat().st_mtime_ns == before
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    assert [row["network"] for row in rows] == list(names)
    assert {row["network"]: row["parameters"] for row in rows} == {"seed-004": 33_290, "seed-000": 6674}
    assert not (folder / ".lock").exists()


def test_a_comparison_that_goes_on_is_asked_for_nothing_else(unrolled, tmp_path):
    result = unrolled("compare", "--resume", tmp_path, "--epochs", 3)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "comparison.json says: leave out --epochs" in result.err
    assert "is no comparison: it has no comparison.json" in unrolled("compare", "--resume", tmp_path).err
    (tmp_path / "comparison.json").write_text('{"networks": ["../x"]}')
    assert "comparison.json is damaged" in unrolled("compare", "--resume", tmp_path).err


@pytest.mark.parametrize("verb", ["train", "compare"])
def test_a_mistake_leaves_no_folder_behind(verb, unrolled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mistakes = {
        ("--recipe", "fsat"): "unknown recipe",
        ("--data", "minst"): "did you mean 'mnist'",
        ("--data", "mnist", "--data-dir", str(tmp_path)): "train-images-idx3-ubyte",
        ("--seed", "-1"): "seed is -1, expected a whole number of at least 0",
        ("--threads", "0"): "--threads is 0",
        ("--device", "abacus"): "--device abacus",
        ("--validation", "4000"): "validation is 4000",
        ("--epochs", "0"): "epochs is 0",
    }
    for arguments, message in mistakes.items():
        for place in ((), ("--run", "deep/er/run")):
            result = unrolled(verb, *arguments, *place)
            assert (result.code, len(result.err.splitlines())) == (2, 1), arguments
            assert message in result.err
            assert not list(tmp_path.iterdir()), arguments


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_torch_is_loaded_stops_before_the_first_step_and_the_run_goes_on(
    number, code, unrolled, whole, tmp_path
):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "unrolled", "train", *SMALL, "--run", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    deadline = time.monotonic() + 60
    while not (folder / ".lock").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (code, "")
    assert err == f"unrolled: stopped before the first step: unrolled train --resume {folder} goes on\n"
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert unrolled("train", "--resume", folder).code == 0
    assert_same(folder, whole)
