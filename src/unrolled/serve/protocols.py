"""Connections of clients that take their time: ended when it is too much, and nobody else waits for them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_HEAD = 64 << 10  # bytes of the head of a request


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
    """One that steps and answers go to and fro on."""


def patient(patience: float) -> tuple[type[PatientHttp], type[PatientWebSocket]]:
    """The protocols of a service that waits for so many seconds."""
    said = {"patience": patience}
    return type("Http", (PatientHttp,), said), type("WebSocket", (PatientWebSocket,), said)
