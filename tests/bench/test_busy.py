"""The benchmarks of busy machines: beside loops, and of several processes."""

import os
import subprocess
import sys

import pytest

from benchmarks import busy, processes, report
from benchmarks.busy import Took, Way, beside, timed
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
    took = [{"wall": wall, "cpu": cpu} for wall, cpu in ((3.0, 1.0), (9.0, 2.0), (4.0, 8.0))]
    ways = [{"setting": "passive", "threads": 2, "loops": 4, "took": took}]
    assert report.busy_table(ways)[-1] == "| passive | 2 | 4 | 4.0 | 3.0 | 2.0 | 1.0 |"


def test_the_command_trains_in_every_way_and_writes_the_page(monkeypatch, tmp_path):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    report.PAGE.write_text(report.BEGIN, encoding="utf-8")
    monkeypatch.setattr(busy, "training", lambda way, epochs: Took(way.threads, way.loops))
    words = ["busy", "--rounds", "2", "--settings", "--save", "busy-x"]
    monkeypatch.setattr(sys, "argv", words)
    busy.main()
    text = report.PAGE.read_text(encoding="utf-8")
    assert "## `unrolled train --epochs 3` alone and beside other processes" in text
    assert "| passive | 2 | 4 | 2.0 | 2.0 | 4.0 | 4.0 |" in text
    assert text.count("| as it comes | 1 |") == 2


def test_several_processes_take_turns_on_both_sides(capsys):
    words = "--rows lstm-h28 --processes 2 --threads 1 --seconds 0.05 --rounds 1"
    found = processes.main(words.split())
    assert set(found) == {("lstm-h28", "infer"), ("lstm-h28", "train")}
    assert all(ratio > 0 for ratio in found.values())
    assert "steps a second, unrolled" in capsys.readouterr().out
    with pytest.raises(UnrolledError, match=r"unknown row of torch.nn's layers 'lstm-peephole-h128'"):
        processes.main(["--rows", "lstm-peephole-h128"])
