"""Sessions of a network: the bits that each would have alone, whoever is there and wherever it has been."""

import asyncio
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled import Stream, UnrolledError
from unrolled.networks import NetworkConfig, SequenceClassifier
from unrolled.serve.engine import Engine
from unrolled.serve.errors import (
    DrainingError,
    TokenError,
    TooManySessionsError,
    UnknownSessionError,
)
from unrolled.serve.gathering import MOST_STEPS, alike, by_rows

KEY = b"a secret of sixteen bytes or more"
CONFIGS = [
    NetworkConfig("lstm", (("lstm", 21),), read="last", input_size=5, classes=3),
    NetworkConfig("gru", (("gru", 9, {"reset": "after"}),), read="steps", input_size=5, classes=2),
    NetworkConfig("mix", (("rnn", 7), ("lstm", 128, {"peephole": True})), input_size=5, classes=10),
    NetworkConfig(
        "dense",
        (("lstm", 8, {"proj_size": 6}), ("gru", 11)),
        input_size=5,
        classes=4,
        input_layers=((100, "relu"),),
        output_layers=((13, "tanh"),),
    ),
]


def network_of(config):
    torch.manual_seed(7)
    return SequenceClassifier(config)


NETWORKS = [network_of(config) for config in CONFIGS]


def engine_of(network=NETWORKS[0], **changes):
    return Engine(network, **{"key": KEY, "identity": network.config.name, **changes})


def steps(count, seed=0, width=5):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def alone(network, x):
    """What a stream of one sequence says after each step: probabilities."""
    stream = Stream(network)
    return np.stack([stream.step(row) for row in x])


def probabilities(outputs):
    rows = torch.from_numpy(np.concatenate(outputs)).split(1)  # torch's softmax of many rows rounds otherwise
    return torch.cat([row.softmax(dim=1) for row in rows]).numpy()


PLANS = st.lists(
    st.lists(
        st.one_of(
            st.integers(1, 2 * MOST_STEPS + 3).map(lambda count: ("steps", count)),
            st.sampled_from([("token", 0), ("reset", 0), ("disk", 0), ("pause", 0), ("both", 0)]),
        ),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.sampled_from(range(len(NETWORKS))), plans=PLANS)
def test_each_session_has_the_bits_that_it_would_have_alone(tmp_path_factory, which, plans):
    network, folder = NETWORKS[which], tmp_path_factory.mktemp("sessions")

    async def one(engine, number, plan):
        name = await engine.open()
        said, x = [], []
        for turn, (deed, count) in enumerate(plan):
            if deed == "token":
                token = await engine.token(name)
                await engine.close(name)
                name = await engine.open(token)
            elif deed == "reset":
                await engine.reset(name)
                check(said, x)
                said, x = [], []
            elif deed == "disk":
                await engine._rest(name)
                assert (folder / name[:2].replace("-", "_").lower() / f"{name}.session").is_file()
                assert name not in engine._sessions
            elif deed == "pause":
                await asyncio.sleep(0.001)
            elif deed == "both":  # two messages wait at once
                x += [steps(2, 1000 * number + turn), steps(3, 500 * number + turn)]
                first, second = await asyncio.gather(engine.step(name, x[-2]), engine.step(name, x[-1]))
                assert second.count == first.count + 3
                said += [first.outputs, second.outputs]
            else:
                x.append(steps(count, 1000 * number + turn))
                answer = await engine.step(name, x[-1])
                assert answer.count == sum(map(len, x))
                said.append(answer.outputs)
        check(said, x)

    def check(said, x):
        if x:
            np.testing.assert_array_equal(probabilities(said), alone(network, np.concatenate(x)))

    async def run():
        engine = engine_of(network, folder=folder)
        await asyncio.gather(*(one(engine, number, plan) for number, plan in enumerate(plans)))
        await engine.drain()

    asyncio.run(run())


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.config.name)
def test_many_sessions_are_read_in_one_call(network):
    async def run():
        engine = engine_of(network)
        names = [await engine.open() for _ in range(50)]
        said = await asyncio.gather(*(engine.step(name, steps(1, n)) for n, name in enumerate(names)))
        assert engine.state().calls == 1
        assert engine.state().rows_a_call == 50
        for n, answer in enumerate(said):
            np.testing.assert_array_equal(probabilities([answer.outputs]), alone(network, steps(1, n)))
        await engine.drain()

    asyncio.run(run())


@given(lengths=st.lists(st.integers(1, 300), min_size=1))
def test_less_than_half_of_a_call_is_padding_and_nobody_is_left_out(lengths):
    groups = list(alike(lengths))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        taken = [min(lengths[index], MOST_STEPS) for index in group]
        assert max(taken) < 2 * min(taken)


