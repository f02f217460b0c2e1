"""Sessions whose folder cannot be written: nothing is lost that need not be, and the log says so."""

import asyncio
import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.serve.engine import Engine

KEY = b"a secret of sixteen bytes or more"
CONFIG = NetworkConfig("lstm", (("lstm", 7),), read="last", input_size=5, classes=3)


def engine_of(folder, **changes):
    torch.manual_seed(7)
    return Engine(SequenceClassifier(CONFIG), key=KEY, identity="one", folder=folder, **changes)


def steps(count, seed):
    return np.random.default_rng(seed).standard_normal((count, 5)).astype(np.float32)


def in_the_way(folder, name):
    """A file where the folder of a session's file would have to be: nobody can write there, not even root."""
    place = folder / name[:2].replace("-", "_").lower()
    place.write_bytes(b"")
    return place


async def until(so, seconds=20):
    async with asyncio.timeout(seconds):
        while not so():
            await asyncio.sleep(0.01)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "unrolled.serve")
    logging.getLogger("unrolled.serve").propagate = True
    return lambda: [(record.getMessage(), record.fields) for record in caplog.records]


def test_an_idle_session_that_cannot_be_written_stays_in_memory_and_goes_once_there_is_room(tmp_path, said):
    async def run():
        engine, whole = engine_of(tmp_path, idle_after=0.2), engine_of(tmp_path / "whole")
        name, other = await engine.open(), await whole.open()
        place = in_the_way(tmp_path, name)
        await engine.step(name, steps(3, 1))
        await until(said)
        assert (engine.state().in_memory, engine.state().on_disk) == (1, 0)
        event, fields = said()[0]
        assert event == "idle sessions stay in memory"
        assert str(place) in fields["reason"]
        went_on = await engine.step(name, steps(2, 2))
        await whole.step(other, steps(3, 1))
        np.testing.assert_array_equal(went_on.outputs, (await whole.step(other, steps(2, 2))).outputs)
        assert went_on.count == 5
        place.unlink()  # there is room again
        await until(lambda: engine.state().on_disk == 1)
        again = await engine.step(name, steps(2, 3))
        np.testing.assert_array_equal(again.outputs, (await whole.step(other, steps(2, 3))).outputs)
        await engine.drain()
        await whole.drain()

    asyncio.run(run())


def test_a_sweep_that_meets_a_full_disk_says_so_in_one_line_however_many_are_idle(tmp_path, said):
    async def run():
        engine = engine_of(tmp_path, idle_after=0.4)
        names = [await engine.open() for _ in range(50)]
        places = {in_the_way(tmp_path, name) for name in names}
        await engine.step(names[0], steps(1, 1))
        await until(said)
        assert len(said()) == 1
        assert engine.state().in_memory == 50
        for place in places:
            place.unlink()
        await engine.drain()
        assert engine.state().on_disk == 50

    asyncio.run(run())


def test_a_drain_writes_what_can_be_written_and_tells_how_many_could_not(tmp_path, said):
    async def run():
        engine = engine_of(tmp_path)
        names = [await engine.open() for _ in range(20)]
        place = in_the_way(tmp_path, names[0])
        lost = sum(name[:2].replace("-", "_").lower() == place.name for name in names)
        await engine.step(names[0], steps(1, 1))
        await engine.drain()
        ((event, fields),) = said()
        assert "sessions are lost, but for their tokens" in event
        assert fields["sessions"] == lost
        assert str(place) in fields["reason"]
        later = engine_of(tmp_path)
        assert later.state().on_disk == 20 - lost
        await later.drain()

    asyncio.run(run())


SMALL_DISK = """
import asyncio, os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_full_disk import engine_of, steps

async def run():
    folder = Path(sys.argv[1])
    engine = engine_of(folder, idle_after=0.05)
    name = await engine.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))  # more than that cannot be written to any file
    await engine.step(name, steps(3, 1))
    await asyncio.sleep(0.5)
    state = engine.state()
    left = [path.name for path in folder.rglob("*") if path.is_file()]
    print(state.in_memory, state.on_disk, left, (await engine.step(name, steps(1, 2))).count)

asyncio.run(run())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files are bounded as Unix bounds them")
def test_a_file_that_can_be_begun_but_not_ended_leaves_nothing_behind(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path), str(__file__).rpartition("/")[0]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "1 0 [] 4"
    assert ran.stderr.count("idle sessions stay in memory") >= 1


def test_an_engine_counts_its_calls_steps_and_seconds(tmp_path):
    async def run():
        engine = engine_of(None)
        names = [await engine.open() for _ in range(3)]
        assert (engine.state().calls, engine.state().steps, engine.state().seconds) == (0, 0, 0.0)
        await asyncio.gather(*(engine.step(name, steps(4, 1)) for name in names))
        await engine.step(names[0], steps(200, 2))
        state = engine.state()
        assert state.steps == 3 * 4 + 200
        assert state.rows == state.rows_a_call * state.calls
        assert 2 <= state.calls <= state.rows
        assert 0 < state.seconds < 60
        assert (state.in_memory, state.on_disk, state.waiting) == (3, 0, 0)
        await engine.drain()

    asyncio.run(run())
