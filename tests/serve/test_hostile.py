"""A service among clients that mean no good: each strike once, and a slice of `make serve_hostile`."""

import asyncio
import random
import re

import pytest

from attacks.service import STRIKES, Target
from attacks.service import strike as judges
from attacks.service.http import bombs
from scripts import serve_hostile

PATIENCE = 4.0  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def struck(tmp_path_factory):
    """What came of each strike, and what the service said meanwhile."""
    bombs()  # they take a while to make
    folder = tmp_path_factory.mktemp("struck")
    served = serve_hostile.Served(serve_hostile.make_run(folder / "rows"), folder, PATIENCE)
    targets = {
        name: Target(served.port, PATIENCE, serve_hostile.BODY, 28, random.Random(number))
        for number, name in enumerate(STRIKES)
    }

    async def one(name, room):
        try:
            async with room:
                return await asyncio.wait_for(STRIKES[name].do(targets[name]), 200)
        except Exception as error:  # it is that strike's, and the others go on
            return repr(error)

    async def some_at_once():
        room = asyncio.Semaphore(8)
        came = await asyncio.gather(*(one(name, room) for name in STRIKES))
        return dict(zip(STRIKES, came, strict=True))

    ended = asyncio.run(some_at_once())
    files = served.files()
    code = served.stop()
    return ended, targets, served.log.read_text(), files, code


@pytest.mark.parametrize("name", STRIKES)
def test_a_strike_ends_as_it_must(struck, name):
    ended, targets, *_ = struck
    assert re.fullmatch(STRIKES[name].ends, ended[name]), ended[name]
    assert not targets[name].wrong


def test_strikes_leave_no_traceback_no_connection_and_a_service_that_stops(struck):
    *_, log, files, code = struck
    assert "Traceback" not in log
    assert files < 60
    assert code in (0, -15)
    assert '"event": "stopped"' in log


def test_well_behaved_clients_notice_nothing_in_a_slice_of_strikes(tmp_path):
    names = ["frames that are wrong", "bodies that are wrong", "tokens that are damaged", "no request"]
    report = serve_hostile.hostile(tmp_path, 0.05, names, late=60)
    assert not report.faults, str(report)
    said = dict(report.rows)
    assert re.match(r"[1-9][\d,]*, 0 wrong", said["answers checked bit for bit"])
    assert said["lines of log, tracebacks"].endswith(", 0")


def test_a_slice_finds_what_is_not_as_it_must_be(tmp_path, monkeypatch):
    expected = serve_hostile.undisturbed

    def other(run):
        x, said = expected(run)
        said[5][0] += 1e-6  # one number that is not what the network says
        return x, said

    monkeypatch.setattr(serve_hostile, "undisturbed", other)
    report = serve_hostile.hostile(tmp_path, 0.05, ["no request"], late=0.0)
    faults = "\n".join(report.faults)
    assert "step 5 over a socket" in faults
    assert "step 5 over HTTP" in faults
    assert "a message waited for" in faults


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}", "status 500"),
        (b'HTTP/1.1 503 Busy\r\nx: 1\r\n\r\n{"error": "try again later"}', "503 without Retry-After"),
        (b'HTTP/1.1 400 Bad\r\nx: 1\r\n\r\n{"error": "two\\nlines here"}', "400 with"),
        (b"HTTP/1.1 400 Bad\r\nx: 1\r\n\r\nTraceback", "400 with"),
    ],
)
def test_a_judge_finds_answers_that_nobody_may_get(said, wrong):
    target = Target(0, 1, 1, 1, random.Random(0))
    judges.judge(target, said)
    assert wrong in target.wrong[0]
