"""Strikes over WebSockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import AsyncIterator

from attacks.service.http import NUMBERS, bodies
from attacks.service.strike import Line, Target, ask, check_sentence, judge, line, request, strike

UPGRADE = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
KEY = b"Sec-WebSocket-Key: " + base64.b64encode(bytes(16))
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(kind: int, payload: bytes, fin: bool = True, size: int | None = None, masked: bool = True) -> bytes:
    """A frame of a client; its mask is zero."""
    size = len(payload) if size is None else size
    mask = 0x80 if masked else 0
    head = bytes([kind | (0x80 if fin else 0)])
    if size < 126:
        head += bytes([mask | size])
    elif size < 65536:
        head += bytes([mask | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", size)
    return head + (bytes(4) if masked else b"") + payload


def shake(path: str | bytes = "/v1/stream", *heads: bytes) -> bytes:
    """The request that opens a WebSocket."""
    return request(path, b"", *UPGRADE, KEY, *heads, method=b"GET", size=False)


def frames(content: bytes) -> list[tuple[int, bytes]]:
    """The frames of a server."""
    found = []
    while len(content) >= 2:
        size, start = content[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(content[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(content[2:10], "big"), 10
        found.append((content[0] & 15, content[start : start + size]))
        content = content[start + size :]
    return found


async def strike_at(target: Target, *content: bytes, path: str = "/v1/stream") -> str:
    """Open one, send this, and hear to the end: the code with which it was closed."""
    async with stream(target, path) as one:
        for part in content:
            if not await one.send(part):
                break
        return _closed(target, await one.hear(4 * target.patience + 30))


@contextlib.asynccontextmanager
async def stream(target: Target, path: str = "/v1/stream") -> AsyncIterator[Line]:
    """A connection that has become a WebSocket."""
    async with line(target) as one:
        await one.send(shake(path))
        assert judge(target, await one.reader.readuntil(b"\r\n\r\n")) == "101"
        yield one


def _closed(target: Target, said: bytes) -> str:
    """The code with which a stream was closed."""
    code = "closed"
    for kind, payload in frames(said):
        if kind == CLOSE and len(payload) >= 2:
            code = str(int.from_bytes(payload[:2], "big"))
        elif kind == TEXT:
            look(target, payload)
    return code


def look(target: Target, payload: bytes) -> dict[str, object]:
    """Note the status of an answer."""
    try:
        said: dict[str, object] = json.loads(payload)
    except ValueError:
        return {}
    status = int(str(said.get("status", 200))) if "error" in said else 200
    target.note(status)
    if status >= 400:
        check_sentence(target, status, payload)
    if status >= 500 and status != 503:
        target.wrong.append(f"a message answered with {status}")
    return said


# -- what is no WebSocket ------------------------------------------------------------------------------------


@strike("1002|1009")
async def frames_that_are_wrong(target: Target) -> str:
    return await strike_at(
        target,
        target.dice.choice(
            [
                frame(TEXT, b"{}", masked=False),
                frame(TEXT | 0x40, b"{}"),
                frame(3, b"{}"),
                frame(11, b""),
                frame(0, b"goes on with nothing"),
                frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
                frame(PING, b"x" * 126),
                frame(PING, b"", fin=False),
                frame(CLOSE, b"\x03"),
                frame(CLOSE, struct.pack(">H", 5)),
                b"\x81\xff" + b"\xff" * 8,
            ]
        ),
    )


@strike("1007")
async def text_that_is_none(target: Target) -> str:
    content = target.dice.choice([b"\xff\xfe", b'{"do": "\xed\xa0\x80"}', b"\xc0\x80"])
    if target.dice.random() < 0.5:
        return await strike_at(target, frame(TEXT, content[:1], fin=False) + frame(0, content[1:]))
    return await strike_at(target, frame(TEXT, content))


@strike("40[0345]|414|426|431|101|closed")
async def upgrades_that_are_wrong(target: Target) -> str:
    many = [b"X-%d: 1" % number for number in range(200)]
    later = (*UPGRADE[:2], KEY, b"Sec-WebSocket-Version: 99")
    return await ask(
        target,
        target.dice.choice(
            [
                request("/v1/stream", b"", *UPGRADE[:2], method=b"GET", size=False),
                request("/v1/stream", b"", *UPGRADE, b"Sec-WebSocket-Key: short", method=b"GET", size=False),
                request("/v1/stream", b"", *later, method=b"GET", size=False),
                request("/v1/stream", b"{}", *UPGRADE, KEY, method=b"POST"),
                request("/v1/stream", b"{}", *UPGRADE, KEY, method=b"GET"),
                shake("/v1/stream", *many),
                shake("/v1/stream", b"X: " + b"x" * 20_000),
                shake("/v1/stream", b"X: \xff\xfe"),
                shake("/v1/stream", b"X : 1"),
                shake("/" + "x" * 20_000),
                shake(b"/v1/str\xc3\xa9am"),
                shake(b"/v1/stream?\xff\xfe"),
                shake("/v1/stream", b"Origin: http://evil.example"),
                shake("/nowhere"),
                shake("http://[/v1/stream"),
            ]
        ),
    )


# -- too large, too slow -------------------------------------------------------------------------------------


@strike("1009")
async def a_message_that_is_too_large(target: Target) -> str:
    if target.dice.random() < 0.5:
        return await strike_at(target, frame(BINARY, b"", size=target.body + 1))
    part = frame(0, bytes(1 << 16), fin=False)
    return await strike_at(target, frame(BINARY, b"", fin=False), *[part] * (target.body // (1 << 16) + 2))


@strike("1008|1009")
async def a_message_of_parts_without_end(target: Target) -> str:
    part = frame(0, target.dice.choice([b"", b"x"]), fin=False) * 5000
    return await strike_at(target, frame(BINARY, b"", fin=False), *[part] * 100)


@strike("1008|1009|closed")
async def a_message_that_comes_letter_by_letter(target: Target) -> str:
    async with stream(target) as one:
        whole = frame(TEXT, b" " * 60_000)
        hearing = asyncio.create_task(one.hear(10 * target.patience + 30))
        for start in range(0, len(whole), 3):
            if hearing.done() or not await one.send(whole[start : start + 3]):
                break
            await asyncio.wait([hearing], timeout=target.patience / 5)
        return _closed(target, await hearing)


@strike("1011|closed")
async def silence_on_a_stream(target: Target) -> str:
    return await strike_at(target)


@strike("closed|gone|10..")
async def pings_without_end(target: Target) -> str:
    pings = frame(PING, b"x" * 125) * 500
    async with stream(target) as one:
        for _ in range(400):
            try:
                if not await asyncio.wait_for(one.send(pings), 1):
                    return "closed"
            except TimeoutError:
                break  # the service reads no more, as nobody takes its answers
        await asyncio.sleep(1.5 * target.patience)
        return _closed(target, await one.hear(4 * target.patience + 30))


@strike("closed|10..")
async def answers_that_are_not_taken(target: Target) -> str:
    row = [0.25] * target.width
    steps = json.dumps({"steps": [row] * 500, "every": True, "outputs": True})
    async with stream(target) as one:
        name = await _opened(target, one)
        message = frame(TEXT, json.dumps({**json.loads(steps), "session": name}).encode())
        for _ in range(300):
            try:
                if not await asyncio.wait_for(one.send(message), 1):
                    return "closed"
            except TimeoutError:
                break
        await asyncio.sleep(1.5 * target.patience)
        return _closed(target, await one.hear(4 * target.patience + 30))


# -- what is said on it --------------------------------------------------------------------------------------


async def _opened(target: Target, one: Line) -> str:
    """The name of a session on a new stream."""
    await one.send(frame(TEXT, b'{"do": "open", "id": "mine"}'))
    said = await _answer(target, one)
    return str(said["session"])


async def _answer(target: Target, one: Line) -> dict[str, object]:
    """The next answer in text or bytes; {} once the stream is closed."""
    while True:
        first, size = await one.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await one.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await one.reader.readexactly(8))
        payload = await one.reader.readexactly(size)
        if first & 15 == TEXT:
            return look(target, payload)
        if first & 15 == BINARY:
            return {"count": 1}
        if first & 15 == PING:
            await one.send(frame(PONG, payload))
        if first & 15 == CLOSE:
            return {}


@strike("still answers")
async def messages_that_are_wrong(target: Target) -> str:
    async with stream(target) as one:
        name = await _opened(target, one)
        wrong = bodies(target, "steps", b"[")
        wrong += [b'{"session": "%s", "steps": [[%s]]}' % (name.encode(), number) for number in NUMBERS]
        wrong += [b'{"do": "%s"}' % (b"x" * 5000), b'{"do": []}', b'{"id": 1e999}']
        wrong += [b'{"id": [], "do": "open"}']
        wrong += [b'{"do": "open", "token": "%s"}' % (b"A" * 4096), b'{"do": "open", "model": "\\u0000"}']
        wrong += [b'{"do": "close", "session": "%s"}' % (b"x" * 50_000)]
        for body in target.dice.sample(list(filter(_is_text, wrong)), 12):
            await one.send(frame(TEXT, body))
            said = await asyncio.wait_for(_answer(target, one), 30)
            if "error" not in said:
                return f"{body[:60]!r} was answered with {str(said)[:60]}"
        nan = struct.pack("<H", len(name)) + name.encode() + struct.pack("<f", float("nan")) * target.width
        for body in (b"", b"\0", b"\xff\xff", nan, nan[:-1], b"\3\0\xff\xff\xff", bytes(5000)):
            await one.send(frame(BINARY, body))
            if "error" not in await asyncio.wait_for(_answer(target, one), 30):
                return f"{body[:60]!r} was answered"
        fine = {"session": name, "steps": [[0] * target.width]}
        await one.send(frame(TEXT, json.dumps(fine).encode()))
        said = await asyncio.wait_for(_answer(target, one), 30)
        await one.send(frame(TEXT, json.dumps({"session": name, "do": "close"}).encode()))
        await asyncio.wait_for(_answer(target, one), 30)
        return "still answers" if said.get("count") == 1 else str(said)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


@strike("gone")
async def to_send_steps_and_vanish(target: Target) -> str:
    async with stream(target) as one:
        name = await _opened(target, one)
        body = json.dumps({"session": name, "steps": [[0.5] * target.width] * 20}).encode()
        await one.send(frame(TEXT, body) * target.dice.randint(1, 200))
        one.vanish()
    return "gone"


@strike("1000( 1000)*")
async def a_hundred_streams_at_once(target: Target) -> str:
    goodbye = frame(CLOSE, struct.pack(">H", 1000))
    return " ".join(await asyncio.gather(*(strike_at(target, goodbye) for _ in range(100))))
