"""Who trains in a run folder: one at a time, from the first moment on; and a folder that goes away."""

import contextlib
import dataclasses
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.tolerances import assert_equal
from unrolled.errors import UnrolledError
from unrolled.networks import NetworkConfig
from unrolled.training import Recipe, Run, RunConfig, TrainingStoppedError, train_run
from unrolled.training.keeping import begun, reopened
from unrolled.training.lock import LOCK, RunLock

NETWORK = NetworkConfig("small", (("gru", 9),), input_size=5, classes=3)
CONFIG = RunConfig(
    NETWORK, Recipe(batch_size=32, epochs=3), "easy", ("a", "b", "c"), seed=3, validation=60
)  # 10 steps an epoch

HOLDER = """
import sys, time
from unrolled.training.keeping import reopened
with reopened(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def stopped(tmp_path, easy_data):
    """A run that was stopped after its first step."""
    with pytest.raises(TrainingStoppedError):
        train_run(tmp_path / "run", CONFIG, easy_data, should_stop=lambda: True)
    return tmp_path / "run"


@pytest.fixture
def holder(stopped):
    """Another process that trains in that run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(stopped)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def at_step(number, action):
    return lambda step: action() if step.number == number else None


def test_a_run_is_trained_by_one_process_at_a_time_until_that_dies(stopped, holder, easy_data):
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    message = rf"run is being trained by process {holder.pid} on .*: wait until that has ended, or stop it$"
    with pytest.raises(UnrolledError, match=message):
        train_run(stopped, CONFIG, easy_data, resume=True)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
    assert Run.open(stopped).metrics() == []  # reading needs no right
    holder.kill()
    holder.wait()
    assert len(train_run(stopped, CONFIG, easy_data, resume=True).run.metrics()) == 4
    assert not (stopped / LOCK).exists()


def test_a_second_training_is_refused_in_the_same_process_too(stopped, easy_data):
    refused = []

    def try_again():
        with pytest.raises(UnrolledError, match=f"is being trained by process {os.getpid()} on"):
            train_run(stopped, CONFIG, easy_data, resume=True)
        refused.append(True)

    def train_beside():
        thread = threading.Thread(target=try_again)
        thread.start()
        thread.join()

    outcome = train_run(stopped, CONFIG, easy_data, resume=True, on_step=at_step(4, train_beside))
    assert refused == [True]
    assert [line.get("epoch") for line in outcome.run.metrics()] == [1, 2, 3, None]


