"""Strikes with tokens: damaged, forged, of elsewhere, and taken twice."""

from __future__ import annotations

import base64
import json

from attacks.service.strike import Target, ask, line, request, strike
from unrolled.serve.tokens import Kept, Seal


async def _said(target: Target, path: str, body: object, method: bytes = b"POST") -> dict[str, object]:
    async with line(target) as one:
        await one.send(request(path, json.dumps(body).encode(), method=method))
        said = await one.hear(30)
    answer: dict[str, object] = json.loads(said.partition(b"\r\n\r\n")[2])
    return answer


async def _token(target: Target) -> tuple[str, str]:
    """A session of three steps and its token."""
    name = str((await _said(target, "/v1/sessions", {}))["session"])
    await _said(target, f"/v1/sessions/{name}/steps", {"steps": [[0.5] * target.width] * 3})
    return name, str((await _said(target, f"/v1/sessions/{name}/token", None, b"GET"))["token"])


async def _ended(target: Target, *names: object) -> None:
    for name in names:
        await _said(target, f"/v1/sessions/{name}", None, b"DELETE")


@strike("400")
async def tokens_that_are_damaged(target: Target) -> str:
    name, token = await _token(target)
    await _ended(target, name)
    sealed = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    place = target.dice.randrange(8 * len(sealed))
    flipped = bytes(byte ^ (1 << place % 8 if at == place // 8 else 0) for at, byte in enumerate(sealed))
    older = b"\0" + bytes(sealed[1:])
    forged = Seal(b"k" * 32, "another", len(sealed) - 57).token(Kept(3, bytes(len(sealed) - 57)))
    wrong = target.dice.choice(
        [
            base64.urlsafe_b64encode(flipped).decode().rstrip("="),
            base64.urlsafe_b64encode(older).decode().rstrip("="),
            forged,
            token[:-1],
            token + "A",
            token + "=",
            token[: len(token) // 2],
            token * 2,
            token[::-1],
            token.swapcase(),
            " " + token,
            token + "\n",
            "é" * len(token),
            "\0" * len(token),
            "",
            "A" * 100_000,
        ]
    )
    return await ask(target, request("/v1/sessions", json.dumps({"token": wrong}).encode()))


@strike("the same bits")
async def a_token_that_is_taken_twice(target: Target) -> str:
    name, token = await _token(target)
    steps = {"steps": [[target.dice.random()] * target.width] * 2, "outputs": True}
    copies = [str((await _said(target, "/v1/sessions", {"token": token}))["session"]) for _ in range(2)]
    said = [await _said(target, f"/v1/sessions/{one}/steps", steps) for one in (name, *copies)]
    await _ended(target, name, *copies)
    alike = all((one["outputs"], one["count"]) == (said[0]["outputs"], 5) for one in said)
    return "the same bits" if alike and len({name, *copies}) == 3 else str(said)[:200]