@pytest.mark.parametrize("classes", [1, 3, 10, 64])
@pytest.mark.parametrize("width", [5, 21, 128, 130])
def test_rows_of_a_dense_layer_have_the_bits_of_one_row(width, classes):
    linear = torch.nn.Linear(width, classes)
    rows = torch.randn(301, width)
    with torch.inference_mode():
        alone = torch.cat([linear(row.clone()) for row in rows.split(1)])
        assert torch.equal(by_rows(linear)(rows), alone)
        assert torch.equal(by_rows(linear)(rows[7:]), alone[7:])


def test_a_call_waits_for_as_many_as_came_last_but_a_lone_caller_waits_for_nobody():
    async def run():
        engine = engine_of(delay=60)
        engine._short = 0  # nobody waits for short calls
        names = [await engine.open() for _ in range(3)]
        async with asyncio.timeout(30):
            await asyncio.gather(*(engine.step(name, steps(1)) for name in names))
            two = [engine.step(name, steps(1)) for name in names[:2]]
            await asyncio.sleep(0.05)
            await asyncio.gather(engine.step(names[2], steps(1)), *two)
            assert engine.state().calls == 2
            await engine.step(names[0], steps(1))
        await engine.drain()

    asyncio.run(run())


def test_a_call_waits_no_longer_than_the_delay():
    async def run():
        engine = engine_of(delay=0.01)
        engine._short = 0
        names = [await engine.open() for _ in range(3)]
        async with asyncio.timeout(30):
            await asyncio.gather(*(engine.step(name, steps(1)) for name in names))
            await asyncio.gather(*(engine.step(name, steps(1)) for name in names[:2]))
        assert engine.state().calls == 2
        await engine.drain()

    asyncio.run(run())


def test_a_long_message_lets_others_have_their_turn():
    async def run():
        engine = engine_of()
        long, short = await engine.open(), await engine.open()
        waits = engine.step(long, steps(10_000))
        await asyncio.sleep(0)
        for turn in range(5):
            await engine.step(short, steps(1, turn))
        assert not waits.done()
        assert (await waits).count == 10_000
        await engine.drain()

    asyncio.run(run())


def test_a_caller_that_is_gone_disturbs_nobody_and_its_message_is_read_whole_or_not_at_all():
    async def run():
        engine = engine_of()
        names = [await engine.open() for _ in range(20)]
        tasks = [engine.step(name, steps(100, n)) for n, name in enumerate(names)]
        for turn in range(3):
            await asyncio.sleep(0)
            tasks[turn].cancel()
        said = await asyncio.gather(*tasks, return_exceptions=True)
        for n, answer in enumerate(said[3:], 3):
            np.testing.assert_array_equal(probabilities([answer.outputs]), alone(NETWORKS[0], steps(100, n)))
        for name in names[:3]:
            assert (await engine.step(name, steps(1))).count in (1, 101)
        await engine.drain()
        assert engine.state().waiting == 0

    asyncio.run(run())


def test_an_error_in_a_call_reaches_only_the_session_that_causes_it(monkeypatch):
    async def run():
        engine = engine_of()
        read = engine._reader.read

        def reads_no_999(messages, rows, states):
            if any((x == 999).any() for x in messages):
                raise MemoryError("a step too many")
            return read(messages, rows, states)

        monkeypatch.setattr(engine._reader, "read", reads_no_999)
        names = [await engine.open() for _ in range(4)]
        bad = np.full((1, 5), 999, np.float32)
        said = await asyncio.gather(
            *(engine.step(name, bad if n == 2 else steps(1, n)) for n, name in enumerate(names)),
            return_exceptions=True,
        )
        assert isinstance(said[2], MemoryError)
        for n in (0, 1, 3):
            np.testing.assert_array_equal(probabilities([said[n].outputs]), alone(NETWORKS[0], steps(1, n)))
        assert (await engine.step(names[2], steps(1))).count == 1
        await engine.drain()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((0, 5), np.float32), r"the steps are \[0, 5\], expected \[T, 5\] with T of at least 1"),
        (np.zeros((2, 4), np.float32), r"the steps are \[2, 4\]"),
        (np.zeros((2, 5)), r"the steps are float64 \[2, 5\], expected an array of float32"),
        (np.zeros(5, np.float32), r"the steps are float32 \[5\]"),
        ([[1.0]], "the steps are list"),
    ],
)
def test_steps_that_do_not_fit_are_refused(x, says):
    async def run():
        engine = engine_of()
        name = await engine.open()
        with pytest.raises(UnrolledError, match=says):
            await engine.step(name, x)
        await engine.drain()

    asyncio.run(run())


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
from test_engine import engine_of, steps

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
        [sys.executable, "-c", KILLED, str(tmp_path), os.path.dirname(__file__)],
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


def test_networks_that_cannot_be_read_step_by_step_are_refused():
    backward = CONFIGS[0].changed(direction="bidirectional")
    with pytest.raises(UnrolledError, match="cannot stream"):
        engine_of(SequenceClassifier(backward))
    with pytest.raises(UnrolledError, match="the network is float64 on cpu, expected float32"):
        engine_of(network_of(CONFIGS[0]).double())
