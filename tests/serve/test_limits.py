"""What comes in large, late or at the end of a service: refused or answered, and in its order."""

import asyncio
import gzip
import json
import os
import signal
import struct
import time
import warnings

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from unrolled import UnrolledError
from unrolled.serve import Limits, ServeSettings, make_app
from unrolled.serve.aside import LARGE, Aside, read
from unrolled.serve.bodies import RefusedError, parse, steps_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another client than httpx
    from starlette.testclient import TestClient

HERE = "http://127.0.0.1:8000"
KNOWN = ("steps", "sequences", "model")


def rows(count, width=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32).tolist()


def error_of(answer, status):
    assert answer.status_code == status, answer.text
    sentence = answer.json()["error"]
    assert sentence.isprintable()
    return sentence


NUMBERS = st.integers(-(10**400), 10**400) | st.floats(width=32) | st.sampled_from([None, True, "1", {}])
ROWS = st.lists(NUMBERS, max_size=4) | st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3)
STEPS = st.lists(ROWS, max_size=4) | NUMBERS


def sentence_or_steps(do):
    try:
        return do()
    except UnrolledError as error:
        return str(error)


@given(value=STEPS)
def test_what_is_read_aside_is_refused_in_a_sentence_or_is_what_is_read_here(value):
    content, limits = json.dumps({"steps": value}).encode(), Limits(steps=3)
    here = sentence_or_steps(lambda: steps_of(parse(content, KNOWN)["steps"], 3, limits.steps))
    aside = sentence_or_steps(lambda: steps_of(read(content, KNOWN, limits)["steps"], 3, limits.steps))
    if isinstance(here, str):
        assert isinstance(aside, str)
        assert aside.isprintable()
    else:
        np.testing.assert_array_equal(here, aside)


@given(value=st.lists(STEPS, max_size=3) | STEPS)
def test_sequences_that_are_read_aside_are_arrays_or_a_sentence(value):
    content = json.dumps({"sequences": value}).encode()
    read_ = sentence_or_steps(lambda: read(content, KNOWN, Limits(sequences=2, steps=3))["sequences"])
    if isinstance(read_, str):
        assert read_.isprintable()
    else:
        assert 1 <= len(read_) <= 2
        assert all(one.dtype == np.float32 and 1 <= len(one) <= 3 for one in read_)


def test_a_large_body_is_read_in_another_process_which_is_started_anew_when_it_falls():
    async def run():
        aside = Aside(Limits())
        x = rows(5000)
        content = json.dumps({"steps": x}).encode()
        assert len(content) > LARGE
        got = (await aside.parse(content, KNOWN))["steps"]
        np.testing.assert_array_equal(got, np.array(x, np.float32))
        with pytest.raises(UnrolledError, match=r"steps\[1\] has 2 numbers, expected 3"):
            await aside.parse(json.dumps({"steps": [[1, 2, 3], [1, 2], *x]}), KNOWN)
        ((process, _),) = aside._pool._processes.items()
        assert process != os.getpid()
        os.kill(process, signal.SIGKILL)
        with pytest.raises(RefusedError) as refusal:
            await parse_for_ever(aside, content)
        assert refusal.value.status == 503
        np.testing.assert_array_equal((await aside.parse(content, KNOWN))["steps"], got)
        aside.close()

    asyncio.run(run())


async def parse_for_ever(aside, content):
    while True:  # the pool takes a moment to notice
        await aside.parse(content, KNOWN)


@pytest.fixture(scope="module")
def client(small, digits):
    limits = Limits(steps=3000, sequences=100)
    with TestClient(make_app(ServeSettings((small, digits), limits=limits)), base_url=HERE) as client:
        yield client


def test_large_bodies_get_the_answers_and_the_sentences_of_small_ones(client):
    x = rows(2500)
    assert len(json.dumps(x)) > LARGE
    assert client.post("/v1/predict", json={"sequences": [x]}).status_code == 200
    many = client.post("/v1/predict", json={"sequences": [x, x]})
    assert "5,000 steps came, expected at most 3,000 in all" in error_of(many, 400)
    two = client.post("/v1/predict", json={"sequences": [rows(2500, 2)]})
    assert error_of(two, 400) == "sequences[0][0] has 2 numbers, expected 3"
    text = client.post("/v1/predict", json={"sequences": [[*x, ["a", 1, 2]]]})
    assert error_of(text, 400) == "sequences[0][2500][0] is text, expected a number"
    nothing = client.post("/v1/predict", json={"sequences": [[[]]] * 50 + [x]})
    assert "sequences[0][0] has 0 numbers" in error_of(nothing, 400)
    missing = client.post("/v1/predict", json={"sequences": [[*x, [None, 1, 2]]]})
    assert "sequences[0][2500][0]" in error_of(missing, 400)


