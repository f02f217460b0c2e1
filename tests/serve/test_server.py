"""The service in processes of its own: real sockets, signals, and clients of every kind."""

import http.client
import json
import signal
import socket
import time

import httpx
import numpy as np
import pytest
import torch
from websockets.sync.client import connect

from unrolled import Stream
from unrolled.errors import UnrolledError
from unrolled.serve import Client
from unrolled.training import Run

STEPS = 60


def rows(count=STEPS, width=3):
    return np.random.default_rng(5).normal(size=(count, width)).astype(np.float32)


def shares_of(answer):
    return torch.tensor(answer["outputs"][-1]).softmax(dim=0)


def streamed(folder, x):
    """What a `Stream` says after each step, [T, classes]."""
    stream = Stream(Run.open(folder).load_classifier(), 1)
    return torch.stack([stream.step(row) for row in torch.from_numpy(x)])


def test_a_client_goes_on_with_the_same_bits_after_the_server_was_killed(serve, small, tmp_path):
    x, kept = rows(), tmp_path / "sessions"
    server = serve(small, "--port", 0, "--sessions", kept)
    with Client(server.url) as client, client.session() as session:
        said = [session.step(row, outputs=True) for row in x[:37]]
        server.stop(signal.SIGKILL)
        again = serve(small, "--port", server.port, "--sessions", kept)
        said += [session.step(row, outputs=True) for row in x[37:]]
        assert session.count == STEPS
        again.stop()
    assert torch.equal(torch.stack([shares_of(one) for one in said]), streamed(small, x))


def test_sessions_that_rested_on_disk_go_on_by_their_names_after_the_server_was_killed(
    serve, small, tmp_path
):
    kept, x = tmp_path / "sessions", rows(8)
    server = serve(small, "--port", 0, "--sessions", kept, "--idle", 0.2)

    def steps(server, session, x):
        body = {"steps": x.tolist(), "outputs": True}
        return httpx.post(f"{server.url}/v1/sessions/{session}/steps", json=body, timeout=30)

    resting, awake = (httpx.post(f"{server.url}/v1/sessions").json()["session"] for _ in range(2))
    steps(server, resting, x[:5])
    until = time.monotonic() + 30
    while not list(kept.rglob(f"{resting[-32:]}.session")) and time.monotonic() < until:
        steps(server, awake, x[:1])
        time.sleep(0.05)
    server.stop(signal.SIGKILL)
    again = serve(small, "--port", 0, "--sessions", kept)
    said = steps(again, resting, x[5:]).json()
    assert said["count"] == 8
    assert torch.equal(shares_of(said), streamed(small, x)[-1])
    again.stop()


def test_a_token_is_taken_by_another_server_with_the_same_key(serve, small, tmp_path):
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    one, other = (serve(small, "--port", 0, "--key-file", key) for _ in range(2))
    stranger = serve(small, "--port", 0)
    x = rows(20)
    with Client(one.url) as client, client.session() as session:
        session.step(x[:11])
        token = session.token()
    with Client(other.url) as client, client.session(token=token) as session:
        assert torch.equal(shares_of(session.step(x[11:], outputs=True)), streamed(small, x)[-1])
    with Client(stranger.url) as client, pytest.raises(UnrolledError, match="refused"):
        client.session(token=token).__enter__()


def test_a_stop_finishes_writes_sessions_to_disk_and_they_come_back_by_their_names(serve, small, tmp_path):
    kept, x = tmp_path / "sessions", rows(8)
    server = serve(small, "--port", 0, "--sessions", kept)
    session = httpx.post(f"{server.url}/v1/sessions").json()["session"]
    httpx.post(f"{server.url}/v1/sessions/{session}/steps", json={"steps": x[:5].tolist()})
    assert server.stop() in (0, -signal.SIGTERM)
    assert "Traceback" not in "".join(server.lines)
    assert json.loads(server.lines[-1])["event"] == "stopped"
    again = serve(small, "--port", 0, "--sessions", kept)
    said = httpx.post(
        f"{again.url}/v1/sessions/{session}/steps", json={"steps": x[5:].tolist(), "outputs": True}
    ).json()
    assert said["count"] == 8
    assert torch.equal(shares_of(said), streamed(small, x)[-1])


