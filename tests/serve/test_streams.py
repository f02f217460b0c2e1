"""Streams over real sockets: frames however they are cut, wrong ones, and clients that do not read."""

import json
import random
import signal
import struct
import time
import warnings

import pytest

from scripts.crowd import BINARY, PING, PONG, TEXT, connected, frame, split
from unrolled.serve import streams
from unrolled.serve.app import make_app
from unrolled.serve.settings import ServeSettings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another client than httpx
    from starlette.testclient import TestClient

CLOSE = 8


class Caller:
    """One end of a stream, frame by frame."""

    def __init__(self, server):
        self.socket = connected(server.port, "/v1/stream")
        self.socket.settimeout(20)
        self.frames, self.rest = [], b""

    def frame(self):
        """The next: opcode and content."""
        while not self.frames:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError
            self.frames, self.rest = split(self.rest + data)
        return self.frames.pop(0)

    def answer(self):
        opcode, content = self.frame()
        while opcode == PING:
            self.socket.sendall(frame(content, PONG))
            opcode, content = self.frame()
        assert opcode == TEXT
        return json.loads(content)

    def opened(self):
        self.socket.sendall(frame('{"do": "open"}'))
        return self.answer()["session"]

    def closed(self):
        """The code with which the other end hangs up."""
        opcode, content = self.frame()
        assert opcode == CLOSE
        with pytest.raises(ConnectionResetError):
            self.frame()
        return struct.unpack("!H", content[:2])[0]


@pytest.fixture
def call():
    """`call(server)`: a caller, who hangs up after the test."""
    callers = []

    def called(server):
        callers.append(Caller(server))
        return callers[-1]

    yield called
    for caller in callers:
        caller.socket.close()


def step(session, value=0.5, **more):
    return json.dumps({"session": session, "steps": [[value] * 3], **more})


