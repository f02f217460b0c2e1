"""What a strike is: something a hostile client does, and what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import random
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

MOST_ANSWER = 64 << 20  # bytes of an answer that are read
CHUNK = 1 << 16


@dataclasses.dataclass
class Target:
    """The service that is struck, and what came of it so far.

    Attributes:
        port: where it listens, on this machine.
        patience: seconds that it waits for anybody.
        body: bytes of a body that it takes.
        width: I, the numbers of a step.
        dice: what is left to chance.
        statuses: how often each came; answers to messages of streams among them.
        wrong: answers that no client may get.
    """

    port: int
    patience: float
    body: int
    width: int
    dice: random.Random
    statuses: dict[int, int] = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)

    def note(self, status: int) -> None:
        """Count a status."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


Deed = Callable[[Target], Awaitable[str]]


@dataclasses.dataclass(frozen=True)
class Strike:
    """A pair.

    Attributes:
        name: what it is, as a sentence.
        do: does it once, and returns how that ended: statuses and codes of closing with spaces between, or
            "closed" where the service hung up without a word.
        ends: a regular expression for that.
    """

    name: str
    do: Deed
    ends: str


STRIKES: dict[str, Strike] = {}


def strike(ends: str) -> Callable[[Deed], Deed]:
    """Make a strike of a function; its name is that of the function."""

    def register(do: Deed) -> Deed:
        name = do.__name__.replace("_", " ")  # type: ignore[attr-defined]
        assert name not in STRIKES, name
        STRIKES[name] = Strike(name, do, ends)
        return do

    return register


class Line:
    """A connection of bytes, from an address that is only the attackers'."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, content: bytes) -> bool:
        """Send as far as the other end takes it; whether it took all."""
        try:
            for start in range(0, len(content), CHUNK):
                self.writer.write(content[start : start + CHUNK])
                await self.writer.drain()
        except (ConnectionError, OSError):
            return False
        return True

    async def hear(self, seconds: float) -> bytes:
        """What comes until the other end hangs up; raises a TimeoutError if it does not."""
        said = bytearray()
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                while len(said) < MOST_ANSWER and (part := await self.reader.read(CHUNK)):
                    said += part
        return bytes(said)

    def vanish(self) -> None:
        """Be gone without a goodbye: the other end gets a reset."""
        one: socket.socket = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def line(target: Target) -> AsyncIterator[Line]:
    """A connection that is closed in the end, whatever happens."""
    here = f"127.0.0.{target.dice.randint(2, 9)}"
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", target.port, local_addr=(here, 0), limit=CHUNK
    )
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def request(
    path: str | bytes, body: bytes = b"", *heads: bytes, method: bytes = b"POST", size: bool = True
) -> bytes:
    """The bytes of a request; the connection is closed after it unless a head says otherwise."""
    path = path.encode() if isinstance(path, str) else path
    lines = [method + b" " + path + b" HTTP/1.1", *heads]
    given = {head.partition(b":")[0].lower() for head in heads}
    if b"host" not in given:
        lines.append(b"Host: localhost")
    if size and b"content-length" not in given and b"transfer-encoding" not in given:
        lines.append(b"Content-Length: %d" % len(body))
    if b"connection" not in given:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def ask(target: Target, *requests: bytes, seconds: float | None = None) -> str:
    """Send bytes over one connection, and hear to the end: how that ended."""
    async with line(target) as one:
        for content in requests:
            if not await one.send(content):
                break
        return await ended(target, one, seconds)


async def ended(target: Target, one: Line, seconds: float | None = None) -> str:
    """How a connection ended: the statuses that came, which are noted and looked at."""
    return judge(target, await one.hear(seconds or 4 * target.patience + 30))


def judge(target: Target, said: bytes) -> str:
    """The statuses in answers, which are noted, and looked at: whether refusals are one sentence."""
    found = list(re.finditer(rb"HTTP/1\.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n", said, re.DOTALL))
    for number, answer in enumerate(found):
        status, heads = int(answer[1]), answer[2].lower()
        target.note(status)
        if status == 503 and b"retry-after:" not in heads:
            target.wrong.append("503 without Retry-After")
        if status >= 500 and status != 503:
            target.wrong.append(f"status {status}")
        if status >= 400 and b"content-type: text/plain" not in heads:
            end = found[number + 1].start() if number + 1 < len(found) else len(said)
            check_sentence(target, status, said[answer.end() : end])
    return " ".join(answer[1].decode() for answer in found) or "closed"


def check_sentence(target: Target, status: int, body: bytes) -> None:
    """Note an answer of a refusal that is not one clear sentence."""
    try:
        sentence = json.loads(body)["error"]
        fine = isinstance(sentence, str) and sentence.isprintable() and 8 < len(sentence) < 1000
    except (ValueError, KeyError, TypeError):
        fine = False
    if not fine:
        target.wrong.append(f"{status} with {body[:200]!r}")
