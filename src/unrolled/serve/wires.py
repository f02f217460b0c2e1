"""What a stream goes over: any server's WebSocket, or the connection of this service's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

EXTENSION = "unrolled.wire"  # of a scope: the connection itself, if it is one of this service's own

Content = str | bytes


class Wire(Protocol):
    """A WebSocket that has been accepted."""

    async def run(self, take: Callable[[Content], None]) -> int:
        """Hand over each message until the stream ends; the code with which it does."""

    def say(self, content: Content) -> None:
        """Send a message, behind all others; nothing is sent to an end that has left."""

    def hold(self) -> None:
        """Take no messages for now."""

    def let(self) -> None:
        """Take them again."""


def wire_of(websocket: WebSocket) -> Wire:
    """The shortest way to it."""
    own = websocket.scope.get("extensions", {}).get(EXTENSION)
    return AsgiWire(websocket) if own is None else OwnWire(websocket, own)


class OwnWire:
    """A connection that hands over its messages as soon as they are read, and takes answers at once."""

    def __init__(self, websocket: WebSocket, connection: Any) -> None:
        self._websocket = websocket
        self.say: Callable[[Content], None] = connection.say
        self.hold: Callable[[], None] = connection.hold
        self.let: Callable[[], None] = connection.let
        self._connection = connection

    async def run(self, take: Callable[[Content], None]) -> int:
        self._connection.take = take
        return await _each(self._websocket, take)  # what came before, and the end


class AsgiWire:
    """One of which a server tells by events."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._answers: asyncio.Queue[Content] = asyncio.Queue()
        self._open = asyncio.Event()
        self._open.set()

    async def run(self, take: Callable[[Content], None]) -> int:
        writer = asyncio.create_task(self._write())
        try:
            return await _each(self._websocket, take, self._open)
        finally:
            writer.cancel()

    def say(self, content: Content) -> None:
        self._answers.put_nowait(content)

    def hold(self) -> None:
        self._open.clear()

    def let(self) -> None:
        self._open.set()

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):  # the client has left
            while True:
                content = await self._answers.get()
                if isinstance(content, bytes):
                    await self._websocket.send_bytes(content)
                else:
                    await self._websocket.send_text(content)


async def _each(
    websocket: WebSocket, take: Callable[[Content], None], open_: asyncio.Event | None = None
) -> int:
    while True:
        if open_ is not None:
            await open_.wait()
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return int(message.get("code") or 0)
        content = message.get("bytes")
        take(message.get("text", "") if content is None else content)
