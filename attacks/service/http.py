"""Strikes with requests: slow, broken, oversized, malformed and malicious ones."""

from __future__ import annotations

import asyncio
import functools
import gzip
import io
import json
import struct
import zlib

import numpy as np

from attacks.mutate import anyhow
from attacks.service.strike import Line, Target, ask, ended, line, request, strike

PREDICT = "/v1/predict"
REFUSED = r"4\d\d"
BUSY = rf"{REFUSED}|503"
HOST = b"Host: localhost\r\n"


# -- slow ----------------------------------------------------------------------------------------------------


@strike("closed")
async def a_head_that_comes_letter_by_letter(target: Target) -> str:
    return await _drip(target, b"POST /v1/predict HTTP/1.1\r\n" + HOST, b"X: " + b"x" * 1000)


@strike("408")
async def a_body_that_comes_letter_by_letter(target: Target) -> str:
    head = request(PREDICT, b"", b"Content-Length: 100000")
    return await _drip(target, head, b" " * 100_000)


@strike("408")
async def a_body_that_does_not_come(target: Target) -> str:
    return await ask(target, request(PREDICT, b"{", b"Content-Length: 100"))


@strike("closed")
async def nothing_at_all(target: Target) -> str:
    return await ask(target)


@strike("(200|closed)")
async def empty_lines_after_an_answer(target: Target) -> str:
    head = request("/v1/models", b"", b"Connection: keep-alive", method=b"GET")
    return await _drip(target, head, b"\r\n" * 1000)


@strike("(200|closed)")
async def a_body_for_what_needs_none_that_never_ends(target: Target) -> str:
    head = request(
        "/healthz", b"", b"Transfer-Encoding: chunked", b"Connection: keep-alive", method=b"GET", size=False
    )
    return await _drip(target, head, b"1\r\nx\r\n" * 1000, 6)


@strike("(200 ?)+|closed")
async def pages_that_are_not_read(target: Target) -> str:
    page = request("/", b"", b"Connection: keep-alive", method=b"GET")
    async with line(target) as one:
        for _ in range(40):
            if not await _takes(one, page):
                break
        await asyncio.sleep(target.patience * 1.5)
        return await ended(target, one)


async def _takes(one: Line, content: bytes) -> bool:
    try:
        return await asyncio.wait_for(one.send(content), 1)
    except TimeoutError:
        return False


async def _drip(target: Target, head: bytes, rest: bytes, size: int = 1) -> str:
    """Send the rest a little at a time until the service has had enough, and say how that ended."""
    async with line(target) as one:
        await one.send(head)
        hearing = asyncio.create_task(ended(target, one))
        for start in range(0, len(rest), size):
            if hearing.done() or not await one.send(rest[start : start + size]):
                break
            await asyncio.wait([hearing], timeout=target.patience / 5)
        return await hearing


# -- broken --------------------------------------------------------------------------------------------------


@strike("200|closed")
async def a_half_that_is_closed(target: Target) -> str:
    async with line(target) as one:
        await one.send(request("/v1/models", method=b"GET"))
        one.writer.write_eof()
        return await ended(target, one)


