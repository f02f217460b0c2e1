"""WebSockets: messages of one session, or of as many as a client has, and the answers to them."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from unrolled.errors import UnrolledError
from unrolled.serve.aside import Aside
from unrolled.serve.bodies import RefusedError, kind
from unrolled.serve.desk import KEYS, Desk, status_of
from unrolled.serve.limits import Rates, address_of
from unrolled.serve.logs import LOGGER
from unrolled.serve.metrics import Metrics

AT_ONCE = 1_024  # short messages of a connection that are worked on: a client that sends more waits
WEIGHT, WEIGHT_TOLD = (
    1_024,
    64,
)  # bytes of one that make it two; and if each of its steps is answered at length


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
        self._left, self._room = AT_ONCE, asyncio.Event()  # what may be begun; whether something ended
        self._last: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until the client leaves."""
        await self.websocket.accept()
        self.metrics.sockets.labels(self.metrics.worker).inc()
        try:
            while True:
                message = await self.websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                content = message.get("bytes")
                await self._begin(message.get("text", "") if content is None else content)
        except WebSocketDisconnect:
            return
        finally:
            self.metrics.sockets.labels(self.metrics.worker).dec()
            for task in self._running:
                task.cancel()

    async def _begin(self, content: str | bytes) -> None:
        began, weight = time.perf_counter(), 1 + len(content) // WEIGHT
        prefix, session, echo = b"", self.session, {}
        work: Callable[[], Awaitable[Any]]
        try:
            if not self.rates.take(self.address):
                raise RefusedError(
                    429, f"more than {self.rates.rate:,} messages a second came from your address"
                )
            if isinstance(content, bytes):
                if session is None:
                    prefix, session, content = _addressed(content)
                work = functools.partial(self.desk.compact, session, content)
            else:
                values = await self.aside.parse(content, KEYS)
                if values.get("every") or values.get("outputs"):
                    weight = 1 + len(content) // WEIGHT_TOLD
                echo = _echo(values)
                if session is not None:
                    values = self._own(values)
                named = values.get("session")
                session = named if isinstance(named, str) else None
                work = functools.partial(self.desk.answer, values)
        except UnrolledError as error:
            work = functools.partial(_refused, error)
        weight = min(weight, AT_ONCE)
        while self._left < weight:
            self._room.clear()
            await self._room.wait()
        self._left -= weight
        key = session or ""
        task = asyncio.create_task(self._answer(work, prefix, echo, self._last.get(key), began, session))
        self._last[key] = task
        self._running.add(task)
        task.add_done_callback(lambda done: self._done(done, key, weight))

    def _done(self, task: asyncio.Task[None], key: str, weight: int) -> None:
        self._left += weight
        self._room.set()
        self._running.discard(task)
        if self._last.get(key) is task:
            del self._last[key]

    def _own(self, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("do") == "open" or "session" in values:
            raise UnrolledError("this stream is of one session: /v1/stream opens others, and names them")
        return {**values, "session": self.session}

    async def _answer(
        self,
        work: Callable[[], Awaitable[Any]],
        prefix: bytes,
        echo: Mapping[str, Any],
        before: asyncio.Task[None] | None,
        began: float,
        session: str | None,
    ) -> None:
        outcome = "answered"
        try:
            answer = await work()
        except UnrolledError as error:
            outcome = "refused"
            answer = {"error": str(error), "status": status_of(error)}
            if session is not None:
                answer["session"] = session
        except Exception:
            LOGGER.log(logging.ERROR, "a message failed", exc_info=True)
            outcome = "failed"
            answer = {"error": "the service failed to answer: its log says why", "status": 500}
        if before is not None:
            await asyncio.wait([before])
        try:
            if isinstance(answer, bytes):
                await self.websocket.send_bytes(prefix + answer)
            else:
                await self.websocket.send_text(json.dumps({**answer, **echo}))
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # the client has left
        self.metrics.messages.labels(self.metrics.worker, outcome).inc()
        self.metrics.message_seconds.labels(self.metrics.worker).observe(time.perf_counter() - began)


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


async def _refused(error: UnrolledError) -> Any:
    raise error