def test_a_file_holds_no_more_sequences_than_may_come(client):
    pictures = struct.pack(">IIII", 0x803, 101, 28, 28) + bytes(101 * 784)
    answer = client.post(
        "/v1/predict",
        files={"file": ("t10k-images-idx3-ubyte.gz", gzip.compress(pictures))},
        data={"model": "digits"},
    )
    assert "more than 100 sequences" in error_of(answer, 400)


def test_answers_at_length_are_for_a_thousand_steps(client):
    session = client.post("/v1/sessions").json()["session"]
    for way in ("every", "outputs"):
        body = {"steps": rows(1001), way: True}
        assert "at most 1,000" in error_of(client.post(f"/v1/sessions/{session}/steps", json=body), 400)
    assert client.post(f"/v1/sessions/{session}/steps", json={"steps": rows(1001)}).json()["count"] == 1001


def test_a_stream_answers_long_messages_in_their_order_among_short_ones(client):
    session = client.post("/v1/sessions").json()["session"]
    with client.websocket_connect(f"ws://127.0.0.1:8000/v1/sessions/{session}/stream") as socket:
        sent = [1, 2500, 2, 2500, 3]
        for count in sent:
            socket.send_json({"steps": rows(count), "id": count})
        socket.send_text("x" * 2 * LARGE)
        said = [socket.receive_json() for _ in range(6)]
    assert [one["id"] for one in said[:5]] == sent
    assert [one["count"] for one in said[:5]] == np.cumsum(sent).tolist()
    assert said[5]["status"] == 400


@pytest.mark.parametrize("origin", ["http://[", "null", "http://evil.example", "", "127.0.0.1:8000"])
def test_a_page_of_another_site_is_refused_however_it_is_spelled(client, origin):
    assert "another site" in error_of(client.get("/v1/models", headers={"origin": origin}), 403)
    assert client.get("/v1/models", headers={"origin": HERE}).status_code == 200


def test_there_is_a_sentence_for_a_stream_that_is_not_there(client):
    from starlette.testclient import WebSocketDenialResponse

    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        client.websocket_connect("ws://127.0.0.1:8000/nowhere"),
    ):
        pass
    assert "no stream at /nowhere" in error_of(refusal.value, 404)


def test_a_service_that_has_been_drained_says_when_to_come_again(small):
    app = make_app(ServeSettings((small,)))

    async def run():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            async with app.router.lifespan_context(app):
                session = (await client.post("/v1/sessions")).json()["session"]
            for path, body in (("", {}), (f"/{session}/steps", {"steps": rows(1)})):
                answer = await client.post(f"/v1/sessions{path}", json=body)
                assert "go on at another server" in error_of(answer, 503)
                assert answer.headers["retry-after"] == "1"

    asyncio.run(run())


def hear_all(socket, said):
    while True:
        said.append(json.loads(socket.recv(timeout=60))["id"])


def test_a_stop_answers_the_messages_that_have_come_and_closes_streams_with_1012(serve, small):
    server = serve(small, "--port", 0)
    with connect(f"ws://127.0.0.1:{server.port}/v1/stream") as socket:
        socket.send(json.dumps({"do": "open"}))
        session = json.loads(socket.recv(timeout=60))["session"]
        for number in range(20):
            socket.send(json.dumps({"session": session, "steps": rows(1000), "id": number}))
        assert json.loads(socket.recv(timeout=60))["id"] == 0
        server.process.send_signal(signal.SIGTERM)
        said = [0]
        with pytest.raises(ConnectionClosed) as closed:
            hear_all(socket, said)
        assert closed.value.rcvd.code == 1012
        assert "go on from the token" in closed.value.rcvd.reason
        assert said == list(range(len(said)))
    assert server.process.wait(60) in (0, -signal.SIGTERM)
    assert "Traceback" not in "".join(server.lines)


def test_a_body_may_come_slowly_but_not_for_ever(serve, small):
    server = serve(small, "--port", 0, "--patience", 1)

    def body():
        for _ in range(100):
            yield b" "
            time.sleep(0.3)  # each in time, and yet too slow

    began = time.monotonic()
    answer = httpx.post(f"{server.url}/v1/predict", content=body(), timeout=60)
    assert error_of(answer, 408)
    assert time.monotonic() - began < 25
