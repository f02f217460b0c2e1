"""What the service's clients send, as files for the fuzzer: bodies, messages, frames, tokens and sessions."""

from __future__ import annotations

import base64
import hmac
import json
import struct
from pathlib import Path

from attacks import mutate
from attacks.mutate import Dice
from unrolled.serve.aside import read
from unrolled.serve.bodies import flag_of, steps_in, steps_of, text_of
from unrolled.serve.desk import KEYS
from unrolled.serve.frames import frame_in
from unrolled.serve.settings import Limits
from unrolled.serve.streams import _addressed, _echo
from unrolled.serve.tokens import Kept, Seal

WIDTH, SIZE, SECRET = 3, 16, b"a secret of the fuzzer, 32 bytes"
SEAL = Seal(SECRET, "the fuzzer's network", SIZE)
LIMITS = Limits(sequences=20, steps=50)
NAME = b"0-3f2a91bc-Zt0n5kq1x8"


def bodies(folder: Path) -> list[dict[str, bytes]]:
    """Of predictions, and of messages."""
    steps = [[1, 2.5, -3e-2], [0, 1e9, 4]]
    made: list[dict[str, object]] = [
        {"sequences": [steps, [[1, 2, 3]], [[1, None, 3]] * 4], "model": "mine"},
        {"steps": steps, "every": True, "outputs": False, "keep": True, "session": NAME.decode(), "id": 7},
        {"do": "open", "token": "A" * 40, "id": "é"},
    ]
    return [{"body": json.dumps(one).encode()} for one in made]


def read_body(folder: Path) -> object:
    """As it is read beside the process that serves, and then there."""
    values = read((folder / "body").read_bytes(), (*KEYS, "sequences"), LIMITS)
    for key in ("model", "token", "session", "do"):
        text_of(values, key)
    for key in ("every", "outputs", "keep"):
        flag_of(values, key)
    _echo(values)
    for one in values.get("sequences", ()):
        steps_of(one, WIDTH, LIMITS.steps, gaps=True)
    return steps_of(values["steps"], WIDTH, LIMITS.steps) if "steps" in values else None


def messages(folder: Path) -> list[dict[str, bytes]]:
    """In the compact form, of a stream of many sessions."""
    numbers = struct.pack("<6f", 1, 2, 3, -4, 5e30, 6e-40)
    return [{"message": struct.pack("<H", len(NAME)) + NAME + numbers}]


def read_message(folder: Path) -> object:
    """Its session, and its steps."""
    _, _, content = _addressed((folder / "message").read_bytes())
    return steps_in(content, WIDTH, LIMITS.steps)


def frames(folder: Path) -> list[dict[str, bytes]]:
    """Frames of a stream, one after another, of every way to say a length."""
    made = [
        bytes((0x81, 0x80 | 5)) + b"maskHello",
        bytes((0x82, 0xFE)) + struct.pack(">H", 300) + b"mask" + bytes(300),
        bytes((0x82, 0xFF)) + struct.pack(">Q", 70_000) + b"mask" + bytes(70_000),
        bytes((0x89, 0x80)) + b"mask",
    ]
    return [{"frames": b"".join(made)}, {"frames": b"".join(made[:2]) * 3}]


def read_frames(folder: Path) -> object:
    """Where each ends, which is behind where it begins."""
    data, begin, count = (folder / "frames").read_bytes(), 0, 0
    while begin < len(data):
        mask, stop = frame_in(data, begin, 1 << 20)
        if stop > len(data) or not mask:
            break
        assert begin + 6 <= mask + 4 <= stop, (begin, mask, stop)
        begin, count = stop, count + 1
    return count


def tokens(folder: Path) -> list[dict[str, bytes]]:
    """Tokens, and a session's file."""
    kept = Kept(5, bytes(range(SIZE)))
    return [
        {"token": SEAL.token(kept).encode()},
        {"0.session": SEAL.sealed(kept, NAME.decode())},
    ]


def read_token(folder: Path) -> object:
    """Whichever of them is there; only what was signed may be read."""
    file = folder / "0.session"
    if file.exists():
        return SEAL.read(file.read_bytes(), NAME.decode())
    return SEAL.read_token((folder / "token").read_bytes().decode("utf-8", "surrogateescape"))


def resigned(content: bytes, dice: Dice) -> bytes:
    """In a token, whose signature then is right: who has the key may be of another version."""
    try:
        sealed = base64.urlsafe_b64decode(content + b"=" * (-len(content) % 4))
    except ValueError:
        return mutate.anyhow(content, dice)
    body = mutate.anyhow(sealed[:-32], dice)
    signed = body + hmac.digest(SECRET, b"\0" + body, "sha256")
    return base64.urlsafe_b64encode(signed).rstrip(b"=")
