"""Sessions of an engine that rest, go to disk, come back by their tokens, and outlive a kill."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.serve.engines import NETWORKS, alone, engine_of, probabilities, steps
from unrolled.serve.errors import (
    DrainingError,
    TokenError,
    TooManySessionsError,
    UnknownSessionError,
)


@pytest.mark.parametrize("name", ["", "no", "../../../../etc/passwd", "a" * 32, "é" * 32, "a" * 5000, "a\0"])
def test_a_session_that_is_not_there_is_unknown_on_disk_too(tmp_path, name):
    async def run():
        engine = engine_of(folder=tmp_path / "sessions")
        for ask in (engine.token, engine.reset, engine.close, lambda name: engine.step(name, steps(1))):
            with pytest.raises(UnknownSessionError):
                await ask(name)
        assert engine.state().in_memory == 0
        await engine.drain()

    asyncio.run(run())


def test_messages_behind_a_close_find_no_session():
    async def run():
        engine = engine_of()
        name = await engine.open()
        first, closed, last = await asyncio.gather(
            engine.step(name, steps(1)),
            engine.close(name),
            engine.step(name, steps(1)),
            return_exceptions=True,
        )
        assert first.count == 1
        assert closed is None
        assert isinstance(last, UnknownSessionError)
        await engine.drain()

    asyncio.run(run())


def test_no_more_sessions_than_may_be_and_an_idle_one_gives_way():
    async def run():
        engine = engine_of(most_sessions=2, idle_after=0.05)
        first, second = await engine.open(), await engine.open()
        with pytest.raises(TooManySessionsError, match="there are 2 sessions, as many as may be"):
            await engine.open()
        await asyncio.sleep(0.06)
        await engine.step(first, steps(1))
        await engine.open()
        with pytest.raises(UnknownSessionError):
            await engine.step(second, steps(1))
        await engine.close(first)
        await engine.open()
        await engine.drain()

    asyncio.run(run())


def test_idle_sessions_go_to_disk_and_come_back_to_another_engine(tmp_path):
    async def run():
        engine = engine_of(folder=tmp_path, idle_after=0.02, most_sessions=2)
        names = [await engine.open() for _ in range(2)]
        for n, name in enumerate(names):
            await engine.step(name, steps(4, n))
        while engine.state().in_memory:
            await asyncio.sleep(0.01)
        assert engine.state().on_disk == 2
        later = engine_of(folder=tmp_path)
        assert later.state().on_disk == 2
        x = [np.concatenate([steps(4, n), steps(1, 9)]) for n in range(2)]
        for n, name in enumerate(names):
            answer = await later.step(name, steps(1, 9))
            assert answer.count == 5
            np.testing.assert_array_equal(probabilities([answer.outputs]), alone(NETWORKS[0], x[n])[-1:])
        with pytest.raises(UnknownSessionError):  # two servers never go on with one session
            await engine.step(names[0], steps(1))
        await engine.drain()
        await later.drain()

    asyncio.run(run())


def test_draining_ends_what_has_come_writes_all_and_refuses_the_rest(tmp_path):
    async def run():
        engine = engine_of(folder=tmp_path)
        names = [await engine.open() for _ in range(30)]
        tasks = [engine.step(name, steps(200, n)) for n, name in enumerate(names)]
        await asyncio.sleep(0)
        await engine.drain()
        assert {task.result().count for task in tasks} == {200}
        assert (engine.state().in_memory, engine.state().on_disk) == (0, 30)
        for ask in (engine.open, lambda: engine.step(names[0], steps(1)), lambda: engine.token(names[0])):
            with pytest.raises(DrainingError):
                await ask()

    asyncio.run(run())


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from tests.serve.engines import engine_of, steps

async def run():
    engine = engine_of(folder=Path(sys.argv[1]), idle_after=0.05)
    rests, lives = await engine.open(), await engine.open()
    await engine.step(rests, steps(3, 1))
    while engine.state().in_memory > 1:
        await engine.step(lives, steps(1, 2))
        await asyncio.sleep(0.005)
    await engine.reset(lives)
    await engine.step(lives, steps(3, 2))
    print(rests, lives, await engine.token(lives), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(run())
"""


def test_after_kill_9_sessions_on_disk_and_those_with_a_token_go_on_with_the_same_bits(tmp_path):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parents[2])],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    rests, lives, token = killed.stdout.split()

    async def run():
        engine = engine_of(folder=tmp_path)
        with pytest.raises(UnknownSessionError):
            await engine.step(lives, steps(1))
        for seed, name in ((1, rests), (2, await engine.open(token))):
            answer = await engine.step(name, steps(1, 9))
            assert answer.count == 4
            whole = alone(NETWORKS[0], np.concatenate([steps(3, seed), steps(1, 9)]))
            np.testing.assert_array_equal(probabilities([answer.outputs]), whole[-1:])
        await engine.drain()

    asyncio.run(run())


def test_a_token_of_another_network_or_service_is_refused():
    async def run():
        engine = engine_of()
        token = await engine.token(await engine.open())
        for other in (engine_of(identity="other"), engine_of(key=b"z" * 16), engine_of(NETWORKS[2])):
            with pytest.raises(TokenError):
                await other.open(token)
            assert other.state().in_memory == 0
            await other.drain()
        await engine.drain()

    asyncio.run(run())
