"""Several processes, started by torchrun as a user starts them, beside one."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch.distributed
from safetensors.torch import load_file

from tests.tolerances import assert_close
from tests.training.many_processes import DATA, RECIPES, make_config
from unrolled.training import Run, train_run

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="needs torch.distributed with gloo",
)
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


def torchrun(processes, *arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), *arguments]
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": "0"},
    )


@pytest.fixture(scope="module", params=[2, 3])
def together(request, tmp_path_factory):
    """The folder of many_processes.py after so many processes have run it, and what each of them saw."""
    folder = tmp_path_factory.mktemp(f"{request.param}-processes")
    process = torchrun(request.param, "-m", "tests.training.many_processes", folder)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    seen = [json.loads((folder / f"seen-{rank}.json").read_text()) for rank in range(request.param)]
    return folder, seen


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same trainings in this process."""
    folder = tmp_path_factory.mktemp("alone")
    for name in RECIPES:
        train_run(folder / name, make_config(name), DATA)
    return folder


def assert_equal_within_rounding(folder, expected):
    lines, expected_lines = (Run.open(path).metrics() for path in (folder, expected))
    for line, expected_line in zip(lines, expected_lines, strict=True):
        assert line.keys() == expected_line.keys()
        for key in line.keys() - {"seconds"}:
            assert_close(torch.tensor(line[key]).float(), torch.tensor(expected_line[key]).float())
    weights, expected_weights = (load_file(path / "weights.safetensors") for path in (folder, expected))
    assert weights.keys() == expected_weights.keys()
    for name, tensor in expected_weights.items():
        assert_close(weights[name], tensor)


@pytest.mark.parametrize("recipe", RECIPES)
def test_several_processes_equal_one(together, alone, recipe):
    assert_equal_within_rounding(together[0] / recipe, alone / recipe)


def test_all_processes_know_the_outcome(together, alone):
    folder, seen = together
    for name in RECIPES:
        expected = Run.open(folder / name).metrics()[-1]["test_accuracy"]
        assert {line[name] for line in seen} == {expected}
    assert [(line["rank"], line["size"]) for line in seen] == [(n, len(seen)) for n in range(len(seen))]
    assert json.loads((folder / "best" / "config.json").read_text())["processes"] == len(seen)


def test_an_error_in_one_process_ends_all_of_them(together):
    _, seen = together
    assert all("best already holds a run" in line["taken"] for line in seen)
    assert {line["no data"] for line in seen} == {f"no data at {len(seen) - 1}"}
    assert all("the loss is nan at step" in line["diverged"] for line in seen)
    last = len(seen) - 1
    other = f"process {last} has other data than the first one: the sequences of test are others"
    assert {line["other data"] for line in seen} == {other}


def test_a_stop_in_one_process_stops_all_and_all_go_on(together, alone):
    folder, seen = together
    assert all(line["stopped"].startswith("stopped at step 4: ") for line in seen)
    assert [line["steps said"] for line in seen] == [24 - 4] + [0] * (len(seen) - 1)
    assert_equal_within_rounding(folder / "stopped", alone / "best")


def test_each_process_draws_its_own_dropout(together):
    _, seen = together
    assert len({line["drawn"] for line in seen}) == len(seen)


def test_the_command_line_under_torchrun_stops_and_another_number_of_processes_goes_on(tmp_path):
    folder = tmp_path / "run"
    options = ["--network", "seed-000", "--steps", 400, "--validation", 100, "--checkpoint-every", 1e-3]
    process = torchrun(2, "-m", "--", "unrolled", "train", *options, "--run", folder)
    deadline = time.monotonic() + 120
    while not (folder / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode != 0
    lines = [line for line in err.splitlines() if line.startswith("unrolled: ")]
    assert len(lines) == 1, err
    assert re.fullmatch(r"unrolled: stopped at step \d+: unrolled train --resume .*run goes on", lines[0])
    assert out.count("examples to train") == 1

    resume = [sys.executable, "-m", "unrolled", "train", "--resume", folder, "--threads", "1"]
    result = subprocess.run([str(part) for part in resume], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "note: the run was begun with processes 2 and goes on with 1" in result.stdout
    assert Run.open(folder).metrics()[-2]["step"] == 400
