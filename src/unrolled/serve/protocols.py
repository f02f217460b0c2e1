"""Connections of clients that take their time: ended when it is too much, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C if that was built
from websockets.protocol import State

from unrolled.serve.wires import EXTENSION

MOST_HEAD = 64 << 10  # bytes of the head of a request

MESSAGES = TEXT, BINARY = 0x81, 0x82  # the first byte of a frame that is a whole message


class Patient:
    """A connection whose other end may leave what it is sent lying for `patience` seconds."""

    patience = 20.0
    transport: Any
    loop: Any
    _late: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The other end has not taken what it was sent, and there is too much of it."""
        super().pause_writing()  # type: ignore[misc]
        self._late = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()  # type: ignore[misc]
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_waiting()
        super().connection_lost(exc)  # type: ignore[misc]

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class PatientHttp(Patient, HttpToolsProtocol):
    """One that has to send the head of each request in that time, too, and 64 KB of it at most."""

    _head = 0  # bytes of it so far
    _heading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody has called."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._await_head()
        super().on_message_begin()

    def data_received(self, data: bytes) -> None:
        """Some of it has come."""
        if self._heading is not None:
            self._head += len(data)
        super().data_received(data)
        if self._heading is not None and self._head > MOST_HEAD and not self.transport.is_closing():
            self._stop_heading()
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._stop_heading()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_heading()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._stop_heading()
        self._heading = self.loop.call_later(self.patience, self.transport.abort)

    def _stop_heading(self) -> None:
        self._head = 0
        if self._heading is not None:
            self._heading.cancel()
            self._heading = None


class PatientWebSocket(Patient, WebSocketsSansIOProtocol):
    """One that steps and answers go to and fro on.

    While a stream takes its messages, whole ones are handed over as they are read; frames of any other kind
    are left to websockets, one at a time.
    """

    take: Callable[[str | bytes], None] | None = None
    _held = False
    _needed = 0  # bytes that make the frame whole whose beginning has come

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
            self.pong_timer = self.loop.call_later(self.patience, self.keepalive_timeout)
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

    def _read_on(self) -> None:
        if not self._held and self.writable.is_set() and not self.transport.is_closing():
            self.transport.resume_reading()

    def _hand(self, content: bytes, text: bool) -> None:
        assert self.take is not None
        try:
            message = content.decode() if text else content
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        self.take(message)


def frame_in(data: bytes, begin: int, most: int) -> tuple[int, int]:
    r"""Where the mask of the frame that begins there is, and where that frame ends: perhaps behind the data.

    (0, 0) if it is none that a client may send, or has more than so many bytes.

    >>> frame_in(b"\x81\x85maskHello", 0, 100), frame_in(b"\x81\xfe\x01\x00mask...", 0, 1000)
    ((2, 11), (4, 264))
    """
    mask = begin + 2
    if len(data) < mask:
        return 0, len(data) + 1
    size = data[begin + 1] - 128
    if size >= 126:
        mask += 2 if size == 126 else 8
        if len(data) < mask:
            return 0, mask
        size = int.from_bytes(data[begin + 2 : mask], "big")
    return (mask, mask + 4 + size) if 0 <= size <= most else (0, 0)


def frame_of(content: str | bytes) -> bytes:
    r"""The frame of a message of a server.

    >>> frame_of("Hello"), frame_of(bytes(200))[:5]
    (b'\x81\x05Hello', b'\x82~\x00\xc8\x00')
    """
    kind, payload = (TEXT, content.encode()) if isinstance(content, str) else (BINARY, content)
    size = len(payload)
    if size < 126:
        return bytes((kind, size)) + payload
    head = struct.pack("!BBH", kind, 126, size) if size < 1 << 16 else struct.pack("!BBQ", kind, 127, size)
    return head + payload


def patient(patience: float) -> tuple[type[PatientHttp], type[PatientWebSocket]]:
    """The protocols of a service that waits for so many seconds."""
    said = {"patience": patience}
    return type("Http", (PatientHttp,), said), type("WebSocket", (PatientWebSocket,), said)
