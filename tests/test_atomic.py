"""Files and folders that are whole or not there, and what killed writers leave."""

import os
import subprocess
import sys
import threading

import pytest

from unrolled.atomic import atomic_folder, atomic_path, clear_leftovers

KILLED = """
import os, signal, sys
from pathlib import Path
from unrolled.atomic import atomic_folder, atomic_path
with (atomic_folder if sys.argv[2] == "folder" else atomic_path)(Path(sys.argv[1])) as beside:
    (beside / "inside" if beside.is_dir() else beside).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(path, kind):
    """Leave what a process leaves that is killed while it writes."""
    process = subprocess.run([sys.executable, "-c", KILLED, str(path), kind])
    assert process.returncode == -9


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_removed_by_the_next_one_and_nothing_else(tmp_path, kind):
    path = tmp_path / "thing"
    others = [
        ".thing.part",
        ".thing.mine.part",
        ".other.0123456789abcdef.part",
        "thing.0123456789abcdef.part",
    ]
    for name in others:
        (tmp_path / name).write_text("somebody's")
    killed_while_writing(path, kind)
    assert len(list(tmp_path.iterdir())) == len(others) + 1
    with (atomic_folder if kind == "folder" else atomic_path)(path) as beside:
        (beside / "inside" if beside.is_dir() else beside).write_text("whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*others, "thing"])


def test_a_process_with_the_number_of_a_dead_one_can_write_all_the_same(tmp_path):
    """In a container every training may be process 7."""
    path = tmp_path / "thing"
    (tmp_path / f".thing.{os.getpid()}.part").mkdir()
    with atomic_folder(path) as beside:
        (beside / "inside").write_text("whole")
    assert [entry.name for entry in tmp_path.iterdir()] == ["thing"]


def test_what_a_living_writer_has_half_written_is_left_alone(tmp_path):
    path = tmp_path / "thing"
    ready, go_on = threading.Event(), threading.Event()

    def write_slowly():
        with atomic_path(path) as beside:
            beside.write_text("slow")
            ready.set()
            go_on.wait(30)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    ready.wait(30)
    clear_leftovers(path)
    with atomic_path(path) as beside:
        beside.write_text("quick")
    assert path.read_text() == "quick"
    assert len(list(tmp_path.iterdir())) == 2
    go_on.set()
    writer.join()
    assert path.read_text() == "slow"
    assert [entry.name for entry in tmp_path.iterdir()] == ["thing"]


def test_a_pipe_with_the_name_of_a_leftover_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / ".thing.0123456789abcdef.part")
    with atomic_path(tmp_path / "thing") as beside:
        beside.write_text("whole")
    assert len(list(tmp_path.iterdir())) == 2