@strike("gone")
async def to_ask_and_vanish(target: Target) -> str:
    steps = [[0.5] * target.width] * 200
    whole = request(PREDICT, json.dumps({"sequences": [steps] * 3}).encode())
    for content in (whole, whole[: len(whole) // 2], whole[:40], b""):
        async with line(target) as one:
            await one.send(content)
            one.vanish()
    return "gone"


@strike("400")
async def no_request(target: Target) -> str:
    return await ask(
        target,
        target.dice.choice(
            [
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"\x00" * 100 + b"\r\n\r\n",
                request(PREDICT, b"{}", b"Content-Length: 2", b"Content-Length: 3"),
                request(PREDICT, b"{}", b"Content-Length: -1"),
                request(PREDICT, b"0\r\n\r\n", b"Content-Length: 2", b"Transfer-Encoding: chunked"),
                request(PREDICT, b"zz\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
            ]
        ),
    )


@strike("200|4..|closed")
async def an_upgrade_to_what_is_not_spoken(target: Target) -> str:
    upgrade = target.dice.choice([b"h2c", b"TLS/1.0", b"x" * 1000])
    return await ask(
        target, request("/v1/models", b"", b"Upgrade: " + upgrade, b"Connection: Upgrade", method=b"GET")
    )


@strike("(200 ?)+")
async def a_thousand_requests_in_one_piece(target: Target) -> str:
    many = request("/v1/models", b"", b"Connection: keep-alive", method=b"GET") * 300
    return await ask(target, many + request("/v1/models", method=b"GET"))


# -- oversized -----------------------------------------------------------------------------------------------


@strike("413")
async def a_length_that_is_too_large(target: Target) -> str:
    return await ask(target, request(PREDICT, b" " * 1000, b"Content-Length: 99999999999"))


@strike("413|closed")
async def chunks_without_end(target: Target) -> str:
    head = request(PREDICT, b"", b"Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    return await ask(target, head, *[chunk] * (target.body // 65536 + 40))


@strike("closed|4..")
async def heads_without_end(target: Target) -> str:
    many = b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(10_000))
    heads = target.dice.choice([many, b"X: " + b"x" * 200_000])
    return await ask(target, b"GET / HTTP/1.1\r\n" + HOST + heads)


@strike("closed|4..")
async def an_address_without_end(target: Target) -> str:
    return await ask(target, request("/" + "x" * 60_000, method=b"GET"))


# -- malformed -----------------------------------------------------------------------------------------------

NUMBERS = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1e39", b"9" * 400, b"9" * 5000, b"true", b"null")
NUMBERS += (b"{}", b"[]", b"0x10", b"01", b"1.", b"--1", b"1e", b"\xff", b'"1"', b'"\\ud800"')


def bodies(target: Target, key: str, wrap: bytes) -> list[bytes]:
    """Bodies that are wrong in one thing each."""
    zeros = b",".join([b"0"] * (target.width - 1))
    name = key.encode()
    head, tail = b'{"' + name + b'": ' + wrap, b"]" * wrap.count(b"[") + b"}"
    rows = [b"[" + number + b"," + zeros + b"]" for number in NUMBERS]
    rows += [b"[0]", b"[]", b"0", b"null", b"[[0]]", b"[" + zeros + b",0,0]", b"[" + zeros + b",0],[0]"]
    made = [head + row + tail for row in rows]
    made += [b"[" * 100_000, b'{"a":' * 50_000, head + b"[" * 90_000, b'{"%s": "%s"}' % (name, b"x" * 99_999)]
    made += [b"", b"{}", b"[]", b"0", b'""', b"null", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a": 1}', b"{} {}"]
    made += [b'{"%s": []}' % name, b'{"%s": {}}' % name, b'{"model": [1], "%s": 1}' % name]
    made += [gzip.compress(head + tail), head + b"[0," * 30_000]
    return made


@strike("400")
async def bodies_that_are_wrong(target: Target) -> str:
    body = target.dice.choice(bodies(target, "sequences", b"[["))
    kind = target.dice.choice([b"application/json", b"text/plain", b"application/xml", b"?", b"", b"\xff"])
    return await ask(target, request(PREDICT, body, b"Content-Type: " + kind))


@strike(rf"200|{REFUSED}")
async def a_good_body_that_is_damaged(target: Target) -> str:
    sequences = [[[0.5] * target.width] * 3, [[1] * target.width]]
    good = json.dumps({"sequences": sequences, "model": "rows"}).encode()
    for _ in range(1 + target.dice.randrange(4)):
        good = anyhow(good, target.dice)
    return await ask(target, request(PREDICT, good[: target.body]))


@strike("400")
async def sequences_that_are_too_many_or_too_long(target: Target) -> str:
    zeros = [0] * target.width
    body = target.dice.choice([{"sequences": [[zeros]] * 1001}, {"sequences": [[zeros] * 20_001]}])
    return await ask(target, request(PREDICT, json.dumps(body).encode()))


@strike("400|415")
async def a_body_that_is_packed(target: Target) -> str:
    body = gzip.compress(b'{"sequences": ' + b" " * 10_000_000 + b"[]}")
    return await ask(target, request(PREDICT, body, b"Content-Encoding: gzip"))


# -- forms and files -----------------------------------------------------------------------------------------


def form(*parts: tuple[bytes, bytes], boundary: bytes = b"x") -> tuple[bytes, bytes]:
    """The type and the body of a form, of parts with their heads."""
    begin = b"--" + boundary + b"\r\n"
    body = b"".join(begin + heads + b"\r\n\r\n" + content + b"\r\n" for heads, content in parts)
    return b"Content-Type: multipart/form-data; boundary=" + boundary, body + b"--" + boundary + b"--\r\n"


def file(name: bytes, content: bytes) -> tuple[bytes, bytes]:
    """A part that is a file."""
    return b'Content-Disposition: form-data; name="file"; filename="' + name + b'"', content


FIELD = b'Content-Disposition: form-data; name="f"'


@strike("400")
async def forms_that_are_wrong(target: Target) -> str:
    kind, body = target.dice.choice(
        [
            form(*[(FIELD, b"1")] * 20_000),
            form(*[file(b"a.png", b"")] * 5_000),
            form((FIELD, b"x" * 500_000)),
            form((b"X: " + b"x" * 500_000, b"")),
            form((b"\r\n".join([b"X: 1"] * 20_000), b"")),
            form((b"Content-Disposition: form-data", b"1")),
            form((b"nonsense", b"1")),
            form(file(b"../../../etc/passwd", b"no picture")),
            form(file(b"\x00\x1b[2J\xff" + b"n" * 3000, b"no picture")),
            form(file(b"a.png", form(file(b"b.png", b"x"), boundary=b"y")[1])),
            form(file(b"a.png", b""), boundary=b"x" * 3000),
            (b"Content-Type: multipart/form-data", b"--x--\r\n"),
            (b"Content-Type: multipart/form-data; boundary=x; charset=nonsense", form((FIELD, b"1"))[1]),
            (b"Content-Type: multipart/form-data; boundary=x", b"\r\n" * 200_000),
            (b"Content-Type: multipart/form-data; boundary=x", b"--x\r\n" * 200_000),
            (b"Content-Type: multipart/form-data; boundary=x", b"--x--" + b"x" * 500_000),
        ]
    )
    return await ask(target, request(PREDICT, body, kind))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A picture that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", data or zlib.compress(bytes(1000))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def idx(count: int) -> bytes:
    """So many empty pictures of 28 rows, packed."""
    return gzip.compress(struct.pack(">IIII", 0x803, count, 28, 28) + bytes(784 * count), 1)


@functools.cache
def bombs() -> tuple[tuple[bytes, bytes], ...]:
    """Files that are small, and unfold."""
    array = io.BytesIO()
    np.save(array, np.zeros((5000, 28, 28), "u1"))
    return (
        (b"a.png", png(30_000, 30_000)),
        (b"a.png", png(2**31 - 1, 2**31 - 1)),
        (b"a.png", png(8_000, 8_000, zlib.compress(bytes(8_001 * 8_000), 1))),
        (b"a.gz", gzip.compress(bytes(100_000_000), 1)),
        (b"t10k-images-idx3-ubyte.gz", idx(20_000)),
        (b"t10k-images-idx3-ubyte.gz", idx(2_000)),
        (b"t10k-images-idx3-ubyte", struct.pack(">IIII", 0x803, 2**31 - 1, 28, 28) + bytes(784)),
        (b"a.npy", array.getvalue()),
        (b"a.zip", gzip.compress(b"PK\3\4" + bytes(100))),
    )


@strike("400|413|503")
async def files_that_unfold(target: Target) -> str:
    kind, body = form(file(*target.dice.choice(bombs())))
    return await ask(target, request(PREDICT, body, kind))


@strike(rf"200|{BUSY}")
async def a_good_picture_that_is_damaged(target: Target) -> str:
    good = png(28, 28, zlib.compress(bytes(29 * 28)))
    for _ in range(1 + target.dice.randrange(3)):
        good = anyhow(good, target.dice)
    kind, body = form(file(b"a.png", good))
    return await ask(target, request(PREDICT, body, kind))


# -- malicious -----------------------------------------------------------------------------------------------


@strike("403")
async def pages_of_other_sites(target: Target) -> str:
    heads = target.dice.choice(
        [
            (b"Origin: http://evil.example",),
            (b"Origin: null",),
            (b"Origin: http://[",),
            (b"Origin: http://localhost.evil.example", b"Host: localhost"),
            (b"Host: evil.example",),
            (b"Host: localhost.evil.example",),
            (b"Host: [::1",),
            (b"Host: \xff\xfe",),
            (b"Host: ",),
        ]
    )
    return await ask(target, request(PREDICT, b"{}", *heads))


@strike("40[045]")
async def paths_that_lead_elsewhere(target: Target) -> str:
    path = target.dice.choice(
        [
            b"/v1/sessions/../../etc/passwd/token",
            b"/v1/sessions/..%2F..%2Fkey/token",
            b"/v1/sessions/%2e%2e/token",
            b"/v1/sessions/%00/token",
            b"/v1/sessions/%ff%fe/token",
            b"/v1/sessions/%0d%0aX:%20y/token",
            b"/v1/sessions/" + b"a" * 5000 + b"/token",
            b"/v1/sessions/0-00000000-" + b"a" * 32 + b"/token",
            b"/v1/sessions/0--/token",
            b"/v1/sessions/9999999999-a-b/token",
            "/v1/sessions/٣-a-b/token".encode(),
            b"/etc/passwd",
            b"//v1/models//",
            b"/v1/ask",
            b"/v1/ask-compact?session=x",
            b"/docs",
        ]
    )
    return await ask(target, request(path, method=b"GET"))


@strike("404")
async def sessions_that_are_guessed(target: Target) -> str:
    name = bytes(target.dice.choice(b"abcdefghijklmnopqrstuvwxyz_-0123456789") for _ in range(32))
    models = await _models(target)
    path = b"/v1/sessions/0-%s-%s" % (models[:8], name)
    ways = ((b"/token", b"GET"), (b"/steps", b"POST"), (b"/reset", b"POST"), (b"", b"DELETE"))
    way, method = target.dice.choice(ways)
    body = json.dumps({"steps": [[0] * target.width]}).encode()
    return await ask(target, request(path + way, body, method=method))


async def _models(target: Target) -> bytes:
    """The identity of the first model."""
    async with line(target) as one:
        await one.send(request("/v1/models", method=b"GET"))
        said = await one.hear(30)
    identity: str = json.loads(said.partition(b"\r\n\r\n")[2])["models"][0]["identity"]
    return identity.encode()


@strike("closed( closed)*")
async def hundreds_of_connections_that_say_nothing(target: Target) -> str:
    return " ".join(await asyncio.gather(*(ask(target, b"GET / HT") for _ in range(300))))


@strike("(200 ?|503 ?)+")
async def predictions_that_take_long_at_once(target: Target) -> str:
    body = json.dumps({"sequences": [[[0.1] * target.width] * 900]}).encode()
    return " ".join(await asyncio.gather(*(ask(target, request(PREDICT, body)) for _ in range(10))))


@strike(r"400|413")
async def the_largest_body_that_may_be(target: Target) -> str:
    row = target.dice.choice([b"[" + b"0," * (target.width - 1) + b"0],", b"[],", b"0,", b'{"a":0},'])
    body = b'{"sequences": [[' + row * ((target.body - 40) // len(row)) + b"0]]}"
    return await ask(target, request(PREDICT, body))
