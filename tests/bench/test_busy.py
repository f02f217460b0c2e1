"""The benchmarks of busy machines: beside loops, and of several processes."""

import os
import subprocess
import sys

import pytest

from benchmarks import busy, processes
from benchmarks.busy import Took, Way, beside, table, timed
from unrolled.errors import UnrolledError


def test_a_command_is_timed_with_the_cpu_time_of_it_alone():
    sleep = timed([sys.executable, "-c", "import time; time.sleep(0.3)"], dict(os.environ))
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    work = timed([sys.executable, "-c", spin], dict(os.environ))
    assert sleep.wall >= 0.3 > sleep.cpu
    assert work.cpu >= 0.3
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero exit status 3"):
        timed([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ))


def test_the_loops_run_and_are_ended(monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(command):
        started.append(popen(command))
        return started[-1]

    monkeypatch.setattr(busy.subprocess, "Popen", start)
    with beside(2):
        assert [process.poll() for process in started] == [None, None]
    assert [process.returncode for process in started] == [-9, -9]


def test_a_way_reaches_the_training_and_takes_the_place_of_what_is_set(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    monkeypatch.setattr(busy, "timed", lambda command, environment: (command, environment))
    command, environment = busy.training(Way("passive", 2, 0), epochs=3)
    assert command[1:7] == ["-m", "unrolled", "train", "--epochs", "3", "--threads"]
    assert environment["OMP_WAIT_POLICY"] == "passive"
    assert "GOMP_SPINCOUNT" not in environment


def test_the_table_has_medians():
    lines = table({Way("passive", 2, 4): [Took(3.0, 1.0), Took(9.0, 2.0), Took(4.0, 8.0)]})
    assert lines[-1] == "| passive | 2 | 4 loops | 4.0 | 2.0 | 3.0 |"


def test_several_processes_take_turns_on_both_sides(capsys):
    words = "--rows lstm-h28 --processes 2 --threads 1 --seconds 0.05 --rounds 1"
    found = processes.main(words.split())
    assert set(found) == {("lstm-h28", "infer"), ("lstm-h28", "train")}
    assert all(ratio > 0 for ratio in found.values())
    assert "steps a second, unrolled" in capsys.readouterr().out
    with pytest.raises(UnrolledError, match=r"unknown row of torch.nn's layers 'lstm-peephole-h128'"):
        processes.main(["--rows", "lstm-peephole-h128"])