def parts(text, count, opcode=TEXT):
    """The frames of a message in so many parts."""
    size = -(-len(text) // count)
    cut = [text[start : start + size].encode() for start in range(0, len(text), size)]
    frames = [bytearray(frame(part, opcode if not number else 0)) for number, part in enumerate(cut)]
    for one in frames:
        one[0] &= 0x7F
    for number in range(1, len(frames)):
        frames[number][0] &= 0xF0
    frames[-1][0] |= 0x80
    return [bytes(one) for one in frames]


def test_messages_are_answered_however_their_frames_are_cut(serve, call, small):
    server = serve(small, "--port", 0)
    caller = call(server)
    session = caller.opened()
    long = step(session) + " " * 70_000  # its length takes eight bytes
    whole = [
        frame(step(session)),
        *parts(step(session, 1.5), 3),
        frame(long),
        frame(step(session) + " " * 200),
        *parts(long, 2),
    ]
    draw, count = random.Random(0), 0
    for size in (1, 2, 3, 7, 100, 4_000, 1 << 20):
        data = b"".join(whole)
        start = 0
        while start < len(data):
            few = size if len(data) - start < 2_000 or size > 50 else 2_000  # the long ones not byte by byte
            length = draw.randint(1, few)
            caller.socket.sendall(data[start : start + length])
            start += length
        for _ in range(5):
            count += 1
            assert caller.answer()["count"] == count
    first, second = parts(step(session), 2)
    caller.socket.sendall(first + frame(b"here?", PING) + second)
    assert caller.frame() == (PONG, b"here?")
    assert caller.answer()["count"] == count + 1
    name = session.encode()
    compact = struct.pack("<H", len(name)) + name + struct.pack("<3f", 1, 2, 3)
    caller.socket.sendall(frame(compact) * 2)
    for more in (2, 3):
        opcode, content = caller.frame()
        assert (opcode, content[: 2 + len(name)]) == (BINARY, compact[: 2 + len(name)])
        assert int.from_bytes(content[2 + len(name) :][:8], "little") == count + more
    server.stop()
    assert "Traceback" not in "".join(server.lines)


def test_a_frame_that_none_may_send_ends_its_connection_and_no_other(serve, call, small):
    server = serve(small, "--port", 0, "--most-body", 10_000)
    other = call(server)
    session = other.opened()
    good = frame(step(session))
    wrong = {
        "no mask": (b"\x81\x02{}", 1002),
        "a bit that means nothing": (b"\xc1" + good[1:], 1002),
        "an opcode that means nothing": (b"\x83" + good[1:], 1002),
        "a part of no message": (b"\x80" + good[1:], 1002),
        "a message within another": (parts(step(session), 2)[0] + good, 1002),
        "a ping in parts": (b"\x09" + frame(b"ping", PING)[1:], 1002),
        "a long ping": (frame(b"p" * 200, PING), 1002),
        "no text": (frame(b"\xff\xfe", TEXT), 1007),
        "no text, in parts": (b"\x01" + frame(b"\xff", TEXT)[1:] + b"\x80" + frame(b"\xfe", TEXT)[1:], 1007),
        "too large": (frame("x" * 10_001), 1009),
        "far too large": (b"\x82\xff" + b"\xff" * 8 + b"mask", 1009),
        "too large in parts": (b"".join(parts("x" * 12_000, 3)), 1009),
    }
    for what, (data, code) in wrong.items():
        caller = call(server)
        caller.socket.sendall(good)
        assert "count" in caller.answer(), what
        caller.socket.sendall(data + good)
        assert caller.closed() == code, what
    for _ in range(30):
        caller = call(server)
        caller.socket.sendall(bytes((0x80 | random.randrange(16), 0x80)) + random.randbytes(40))
        caller.socket.close()
    other.socket.sendall(good)
    assert other.answer()["count"] == len(wrong) + 1
    other.socket.sendall(frame(struct.pack("!H", 1000), CLOSE))
    assert other.closed() == 1000
    server.stop()
    assert "Traceback" not in "".join(server.lines)


def test_far_more_messages_than_are_worked_on_at_once_are_all_answered_in_their_order(serve, call, small):
    server = serve(small, "--port", 0)
    caller = call(server)
    session = caller.opened()
    count = 3 * streams.AT_ONCE
    caller.socket.sendall(b"".join(frame(step(session, id=number)) for number in range(count)))
    for number in range(count):
        answer = caller.answer()
        assert (answer["id"], answer["count"]) == (number, number + 1)
    server.stop()


def test_over_another_server_of_asgi_they_are_too(small, monkeypatch):
    monkeypatch.setattr(streams, "AT_ONCE", 4)
    app = make_app(ServeSettings((small,)))
    with (
        TestClient(app, base_url="http://127.0.0.1:8000") as client,
        client.websocket_connect("ws://127.0.0.1:8000/v1/stream") as stream,
    ):
        stream.send_json({"do": "open"})
        session = stream.receive_json()["session"]
        for number in range(50):
            stream.send_text(step(session, id=number))
        assert [stream.receive_json()["count"] for _ in range(50)] == list(range(1, 51))


def test_one_that_does_not_read_its_answers_is_left_in_the_end_and_nobody_waits_for_it(serve, call, small):
    server = serve(small, "--port", 0, "--patience", 1)
    caller, other = call(server), call(server)
    session, its = caller.opened(), other.opened()
    message = frame(json.dumps({"session": session, "steps": [[0.5] * 3] * 500, "outputs": True}))
    caller.socket.setblocking(False)
    until, waited, left = time.monotonic() + 60, 0, False
    while time.monotonic() < until and not left:
        try:
            caller.socket.send(message)
        except BlockingIOError:  # nobody reads there any more
            waited += 1
            other.socket.sendall(frame(step(its)))
            assert "count" in other.answer()
            time.sleep(0.05)
        except (ConnectionResetError, BrokenPipeError):
            left = True
    assert left
    assert waited
    server.stop(signal.SIGTERM)
    assert "Traceback" not in "".join(server.lines)