def test_any_of_several_workers_answers_for_a_session_of_another(serve, small):
    server = serve(small, "--port", 0, "--workers", 2)
    x, expected = rows(6), streamed(small, rows(6))
    until, names = time.monotonic() + 60, set()
    while len(names) < 2 and time.monotonic() < until:  # the second one may still be starting
        session = httpx.post(f"{server.url}/v1/sessions").json()["session"]
        names.add(session.partition("-")[0])
    assert names == {"0", "1"}
    for _ in range(5):
        session = httpx.post(f"{server.url}/v1/sessions").json()["session"]
        for step, row in enumerate(x):  # each over a connection of its own
            body = {"steps": [row.tolist()], "outputs": True}
            said = httpx.post(f"{server.url}/v1/sessions/{session}/steps", json=body).json()
            assert said["count"] == step + 1
            assert torch.equal(shares_of(said), expected[step])
    compact = httpx.post(
        f"{server.url}/v1/sessions/{session}/steps",
        content=x.tobytes(),
        headers={"content-type": "application/octet-stream"},
    )
    assert int.from_bytes(compact.content[:8], "little") == 12
    assert httpx.post(f"{server.url}/v1/sessions/{session}/steps", json={"steps": 1}).status_code == 400
    counts = httpx.get(f"{server.url}/metrics").text
    assert 'worker="0"' in counts
    assert 'worker="1"' in counts
    server.stop()
    assert "Traceback" not in "".join(server.lines)


def test_slow_broken_and_large_requests_end_and_nobody_else_notices(serve, small):
    server = serve(small, "--port", 0, "--patience", 1, "--most-body", 10_000)

    def call(head):
        one = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        one.sendall(head)
        return one

    local = b"Host: localhost\r\n"
    silent = call(b"")
    half = call(b"POST /v1/predict HTTP/1.1\r\n" + local)
    no_body = call(b"POST /v1/predict HTTP/1.1\r\n" + local + b"Content-Length: 100\r\n\r\n{")
    huge_head = call(b"GET / HTTP/1.1\r\n" + local + b"X: " + b"x" * 70_000)
    nonsense = call(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")
    large = call(b"POST /v1/predict HTTP/1.1\r\n" + local + b"Content-Length: 99999999\r\n\r\n")
    with connect(f"ws://127.0.0.1:{server.port}/v1/stream") as stream:
        stream.send(json.dumps({"do": "open"}))
        session = json.loads(stream.recv())["session"]
        began = time.monotonic()
        for _ in range(20):
            stream.send(json.dumps({"session": session, "steps": rows(1).tolist()}))
            assert "count" in json.loads(stream.recv(timeout=5))
        with connect(f"ws://127.0.0.1:{server.port}/v1/stream") as other:
            other.send("x" * 20_000)  # too large for a message: the connection ends
            with pytest.raises(Exception, match="1009"):
                other.recv(timeout=5)
        for quiet in (silent, half, huge_head):
            assert read_all(quiet) == b""
        assert time.monotonic() - began < 10
        assert b" 408 " in read_all(no_body)
        assert b" 413 " in read_all(large)
        assert b" 400 " in read_all(nonsense)
        stream.send(json.dumps({"session": session, "steps": rows(1).tolist()}))
        assert json.loads(stream.recv(timeout=5))["count"] == 21
    assert server.stop() in (0, -signal.SIGTERM)
    assert "Traceback" not in "".join(server.lines)


def read_all(one):
    """What comes until the other end hangs up."""
    said = b""
    try:
        while part := one.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    finally:
        one.close()
    return said


def test_hostile_bodies_over_a_socket_are_answered_with_one_sentence(serve, small):
    server = serve(small, "--port", 0)
    generator = np.random.default_rng(0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    session = httpx.post(f"{server.url}/v1/sessions").json()["session"]
    bodies = [generator.bytes(int(size)) for size in generator.integers(0, 300, 40)]
    bodies += [b'{"steps": ' + b"[" * 50_000, b'{"steps": [[1e999, 1, 1]]}', b'{"steps": [[-1' + b"0" * 5000]
    for body in bodies:
        for path in ("/v1/predict", f"/v1/sessions/{session}/steps"):
            connection.request("POST", path, body)
            answer = connection.getresponse()
            assert 400 <= answer.status < 500
            assert set(json.loads(answer.read())) == {"error"}
    connection.close()
    server.stop()
    assert "Traceback" not in "".join(server.lines)


def test_the_access_token_is_asked_for_by_a_real_server(serve, small):
    token = "a-token-that-is-long-enough"
    server = serve(small, "--port", 0, env={"UNROLLED_TOKEN": token})
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    with pytest.raises(UnrolledError, match="access token"), Client(server.url).session():
        pass
    with Client(server.url, token) as client, client.session() as session:
        assert session.step(rows(3))["count"] == 3
        assert len(client.predict([rows(2), rows(5)])) == 2
    assert token not in "".join(server.lines)
