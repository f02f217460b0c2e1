"""The door: who may come in, how fast, with how much, and how long one waits for anybody."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from unrolled.serve.bodies import RefusedError
from unrolled.serve.settings import SLOWEST, ServeSettings, is_loopback

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_TO_ALL = ("/healthz", "/readyz")
REMEMBERED = 10_000  # addresses whose rate is known at a time
HELD = 16  # the largest bodies that are in memory at a time; small ones come beside them
SMALL = 64 << 10  # bytes of one that is


class Rates:
    """How many requests and messages an address may send: `rate` a second, as many at once.

    >>> rates = Rates(2)
    >>> [rates.take("here") for _ in range(3)], rates.take("there")
    ([True, True, False], True)
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, address: str) -> bool:
        """Whether one more may come from there now."""
        now = time.monotonic()
        left, since = self._left.pop(address, (float(self.rate), now))
        left = min(float(self.rate), left + (now - since) * self.rate)
        self._left[address] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > REMEMBERED:  # the one that has been quiet for longest
            del self._left[next(iter(self._left))]
        return left >= 1


class Door:
    """What a request or a connection passes before the service sees it.

    It is refused with a status and one sentence if it has no access token, comes from a page of another
    site, comes too often, or is too large. A neighbour, another process of the same service on a socket of
    their own, passes.
    """

    def __init__(self, app: App, settings: ServeSettings, rates: Rates) -> None:
        self.app, self.settings, self.rates = app, settings, rates
        self.sockets = 0
        self.held = 0  # bytes of bodies that are in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_neighbour(scope):
            await self.app(scope, receive, send)
            return
        body = Body(receive, self)
        try:
            self._check(scope)
        except RefusedError as refusal:
            await _refuse(scope, body, send, refusal)
            return
        if scope["type"] == "http":
            try:
                await self.app(scope, body.receive, body.before(send))
            finally:
                self.held -= body.read
            return
        self.sockets += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.sockets -= 1

    def _check(self, scope: Scope) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        limits = self.settings.limits
        if scope["path"] in OPEN_TO_ALL:
            return
        if not self.rates.take(address_of(scope)):
            raise RefusedError(429, f"more than {limits.rate:,} requests a second came from your address")
        self._check_site(headers)
        token = self.settings.token
        if token is not None and not hmac.compare_digest(_told(headers).encode(), token.encode()):
            raise RefusedError(
                401, "the access token is missing or wrong: send it as Authorization: Bearer TOKEN"
            )
        if scope["type"] == "websocket" and self.sockets >= limits.sockets:
            raise RefusedError(503, f"{self.sockets:,} connections are open already: try again later")
        size = headers.get(b"content-length", "0")
        if not size.isascii() or not size.isdigit() or len(size) > 15 or int(size) > limits.body:
            raise RefusedError(413, f"the body has more than {limits.body:,} bytes: send less at a time")

    def _check_site(self, headers: dict[bytes, str]) -> None:
        """A page that somebody looks at may not speak for him to a service on his machine."""
        host = headers.get(b"host", "")
        origin = headers.get(b"origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise RefusedError(403, "a page of another site may not ask this service")
        if self.settings.token is None and not is_loopback(_name_of(host)):
            raise RefusedError(403, "without an access token this service answers to localhost alone")


class Body:
    """A body as it comes, for so long and so much as the limits of a door say.

    Attributes:
        read: bytes of it that came, which are held as long as the request is answered.
        ended: whether it is whole.
    """

    def __init__(self, receive: Receive, door: Door) -> None:
        self._receive, self._door, self._limits = receive, door, door.settings.limits
        self._began = time.monotonic()
        self.read, self.ended = 0, False

    async def receive(self) -> Any:
        """The next part."""
        limits = self._limits
        left = self._began + limits.patience + self.read / SLOWEST - time.monotonic()
        if self.ended:  # what comes now is that the client has left
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), min(limits.patience, max(0.0, left)))
        except TimeoutError:
            raise RefusedError(
                408, f"no more of the body came within {limits.patience:g} seconds, or too little of it"
            ) from None
        size = len(message.get("body", b""))
        self.read += size
        self._door.held += size
        self.ended = not message.get("more_body", False)
        if self.read > limits.body:
            raise RefusedError(413, f"the body has more than {limits.body:,} bytes: send less at a time")
        if self.read > SMALL and self._door.held > HELD * limits.body:
            raise RefusedError(503, "the service has too many large bodies in its hands: try again later")
        return message

    def before(self, send: Send) -> Send:
        """Let the rest of a body come before its refusal is sent: who hangs up early is not heard."""

        async def sent(message: Any) -> None:
            if not self.ended and message.get("status", 0) >= 400 and message["status"] != 408:
                await self.let_it_come()
            await send(message)

        return sent

    async def let_it_come(self) -> None:
        """Read what is left of a body, no longer than a second, and forget it."""
        left = self._limits.body
        try:
            async with asyncio.timeout(1):
                while not self.ended and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self.ended = not message.get("more_body", False)
        except TimeoutError:
            return


def address_of(scope: Scope) -> str:
    """Where a request comes from."""
    client = scope.get("client")
    return client[0] if client else ""


def is_neighbour(scope: Scope) -> bool:
    """Whether it came over a socket that only processes of this service have."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _name_of(host: str) -> str:
    """A Host header without its port: "[::1]:8000" is ::1."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _told(headers: dict[bytes, str]) -> str:
    """The access token in a request: of a program as "Bearer", of a browser as the password of "Basic"."""
    way, _, told = headers.get(b"authorization", "").partition(" ")
    if way.lower() != "basic":
        return told.strip() if way.lower() == "bearer" else ""
    try:
        return base64.b64decode(told, validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


async def _refuse(scope: Scope, body: Body, send: Send, refusal: RefusedError) -> None:
    websocket = scope["type"] == "websocket"
    if not websocket:
        await body.let_it_come()
    headers = [(b"content-type", b"application/json")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="unrolled", charset="UTF-8"'))
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    said = json.dumps({"error": str(refusal)}).encode()
    if not websocket:
        headers.append((b"connection", b"close"))
    prefix = "websocket.http" if websocket else "http"
    headers.append((b"content-length", str(len(said)).encode()))
    await send({"type": f"{prefix}.response.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": said})
