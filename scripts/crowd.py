"""Many WebSockets of one cheap client: what it costs is little beside the service that it speaks to.

Messages are made beforehand, frame and mask included, answers are split off and not parsed, and one loop
waits for all connections, to some microseconds.
"""

from __future__ import annotations

import base64
import collections
import random
import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

MASK = bytes((0x37, 0xFA, 0x21, 0x3D))  # a client must mask what it sends; nothing says that it must vary
TEXT, BINARY, PING, PONG = 1, 2, 9, 10
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_SPARE_FILES = 200
PATIENCE = 10.0  # seconds in which something has to come


def frame(content: str | bytes, opcode: int | None = None) -> bytes:
    """A message as it goes over the wire from a client.

    >>> frame("Hello").hex()
    '818537fa213d7f9f4d5158'
    """
    kind = opcode or (TEXT if isinstance(content, str) else BINARY)
    payload = content.encode() if isinstance(content, str) else content
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
    mask = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    return head + MASK + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    r"""The whole frames of a server in some bytes, opcode and content, and what is left over.

    >>> split(b"\x81\x02ab\x82\x01c\x81")
    ([(1, b'ab'), (2, b'c')], b'\x81')
    """
    found, start = [], 0
    while len(data) - start >= 2:
        size, begin = data[start + 1], start + 2
        if size == 126:
            size, begin = int.from_bytes(data[begin : begin + 2], "big"), begin + 2
        elif size == 127:
            size, begin = int.from_bytes(data[begin : begin + 8], "big"), begin + 8
        if len(data) < begin + size:
            break
        found.append((data[start] & 0x0F, data[begin : begin + size]))
        start = begin + size
    return found, data[start:]


class Latency(NamedTuple):
    """What a load at a given rate came to, in seconds.

    Attributes:
        times: from the moment at which each message was to be sent to its answer, sorted.
        late: how late the client itself sent them, sorted.
    """

    times: list[float]
    late: list[float]