def test_two_trainings_that_are_begun_at_once_in_one_folder_are_one_training(tmp_path):
    """Into a folder that is there, and is empty: nobody's name is taken by making it."""
    for folder in (tmp_path / "new", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        barrier, outcomes = threading.Barrier(8), []

        def begin(folder=folder, barrier=barrier, outcomes=outcomes):
            barrier.wait()
            try:
                Run.create(folder, CONFIG)
                outcomes.append("made")
            except UnrolledError as error:
                outcomes.append(str(error))

        threads = [threading.Thread(target=begin) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("made") == 1, outcomes
        others = [outcome for outcome in outcomes if outcome != "made"]
        assert all("already holds a run" in other or "is being trained by" in other for other in others)
        assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_a_child_that_was_forked_does_not_keep_its_dead_parents_lock(stopped):
    """As the workers of a data loader that outlive a training that was killed."""
    script = """
import os, sys, time
from unrolled.training.lock import RunLock
from pathlib import Path
lock = RunLock(Path(sys.argv[1]))
if os.fork() == 0:
    os.setsid()
    print("held", flush=True)  # by the child: only once it runs has it let go
time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(stopped)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "held\n"
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    try:
        assert len(children) == 1
        with pytest.raises(UnrolledError, match="is being trained by"):
            RunLock(stopped)
        process.kill()
        process.wait()
        os.kill(int(children[0]), 0)  # it lives
        RunLock(stopped).release()
    finally:
        process.kill()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        process.communicate()


def test_a_lock_that_is_no_file_is_one_clear_error(stopped, easy_data):
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)):
        make(stopped / LOCK)
        with pytest.raises(UnrolledError, match=r"run"):
            train_run(stopped, CONFIG, easy_data, resume=True)
        shutil.rmtree(stopped / LOCK) if (stopped / LOCK).is_dir() else (stopped / LOCK).unlink()
    train_run(stopped, CONFIG, easy_data, resume=True)


def test_a_training_that_was_killed_before_its_first_step_goes_on(tmp_path, easy_data):
    """With the lock of the dead one, a configuration that the data have not completed, and no more."""
    asked = dataclasses.replace(CONFIG, classes=(), validation=None)
    context = multiprocessing.get_context("fork")

    def begin_and_die():
        with begun(tmp_path / "run", asked):
            os.kill(os.getpid(), signal.SIGKILL)

    process = context.Process(target=begin_and_die)
    process.start()
    process.join()
    assert process.exitcode == -9
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", LOCK}
    opened = Run.open(tmp_path / "run")
    assert (opened.config, opened.config.is_complete) == (asked, False)
    resumed = train_run(tmp_path / "run", asked, easy_data, resume=True)
    whole = train_run(tmp_path / "whole", CONFIG, easy_data)
    assert_equal(list(resumed.network.parameters()), list(whole.network.parameters()))
    assert Run.open(tmp_path / "run").config == CONFIG


@pytest.mark.parametrize("what", ["moved", "removed", "replaced"])
@pytest.mark.parametrize("seconds", [1e-9, 1e9], ids=["between steps", "after an epoch"])
def test_a_folder_that_goes_away_ends_its_training_and_nothing_is_written_elsewhere(
    what, seconds, tmp_path, easy_data
):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"

    def take_away():
        shutil.rmtree(folder) if what == "removed" else folder.rename(elsewhere)
        if what == "replaced":
            folder.mkdir()
            (folder / "thesis.txt").write_text("years")

    with pytest.raises(UnrolledError, match=r"run was moved or removed while it was trained: nothing more"):
        train_run(folder, CONFIG, easy_data, checkpoint_seconds=seconds, on_step=at_step(14, take_away))
    if what == "replaced":
        assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    else:
        assert not folder.exists()
    if what != "removed":
        assert train_run(elsewhere, CONFIG, easy_data, resume=True).run.metrics()[-2]["epoch"] == 3


def test_an_error_leaves_what_was_there_before_the_training(tmp_path, easy_data):
    (tmp_path / "mine").mkdir()
    easy_data.train.sequences.fill_(float("nan"))

    for folder in (tmp_path / "mine", tmp_path / "deep" / "er" / "run"):
        with pytest.raises(UnrolledError, match="number 0 is nan, expected finite ones"):
            train_run(folder, CONFIG, easy_data)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not list((tmp_path / "mine").iterdir())
    error = UnrolledError("anything")
    with pytest.raises(UnrolledError), contextlib.ExitStack() as stack:  # noqa: PT012
        stack.enter_context(begun(tmp_path / "new", CONFIG))
        (tmp_path / "new" / "note.txt").write_text("mine")
        raise error
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["note.txt"]


def test_a_run_that_goes_on_keeps_its_folder_whatever_happens_then(tmp_path):
    asked = dataclasses.replace(CONFIG, classes=(), validation=None)
    Run.create(tmp_path / "run", asked)
    with pytest.raises(UnrolledError, match="no such data"), reopened(tmp_path / "run"):
        raise UnrolledError("no such data")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_a_waiting_training_can_have_the_folder_the_moment_that_it_is_free(stopped):
    """Who had it removes the lock's file: one that was opened before is not taken for the next one's."""
    held: list[int] = []
    most: list[int] = []

    def work():
        for _ in range(40):
            try:
                lock = RunLock(stopped)
            except UnrolledError:
                time.sleep(0.0005)
                continue
            held.append(1)
            most.append(len(held))
            time.sleep(0.0005)
            held.pop()
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert not (stopped / LOCK).exists()
