"""WebSockets: messages of one session, or of as many as a client has, and the answers to them."""

from __future__ import annotations

import asyncio
import collections
import functools
import itertools
import json
import logging
import struct
import time
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket

from unrolled.errors import UnrolledError
from unrolled.serve.aside import LARGE, Aside
from unrolled.serve.bodies import RefusedError, kind, parse
from unrolled.serve.desk import KEYS, Coming, Desk, status_of
from unrolled.serve.limits import Rates, address_of
from unrolled.serve.logs import LOGGER
from unrolled.serve.metrics import Metrics
from unrolled.serve.wires import Content, wire_of

AT_ONCE = 1_024  # short messages of a connection that are worked on: a client that sends more waits
WEIGHT, WEIGHT_TOLD = (
    1_024,
    64,
)  # bytes of one that make it two; and if each of its steps is answered at length

STOPPING = 1012  # the code of a stream that ends because the service does

_FAILED = {"error": "the service failed to answer: its log says why", "status": 500}


class Asked:
    """A message that is not answered yet.

    Attributes:
        began: when it came.
        session: that it is about, if that is known.
        prefix, echo: what its answer begins with, or holds, so that the client knows it.
        coming: the answer, if there may be one.
        answer: that, to be sent when those before are.
        outcome: whether it was answered, refused, or failed.
        weight: for how many short ones it counts.
    """

    __slots__ = ("answer", "began", "coming", "echo", "outcome", "prefix", "session", "weight")

    def __init__(self, session: str | None, weight: int) -> None:
        self.began = time.perf_counter()
        self.weight = weight
        self.session = session
        self.prefix: bytes = b""
        self.echo: Mapping[str, Any] = {}
        self.coming: Coming | None = None
        self.answer: Content | None = None
        self.outcome = "answered"


