"""Connections of clients that take their time, or too much: ended, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import State

from unrolled.serve.frames import MESSAGES, TEXT, frame_in, frame_of
from unrolled.serve.settings import SLOWEST, Limits
from unrolled.serve.wires import EXTENSION

MOST_HEAD = 64 << 10  # bytes of the head of a request
MOMENT = 0.05  # seconds
MOST_PARTS = 10_000  # of a message of a stream
MOST_PINGS = 200  # in a second
MOST_UNSENT = 256 << 20  # bytes of answers that clients have not taken, all of them together


class Patient:
    """A connection whose other end may leave what it is sent lying for `patience` seconds.

    When too much lies about, the one that leaves most lying is ended at once.
    """

    limits = Limits()
    laggards: set[Any]  # connections that have not taken what they were sent; made by `patient`
    transport: Any
    loop: Any
    _late: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The other end has not taken what it was sent, and there is too much of it."""
        super().pause_writing()  # type: ignore[misc]
        self._end_later()
        self.laggards.add(self)
        if sum(map(_unsent, self.laggards)) > MOST_UNSENT:
            max(self.laggards, key=_unsent).transport.abort()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()  # type: ignore[misc]
        self.laggards.discard(self)
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self.laggards.discard(self)
        self._stop_waiting()
        super().connection_lost(exc)  # type: ignore[misc]

    def _end_later(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(self.limits.patience, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _unsent(connection: Patient) -> int:
    size: int = connection.transport.get_write_buffer_size()
    return size


class PatientHttp(Patient, HttpToolsProtocol):
    """One that has to send the head of each request in that time, too, and 64 KB of it at most.

    Where as many are open as may be, a new one takes the place of the one that has asked nothing for longest.
    """

    quiet: dict[Any, None]  # those whose next request has not come, longest first; made by `patient`
    _head = -1  # bytes of it so far; -1 while none is coming
    _heading: asyncio.TimerHandle | None = None
    _served: Any = None  # the request that is being answered

    def connection_made(self, transport: Any) -> None:
        """Somebody has called."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) <= self.limits.connections:
            return
        longest = next(iter(self.quiet))
        longest._stop_heading()
        if longest is self:
            self._refuse(503, f"{self.limits.connections:,} connections are open already: try again later")
        else:
            longest.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = 0
        if self._heading is None:  # behind another one
            self._await_head()
        super().on_message_begin()

    def data_received(self, data: bytes) -> None:
        """Some of it has come."""
        begun = self._head >= 0 or self.cycle is None
        super().data_received(data)
        if self._head >= 0 and begun:
            self._head += len(data)
            if self._head > MOST_HEAD and not self.transport.is_closing():
                self.transport.abort()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._head = -1
        self._stop_heading()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """It is answered: what comes now is the next one, even if the body of this one has not ended."""
        self._await_head()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_heading()
        if self._served is not None:  # not the last one that came
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(400, "what came is no request of HTTP")

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._served = cycle
        self._stop_heading()
        super()._start_asgi_task(cycle, functools.partial(self._guarded, cycle, app))

    async def _guarded(self, cycle: Any, app: Any, scope: Any, receive: Any, send: Any) -> None:
        """Answer, unless nobody listens any more."""

        async def tell(message: Any) -> None:
            cycle.disconnected |= self.transport.is_closing()
            await send(message)

        await app(scope, receive, tell)

    def _refuse(self, status: int, sentence: str) -> None:
        body = json.dumps({"error": sentence}).encode()
        heads = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        heads += b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(STATUS_LINE[status] + heads + b"\r\n" + body)
        self.transport.close()
        self._end_later()

    def _await_head(self) -> None:
        self._stop_heading()
        self.quiet[self] = None
        self._heading = self.loop.call_later(self.limits.patience, self._look_again)

    def _look_again(self) -> None:
        """Time is over, but what came while this process stood still is read after its clocks have rung."""
        self._heading = self.loop.call_later(MOMENT, self.transport.abort)

    def _stop_heading(self) -> None:
        self.quiet.pop(self, None)
        if self._heading is not None:
            self._heading.cancel()
            self._heading = None


class PatientWebSocket(Patient, WebSocketsSansIOProtocol):
    """One that steps and answers go to and fro on.

    While a stream takes its messages, whole ones are handed over as they are read; frames of any other kind
    are left to websockets, one at a time. A client that does not take its answers is read from no more. A
    message that has begun must be whole in time, as a body must be.
    """

    take: Callable[[str | bytes], None] | None = None
    _held = False
    _needed = 0  # bytes that make the frame whole whose beginning has come
    _overdue: asyncio.TimerHandle | None = None
    _since, _came = 0.0, 0  # when the message that is coming began, and its bytes so far
    _pinged, _pings = 0.0, 0  # since when they are counted, and how many there were

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._begun = bytearray()

    def handle_connect(self, event: Any) -> None:
        """A stream is asked for."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        """Some of a frame has come, or many."""
        self._sort(data)
        if self.transport.is_closing():
            return
        if self.conn.handshake_exc is not None:  # its answer, if any, is ready
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        elif not (self._begun or self.frames or self.conn.reader.buffer):
            self._stop_minding()
        elif self._overdue is None:
            self._since, self._came = self.loop.time(), 0
            self._mind()
        else:
            self._came += len(data)

    def _sort(self, data: bytes) -> None:
        """Hand over messages, and leave what else there is to websockets."""
        if self._begun:
            self._begun += data
            if len(self._begun) < self._needed:
                return
            data = bytes(self._begun)
            self._begun.clear()
        begin, end = 0, len(data)
        while begin < end and self.take is not None and self.conn.state is State.OPEN:
            mask, stop = frame_in(data, begin, self.config.ws_max_size)
            if stop > end:
                self._begun += data[begin:]
                self._needed = stop - begin
                return
            if not mask:
                break  # websockets says what is wrong with it
            if data[begin] in MESSAGES and not self.frames:
                content = apply_mask(data[mask + 4 : stop], data[mask : mask + 4])
                self._hand(content, data[begin] == TEXT)
            else:
                super().data_received(data[begin:stop])
            begin = stop
        if begin < end:
            super().data_received(data[begin:] if begin else data)

    def _mind(self) -> None:
        """See whether the message that is coming comes too slowly, now and later."""
        left = self._since + self.limits.patience + self._came / SLOWEST - self.loop.time()
        if self._held or not self.writable.is_set():  # nobody reads it
            left = self.limits.patience
        if left > 0:
            self._overdue = self.loop.call_later(left, self._mind)
        else:
            seconds = self.loop.time() - self._since
            self._fail(CloseCode.POLICY_VIOLATION, f"a message was not whole after {seconds:.0f} s")

    def _stop_minding(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def handle_cont(self, event: Any) -> None:
        """Another part of a message."""
        super().handle_cont(event)
        if len(self.frames) > MOST_PARTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"more than {MOST_PARTS:,} parts of a message")

    def handle_ping(self) -> None:
        """Somebody asks whether one is there."""
        if self.loop.time() - self._pinged > 1:
            self._pinged, self._pings = self.loop.time(), 0
        self._pings += 1
        if self._pings <= MOST_PINGS:
            super().handle_ping()
        else:
            self._fail(CloseCode.POLICY_VIOLATION, f"more than {MOST_PINGS} pings in a second")

    def send_receive_event_to_app(self) -> None:
        """A message is whole that came in several frames."""
        if self.take is None:
            super().send_receive_event_to_app()
            return
        content, self.frames = b"".join(self.frames), []
        if not self.close_sent:
            self._hand(content, self.curr_msg_data_type == "text")

    def say(self, content: str | bytes) -> None:
        """Send a message, unless the other end has left."""
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(frame_of(content))

    def shutdown(self) -> None:
        """The service stops: the stream answers what has come, and says goodbye."""
        if self.take is None or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.take = _forget
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.SERVICE_RESTART})

    def hold(self) -> None:
        """Read no more for now."""
        self._held = True
        self.transport.pause_reading()

    def let(self) -> None:
        """Read on, unless what was sent lies there yet."""
        self._held = False
        self._read_on()

    def keepalive_timeout(self) -> None:
        """It does not answer, or its answer has not been read."""
        if self._held:
            self.pong_timer = self.loop.call_later(self.limits.patience, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    def pause_writing(self) -> None:
        """The other end does not take its answers: no more are made."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has taken most of them."""
        super().resume_writing()
        self._read_on()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """All is said: the other end has to hang up, too."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._end_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_minding()
        super().connection_lost(exc)

    def _read_on(self) -> None:
        if not self._held and self.writable.is_set() and not self.transport.is_closing():
            self.transport.resume_reading()

    def _hand(self, content: bytes, text: bool) -> None:
        assert self.take is not None
        self._stop_minding()
        try:
            message = content.decode() if text else content
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "a message is no text in UTF-8")
        else:
            self.take(message)

    def _fail(self, code: CloseCode, reason: str) -> None:
        """End it, and say why."""
        self.frames = []
        self._begun.clear()
        if not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.handle_parser_exception()


def _forget(content: str | bytes) -> None:
    """What comes after the end."""


def patient(limits: Limits) -> tuple[type[PatientHttp], type[PatientWebSocket]]:
    """The protocols of a service that has these limits."""
    said: dict[str, Any] = {"limits": limits, "laggards": set(), "quiet": {}}
    return type("Http", (PatientHttp,), said), type("WebSocket", (PatientWebSocket,), said)
