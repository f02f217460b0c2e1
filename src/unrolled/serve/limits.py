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
from unrolled.serve.settings import ServeSettings, is_loopback

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_TO_ALL = ("/healthz", "/readyz")
REMEMBERED = 10_000  # addresses whose rate is known at a time
ENOUGH = 64 << 10  # bytes of a refused body that are still read, so that its sender hears the answer


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_neighbour(scope):
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except RefusedError as refusal:
            await _refuse(scope, receive, send, refusal)
            return
        if scope["type"] == "http":
            await self.app(scope, self._bounded(receive), send)
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
        if origin is not None and urlsplit(origin).netloc != host:
            raise RefusedError(403, "a page of another site may not ask this service")
        if self.settings.token is None and not is_loopback(_name_of(host)):
            raise RefusedError(403, "without an access token this service answers to localhost alone")

    def _bounded(self, receive: Receive) -> Receive:
        read, limits = 0, self.settings.limits

        async def bounded() -> Any:
            nonlocal read
            try:
                message = await asyncio.wait_for(receive(), limits.patience)
            except TimeoutError:
                raise RefusedError(
                    408, f"no more of the body came within {limits.patience:g} seconds"
                ) from None
            read += len(message.get("body", b""))
            if read > limits.body:
                raise RefusedError(413, f"the body has more than {limits.body:,} bytes: send less at a time")
            return message

        return bounded


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


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: RefusedError) -> None:
    websocket = scope["type"] == "websocket"
    if not websocket:
        await _let_it_send(receive)
    headers = [(b"content-type", b"application/json")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="unrolled", charset="UTF-8"'))
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    body = json.dumps({"error": str(refusal)}).encode()
    if not websocket:
        headers.append((b"connection", b"close"))
    prefix = "websocket.http" if websocket else "http"
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{prefix}.response.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


async def _let_it_send(receive: Receive) -> None:
    """Read a little of the body of a refused request, and no longer than a second."""
    read = 0
    try:
        async with asyncio.timeout(1):
            while read < ENOUGH:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return