class Stream:
    """A connection.

    Messages of several sessions are worked on at the same time, so that their steps can go into one call;
    answers about one session come in the order of its messages.

    Args:
        websocket: it.
        session: the one that all messages are about; None where each names its own.
    """

    def __init__(
        self,
        websocket: WebSocket,
        desk: Desk,
        rates: Rates,
        metrics: Metrics,
        aside: Aside,
        session: str | None = None,
    ) -> None:
        self.websocket, self.desk, self.rates, self.metrics = websocket, desk, rates, metrics
        self.aside, self.session = aside, session
        self.address = address_of(websocket.scope)
        self._asked: dict[str, collections.deque[Asked]] = {}  # of each session, in their order
        self._weight = 0  # of them all
        self._long: asyncio.Task[None] | None = None  # reads a long message
        self._behind: collections.deque[Content] = collections.deque()  # what came behind that

    async def run(self) -> None:
        """Answer until the client leaves."""
        await self.websocket.accept()
        self._wire = wire_of(self.websocket)
        self.metrics.sockets.inc()
        try:
            if await self._wire.run(self._take) == STOPPING:
                await self._end()
        finally:
            self.metrics.sockets.dec()
            if self._long is not None:
                self._long.cancel()
            for asked in itertools.chain.from_iterable(list(self._asked.values())):
                if asked.coming is not None:
                    asked.coming.result.cancel()

    async def _end(self) -> None:
        """Answer what has come, and say goodbye."""
        while self._long is not None:
            await asyncio.wait([self._long])
        waiting = itertools.chain.from_iterable(self._asked.values())
        if coming := [asked.coming.result for asked in waiting if asked.coming is not None]:
            await asyncio.wait(coming)
        await self.websocket.close(STOPPING, "the service stops: go on from the token, here or elsewhere")

    def _take(self, content: Content) -> None:
        """Have a message worked on, behind all that came before."""
        if self._long is not None:
            self._behind.append(content)
        elif isinstance(content, str) and len(content) > LARGE:
            self._wire.hold()
            self._long = asyncio.create_task(self._take_long(content))
        else:
            self._work(content)

    async def _take_long(self, content: str) -> None:
        parsed: dict[str, Any] | Exception
        try:
            parsed = await self.aside.parse(content, KEYS)
        except Exception as error:
            parsed = error
        self._work(content, parsed)
        self._long = None
        while self._behind and self._long is None:
            self._take(self._behind.popleft())
        self._let()

    def _let(self) -> None:
        if self._weight < AT_ONCE and self._long is None:
            self._wire.let()

    def _work(self, content: Content, parsed: dict[str, Any] | Exception | None = None) -> None:
        asked = Asked(self.session, 1 + len(content) // WEIGHT)
        try:
            asked.coming = self._begun(asked, content, parsed)
        except Exception as error:
            self._refuse(asked, error)
        key = asked.session or ""
        if key in self._asked:
            self._asked[key].append(asked)
        else:
            self._asked[key] = collections.deque((asked,))
        self._weight += asked.weight
        if self._weight >= AT_ONCE:
            self._wire.hold()
        if asked.coming is None:
            self._send(key)
        else:
            asked.coming.result.add_done_callback(functools.partial(self._come, asked, key))

    def _begun(self, asked: Asked, content: Content, parsed: dict[str, Any] | Exception | None) -> Coming:
        if not self.rates.take(self.address):
            raise RefusedError(429, f"more than {self.rates.rate:,} messages a second came from your address")
        if isinstance(content, bytes):
            if asked.session is None:
                asked.prefix, asked.session, content = _addressed(content)
            return self.desk.begin_compact(asked.session, content)
        if isinstance(parsed, Exception):
            raise parsed
        values = parse(content, KEYS) if parsed is None else parsed
        asked.echo = _echo(values)
        if values.get("every") or values.get("outputs"):
            asked.weight = 1 + len(content) // WEIGHT_TOLD
        if asked.session is not None:
            values = self._own(values)
        else:
            named = values.get("session")
            asked.session = named if isinstance(named, str) else None
        return self.desk.begin(values)

    def _own(self, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("do") == "open" or "session" in values:
            raise UnrolledError("this stream is of one session: /v1/stream opens others, and names them")
        return {**values, "session": self.session}

    def _come(self, asked: Asked, key: str, result: asyncio.Future[Any]) -> None:
        """Word an answer, whose result has come."""
        if result.cancelled():
            return  # the client has left
        try:
            assert asked.coming is not None
            answer = asked.coming.worded(result.result())
            if isinstance(answer, bytes):
                asked.answer = asked.prefix + answer
            else:
                asked.answer = json.dumps({**answer, **asked.echo})
        except Exception as error:
            self._refuse(asked, error)
        self._send(key)

    def _refuse(self, asked: Asked, error: Exception) -> None:
        if isinstance(error, UnrolledError):
            asked.outcome = "refused"
            answer = {"error": str(error), "status": status_of(error)}
            if asked.session is not None:
                answer["session"] = asked.session
        else:
            LOGGER.log(logging.ERROR, "a message failed", exc_info=error)
            asked.outcome, answer = "failed", _FAILED
        asked.answer = json.dumps({**answer, **asked.echo})

    def _send(self, key: str) -> None:
        """Send the answers about a session for which none before is missing."""
        waiting = self._asked[key]
        while waiting and (answer := waiting[0].answer) is not None:
            asked = waiting.popleft()
            self._wire.say(answer)
            self.metrics.message(asked.outcome, time.perf_counter() - asked.began)
            held = self._weight >= AT_ONCE
            self._weight -= asked.weight
            if held:
                self._let()
        if not waiting:
            del self._asked[key]


def _addressed(content: bytes) -> tuple[bytes, str, bytes]:
    r"""The head, the session and the steps of a compact message that names its session.

    >>> _addressed(b"\x03\x000-a....")
    (b'\x03\x000-a', '0-a', b'....')
    """
    if len(content) < 2:
        raise UnrolledError(
            f"{len(content)} bytes came, expected the length of a session's name, uint16, first"
        )
    end = 2 + struct.unpack_from("<H", content)[0]
    try:
        name = content[2:end].decode("ascii")
    except UnicodeDecodeError:
        raise UnrolledError("the session's name is no ASCII") from None
    if len(content) < end:
        raise UnrolledError(f"the session's name has {end - 2} bytes, but {len(content) - 2} came")
    return content[:end], name, content[end:]


def _echo(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a client knows an answer by, if it gave anything."""
    if "id" not in values:
        return {}
    told = values["id"]
    short = isinstance(told, str) and len(told) <= 100
    if not short and not (type(told) is int and abs(told) < 2**53):
        raise UnrolledError(f"id is {kind(told)}, expected a whole number or at most 100 characters")
    return {"id": told}
