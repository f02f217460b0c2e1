"""Sessions of a network: the bits that each would have alone, whoever is there and wherever it has been."""

import asyncio
import itertools

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.engines import CONFIGS, NETWORKS, alone, engine_of, network_of, probabilities, steps
from unrolled import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.serve.gathering import MOST_STEPS, Reader, alike, by_rows
from unrolled.serve.session import SessionStates

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


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.config.name)
def test_steps_that_are_read_one_by_one_have_the_bits_of_one_call(network):
    reader = Reader(network)
    assert reader._singly is not None
    rows, said = [3, 0, 2, 1], []
    for few in (0, 64):
        states = SessionStates(reader.initial, 4)
        reader._few = few
        outputs = [
            reader.read([steps(t, 10 * turn + t) for t in (1, 4, 2, 1)], rows, states) for turn in (0, 1)
        ]
        said.append(
            (np.concatenate(list(itertools.chain.from_iterable(outputs))), [states.read(row) for row in rows])
        )
    np.testing.assert_array_equal(said[0][0], said[1][0])
    assert said[0][1] == said[1][1]


@pytest.mark.parametrize("few", [0, 64])
def test_a_call_that_fails_has_moved_no_state(few, monkeypatch):
    reader = Reader(NETWORKS[0])
    states = SessionStates(reader.initial, 2)
    reader._few = few
    reader.read([steps(1), steps(2)], [0, 1], states)
    before = [states.read(row) for row in (0, 1)]

    def fails(rows):
        raise MemoryError

    monkeypatch.setattr(reader, "_after", fails)
    with pytest.raises(MemoryError):
        reader.read([steps(1), steps(2)], [0, 1], states)
    assert [states.read(row) for row in (0, 1)] == before


def test_weights_that_have_changed_are_read_as_they_are():
    network = network_of(CONFIGS[0])
    reader = Reader(network)
    reader._few, states = 64, SessionStates(reader.initial, 1)
    x = steps(3)
    reader.read([x], [0], states)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(0.5)
    states.reset(0)
    (outputs,) = reader.read([x], [0], states)
    np.testing.assert_array_equal(probabilities([outputs]), alone(network, x))


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


def test_networks_that_cannot_be_read_step_by_step_are_refused():
    backward = CONFIGS[0].changed(direction="bidirectional")
    with pytest.raises(UnrolledError, match="cannot stream"):
        engine_of(SequenceClassifier(backward))
    with pytest.raises(UnrolledError, match="the network is float64 on cpu, expected float32"):
        engine_of(network_of(CONFIGS[0]).double())
