"""How torch's threads wait for work while the command line trains, in the words of libgomp itself."""

import os
import re
import subprocess
import sys

import pytest

from unrolled.cli.machine import SPINS, WAITING, let_threads_sleep

TRAIN = ("train", "--steps", "1", "--network", "seed-004")
FOREVER = "300000"  # libgomp's own


def told_by_processes(folder, *command, **environment):
    """How often a thread looks for work before it sleeps, as each OpenMP in a command's processes says it."""
    others = {name: value for name, value in os.environ.items() if name not in WAITING}
    result = subprocess.run(
        [sys.executable, *command],
        env=others | {"OMP_DISPLAY_ENV": "verbose"} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", result.stderr)
    if not found:
        pytest.skip("this torch has another OpenMP than libgomp")
    return found


def spins(folder, *command, **environment):
    """The same of a single process."""
    found = told_by_processes(folder, *command, **environment)
    assert len(set(found)) == 1
    return found[0]


def test_a_training_sleeps_while_it_waits(tmp_path):
    assert spins(tmp_path, "-m", "unrolled", *TRAIN) == SPINS


def test_every_process_of_torchrun_does(tmp_path):
    run = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "unrolled")
    found = told_by_processes(tmp_path, *run, *TRAIN)
    assert found.count(SPINS) == 2  # torchrun itself, which only waits, has loaded torch before us


@pytest.mark.parametrize(
    ("name", "value", "told"), [("GOMP_SPINCOUNT", "7", "7"), ("OMP_WAIT_POLICY", "passive", "0")]
)
def test_what_the_user_has_set_stays(tmp_path, name, value, told):
    assert spins(tmp_path, "-m", "unrolled", *TRAIN, **{name: value}) == told


def test_verbs_that_measure_and_the_library_change_nothing(tmp_path):
    bench = ("bench", "--batch", "1", "--steps", "1", "--input", "1", "--hidden", "1", "--seconds", "0.01")
    assert spins(tmp_path, "-m", "unrolled", *bench) == FOREVER
    assert spins(tmp_path, "-c", "import unrolled; unrolled.LSTM(2, 3)") == FOREVER


def test_nothing_is_set_for_a_torch_that_is_loaded_already(monkeypatch):
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    let_threads_sleep()
    assert not any(name in os.environ for name in WAITING)
    monkeypatch.delitem(sys.modules, "torch")
    let_threads_sleep()
    assert os.environ["GOMP_SPINCOUNT"] == SPINS
    monkeypatch.delenv("GOMP_SPINCOUNT")
