"""A session's state as bytes that only this service can have written, and as text to hand out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
from typing import NamedTuple

from unrolled.errors import UnrolledError
from unrolled.serve.errors import TokenError

VERSION = 1
LEAST_KEY = 16  # bytes

_HEAD = struct.Struct("<B16sQ")  # version, digest of the network, steps read
_SIGNATURE = hashlib.sha256().digest_size
_TEXT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Kept(NamedTuple):
    """What goes on elsewhere.

    Attributes:
        steps: how many the session has read.
        state: the bytes of its state, as `SessionStates` has them.
    """

    steps: int
    state: bytes


class Seal:
    """Sign states, and read those that were signed with the same key for the same network.

        sealed = version | SHA-256(identity)[:16] | steps | state | HMAC-SHA256(key, place | all before)

    The place says what the bytes are for: "" for tokens, of a file the id of its session. So a file that was
    copied to another session's name is not taken for that one's.

    Args:
        key: the secret; who has it can write states.
        identity: tells one network from the other, weights included.
        size: how many bytes a state of the network has.

    >>> seal = Seal(b"sixteen secret b", identity="mine", size=4)
    >>> seal.read_token(seal.token(Kept(3, b"abcd")))
    Kept(steps=3, state=b'abcd')
    """

    def __init__(self, key: bytes, identity: str, size: int) -> None:
        if len(key) < LEAST_KEY:
            raise UnrolledError(f"the key has {len(key)} bytes, expected at least {LEAST_KEY}")
        self._key = key
        self._identity = hashlib.sha256(identity.encode()).digest()[:16]
        self._length = _HEAD.size + size + _SIGNATURE
        self._letters = -(-self._length * 4 // 3)

    def token(self, kept: Kept) -> str:
        """What was kept as text of letters, digits, - and _."""
        return base64.urlsafe_b64encode(self.sealed(kept)).decode().rstrip("=")

    def read_token(self, token: str) -> Kept:
        """The inverse of `token`.

        Raises:
            TokenError: it is damaged, or another version's, network's or service's.
        """
        if not isinstance(token, str) or not _TEXT.fullmatch(token[: 2 * self._letters]):
            raise TokenError(
                "the token is damaged: expected letters, digits, - and _ as this service gives them"
            )
        if len(token) != self._letters:
            raise TokenError(
                f"the token has {len(token)} characters, expected {self._letters}: it is damaged, or of "
                "another network"
            )
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise TokenError("the token is damaged: it is no base64") from None
        if base64.urlsafe_b64encode(sealed).decode().rstrip("=") != token:
            raise TokenError("the token is damaged: its last character has bits that none was given")
        return self.read(sealed, "")

    def sealed(self, kept: Kept, place: str = "") -> bytes:
        """What was kept, with what `read` needs to know it again."""
        body = _HEAD.pack(VERSION, self._identity, kept.steps) + kept.state
        return body + self._signature(body, place)

    def read(self, sealed: bytes, place: str = "") -> Kept:
        """The inverse of `sealed`; raises a TokenError as `read_token` does."""
        if sealed[:1] and sealed[0] != VERSION:
            raise TokenError(f"the token is of version {sealed[0]}, expected {VERSION}: open a new session")
        if len(sealed) != self._length:
            raise TokenError(f"the token has {len(sealed)} bytes, expected {self._length}: it is damaged")
        body, signature = sealed[:-_SIGNATURE], sealed[-_SIGNATURE:]
        if not hmac.compare_digest(signature, self._signature(body, place)):
            raise TokenError("the token is damaged, or was signed with another key than this service's")
        _, identity, steps = _HEAD.unpack_from(body)
        if identity != self._identity:
            raise TokenError(
                "the token is of another network than the one that is served: open a new session"
            )
        return Kept(steps, body[_HEAD.size :])

    def _signature(self, body: bytes, place: str) -> bytes:
        named = place.encode()
        return hmac.digest(self._key, bytes([len(named)]) + named + body, "sha256")