class Crowd:
    """Connections to one address.

    Args:
        port: of the service, on this machine.
        count: how many connections.
        path: what they ask for.
    """

    def __init__(self, port: int, count: int, path: str = "/v1/stream") -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + _SPARE_FILES), hard))
        self._epoll = select.epoll()  # first, so that its number is one that select can take
        self.sockets = [connected(port, path) for _ in range(count)]
        self._rest = [b""] * count
        self._which = {one.fileno(): index for index, one in enumerate(self.sockets)}
        for one in self.sockets:
            self._epoll.register(one.fileno(), select.EPOLLIN)

    def send(self, which: int, message: bytes) -> None:
        """Send a frame over one of the connections."""
        self.sockets[which].sendall(message)

    def answers(self, seconds: float) -> Iterable[tuple[int, bytes]]:
        """What has come or comes within so many seconds: of which connection, and its content.

        Raises:
            ConnectionError: a connection has ended.
            TimeoutError: nothing came in all the time that one should wait.
        """
        if seconds > 0 and not select.select([self._epoll], [], [], seconds)[0]:
            if seconds >= PATIENCE:
                raise TimeoutError(f"the service has said nothing for {seconds:g} seconds")
            return  # unlike that of epoll, this wait is no whole number of milliseconds
        for descriptor, _ in self._epoll.poll(0):
            which = self._which[descriptor]
            data = self.sockets[which].recv(1 << 18)
            if not data:
                raise ConnectionResetError("the service has hung up")
            found, self._rest[which] = split(self._rest[which] + data if self._rest[which] else data)
            for opcode, content in found:
                if opcode == PING:
                    self.send(which, frame(content, PONG))
                elif opcode in (TEXT, BINARY):
                    yield which, content
                else:
                    raise ConnectionResetError(f"the service has ended the connection: {content!r}")

    def ask(self, messages: Iterable[tuple[int, bytes]], window: int = 64) -> Iterator[bytes]:
        """The answers to messages over connections, as they come; so many are on their way at a time."""
        waiting = 0
        for which, message in messages:
            self.send(which, message)
            waiting += 1
            while waiting >= window:
                for _, content in self.answers(PATIENCE):
                    waiting -= 1
                    yield content
        while waiting:
            for _, content in self.answers(PATIENCE):
                waiting -= 1
                yield content

    def saturate(self, messages: Sequence[Sequence[bytes]], seconds: float, warm: float = 1.0) -> float:
        """Messages a second with one on its way over each connection all the time.

        Args:
            messages: for each connection, sent again and again in their order.
            seconds: that are counted, after those that warm up.
            warm: these.
        """
        sent = [0] * len(self.sockets)
        for which, own in enumerate(messages):
            self.send(which, own[0])
        begin = time.perf_counter() + warm
        end, count, began = begin + seconds, 0, 0.0
        while (now := time.perf_counter()) < end:
            if not began and now >= begin:
                count, began = 0, now
            for which, content in self.answers(PATIENCE):
                check_answer(content)
                count += 1
                sent[which] += 1
                self.send(which, messages[which][sent[which] % len(messages[which])])
        rate = count / (time.perf_counter() - began)
        self._rest_of(len(self.sockets))
        return rate

    def at_rate(
        self,
        messages: Sequence[Sequence[bytes]],
        rate: float,
        seconds: float,
        warm: float = 1.0,
        seed: int = 0,
    ) -> Latency:
        """How long answers take if messages come at random moments, so many a second, in any case.

        The moments are drawn beforehand (a Poisson process, over connections drawn at random), and a time
        counts from the moment at which a message was due: one that waits because those before it were late
        is late itself.
        """
        draw, clock = random.Random(seed), time.perf_counter
        moments: list[float] = []
        moment = 0.0
        while (moment := moment + draw.expovariate(rate)) < warm + seconds:
            moments.append(moment)
        whose = [draw.randrange(len(self.sockets)) for _ in moments]
        due: list[collections.deque[float]] = [collections.deque() for _ in self.sockets]
        times, late, sent, got = [], [], 0, 0
        start = clock() + 0.05
        while got < len(moments):
            now = clock() - start
            while sent < len(moments) and moments[sent] <= now:
                which = whose[sent]
                self.send(which, messages[which][sent % len(messages[which])])
                due[which].append(moments[sent])
                now = clock() - start
                if moments[sent] >= warm:
                    late.append(now - moments[sent])
                sent += 1
            for which, content in self.answers(moments[sent] - now if sent < len(moments) else PATIENCE):
                check_answer(content)
                moment = due[which].popleft()
                if moment >= warm:
                    times.append(clock() - start - moment)
                got += 1
        return Latency(sorted(times), sorted(late))

    def close(self) -> None:
        """Hang up."""
        self._epoll.close()
        for one in self.sockets:
            one.close()

    def _rest_of(self, count: int) -> None:
        """Take the answers that are on their way."""
        while count:
            count -= sum(1 for _ in self.answers(PATIENCE))


def check_answer(content: bytes) -> None:
    """Raise a ValueError if an answer is a refusal."""
    if b'"error"' in content:
        raise ValueError(f"the service refused: {content[:300].decode(errors='replace')}")


def retried(deed: Callable[[], Crowd], seconds: float) -> Crowd:
    """What is made once the service is there again."""
    until = time.monotonic() + seconds
    while True:
        try:
            return deed()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def connected(port: int, path: str) -> socket.socket:
    """A WebSocket that is open."""
    one = socket.create_connection(("127.0.0.1", port), timeout=60)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(random.randbytes(16)).decode()
    one.sendall(_UPGRADE.format(path=path, port=port, key=key).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = one.recv(1)
        if not part:
            raise ConnectionResetError(f"the service has hung up after {head!r}")
        head += part
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise ConnectionRefusedError(f"the service did not open a stream: {head.decode()}")
    return one
