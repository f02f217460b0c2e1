"""Sessions on disk: whole, private, taken once."""

import contextlib
import os
import stat
import threading
from pathlib import Path

import pytest

from unrolled.atomic import atomic_path
from unrolled.serve.errors import UnknownSessionError
from unrolled.serve.session_files import SessionFiles
from unrolled.serve.tokens import Kept, Seal

KEPT = Kept(3, b"12345678")
SEAL = Seal(b"k" * 16, "mine", 8)
NAME = "aB" + "x" * 30


@pytest.fixture
def files(tmp_path):
    return SessionFiles(tmp_path / "sessions", SEAL)


def test_a_session_comes_back_once(files):
    files.write(NAME, KEPT)
    assert files.count() == 1
    assert files.take(NAME) == KEPT
    assert files.count() == 0
    with pytest.raises(UnknownSessionError, match="there is no session"):
        files.take(NAME)


class Killed(BaseException):
    """Where a process ends."""


@pytest.mark.parametrize("where", ["read_bytes", "unlink"])
def test_a_session_that_a_killed_process_was_about_to_take_is_there_again(
    files, tmp_path, monkeypatch, where
):
    files.write(NAME, KEPT)

    def killed(path, *arguments, **named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"pathlib.Path.{where}", killed)
        with pytest.raises(Killed):
            files.take(NAME)
    (left,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert left.suffix == ".taken"
    again = SessionFiles(tmp_path / "sessions", SEAL)
    assert again.count() == 1
    assert again.take(NAME) == KEPT
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_who_takes_a_session_loses_it_to_a_server_that_starts_meanwhile_and_puts_it_back(
    files, tmp_path, monkeypatch
):
    files.write(NAME, KEPT)
    remove = Path.unlink

    def starts(path, *arguments, **named):
        SessionFiles(tmp_path / "sessions", SEAL)
        remove(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", starts)
        with pytest.raises(UnknownSessionError):
            files.take(NAME)
    assert files.take(NAME) == KEPT


def test_what_a_killed_process_was_about_to_write_is_removed_and_what_one_writes_now_is_not(files, tmp_path):
    files.write(NAME, KEPT)
    (path,) = (path for path in tmp_path.rglob("*.session"))
    left = path.with_name(f".{NAME[::-1]}.session.0123456789abcdef.part")
    left.write_bytes(b"half")
    with atomic_path(path) as beside:
        beside.write_bytes(b"half")
        SessionFiles(tmp_path / "sessions", SEAL)
        assert beside.is_file()
    assert not left.exists()


def test_only_the_owner_may_read(files, tmp_path):
    files.write(NAME, KEPT)
    for path in (tmp_path / "sessions").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert stat.S_IMODE((tmp_path / "sessions").stat().st_mode) == 0o700


def test_of_many_who_come_at_once_one_takes_it(files):
    for _ in range(20):
        files.write(NAME, KEPT)
        found, start = [], threading.Barrier(4)

        def take(found=found, start=start):
            start.wait()
            with contextlib.suppress(UnknownSessionError):
                found.append(files.take(NAME))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [KEPT]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:30] + b"\0" + b[31:]])
def test_a_damaged_file_is_an_unknown_session_and_stays(files, tmp_path, damage):
    files.write(NAME, KEPT)
    (path,) = (path for path in tmp_path.rglob("*.session"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UnknownSessionError, match="cannot be read back: the token"):
        files.take(NAME)
    assert path.is_file()


def test_those_that_rest_longest_go_first(files, tmp_path):
    names = [f"{n:02}" + "x" * 30 for n in range(5)]
    for age, name in enumerate(names):
        files.write(name, KEPT)
        (path,) = tmp_path.rglob(f"{name}.session")
        os.utime(path, (age, age))
    assert files.keep(2) == 2
    assert sorted(path.stem for path in tmp_path.rglob("*.session")) == names[3:]
