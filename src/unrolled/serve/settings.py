"""What a service is told: whom it listens to, what it answers with, and how much it takes on."""

from __future__ import annotations

import dataclasses
import ipaddress
import secrets
import tempfile
from pathlib import Path

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError, check_count, is_number
from unrolled.foreign import MissingFileError, read_foreign

LEAST_TOKEN = 16  # characters: a shorter one can be guessed
KEY, KEY_BYTES = "key", 32
SLOWEST = 64 << 10  # bytes a second at which a body or message has to come, beside `patience`


def check_seconds(name: str, value: object, least: float = 0.01, most: float = 1e7) -> None:
    """Raise an UnrolledError if `value` is no number of seconds in that range."""
    if not is_number(value) or not least <= float(value) <= most:  # type: ignore[arg-type]
        raise UnrolledError(f"{name} is {value!r}, expected {least:g} to {most:g} seconds")


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much a service takes on.

    Attributes:
        body: bytes of a request, or of a message of a stream.
        sequences: of one prediction, or files.
        steps: of all sequences of a prediction together, or of one message to a session.
        sessions: open at a time, in each worker, in memory and on disk.
        sockets: WebSocket connections at a time, in each worker.
        rate: requests and messages a second from one address, in each worker.
        waiting: predictions that wait for others to end.
        patience: seconds that a client may take for the head of a request, for the next part of a body, or
            to take what it is sent. A whole body may take so long, and a second for each 64 KB.

    Raises:
        UnrolledError: one is no whole number of at least 1, or no number of seconds.
    """

    body: int = 16 << 20
    sequences: int = 1_000
    steps: int = 100_000
    sessions: int = 20_000
    sockets: int = 2_000
    rate: int = 20_000
    waiting: int = 64
    patience: float = 20.0

    @property
    def connections(self) -> int:
        """How many may be open: beside those of streams, some for requests."""
        return self.sockets + 1_000

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "patience":
                check_seconds("patience", value)
            else:
                check_count(field.name, value)


@dataclasses.dataclass(frozen=True)
class ServeSettings:
    """What `make_app` makes a service of.

    Attributes:
        runs: run folders; the first is the one that a request means which names none.
        host, port: where it listens.
        token: what a client must know; None where everybody on this machine may ask.
        key: what sessions' tokens are signed with, so that other servers with the same key take them; None
            for the one that lies in `sessions`, or without that for a new one.
        workers: processes.
        worker: which of them this is, counted from 0.
        sockets: a folder of the processes' own, in which each listens to the others; None for one process.
        sessions: a folder for sessions that are idle, and for all when the service stops; None to keep them
            in memory alone.
        delay: seconds that a step waits for steps of other sessions, at most.
        idle_after: seconds after which a session goes to disk.
        limits: how much it takes on.

    Raises:
        UnrolledError: a value is out of range, or a host that others can reach came without a token.

    >>> ServeSettings((Path("runs/mine"),), host="0.0.0.0")
    Traceback (most recent call last):
    unrolled.errors.UnrolledError: host is 0.0.0.0, which other machines can reach, and there is no access \
token: set UNROLLED_TOKEN or name a --token-file
    """

    runs: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = dataclasses.field(default=None, repr=False)
    key: bytes | None = dataclasses.field(default=None, repr=False)
    workers: int = 1
    worker: int = 0
    sockets: Path | None = None
    sessions: Path | None = None
    delay: float = 0.001
    idle_after: float = 300.0
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if not self.runs:
            raise UnrolledError("no runs came, expected at least one to serve")
        check_count("port", self.port, least=0, most=65535)
        check_count("workers", self.workers, most=256)
        check_seconds("delay", self.delay, least=0.0, most=1.0)
        check_seconds("idle-after", self.idle_after)
        if self.token is not None and (
            len(self.token) < LEAST_TOKEN or not all("!" <= character <= "~" for character in self.token)
        ):
            raise UnrolledError(
                f"the access token has {len(self.token)} characters, expected at least {LEAST_TOKEN}, ASCII "
                'and without spaces: python -c "import secrets; print(secrets.token_urlsafe())" makes one'
            )
        if self.token is None and not is_loopback(self.host):
            raise UnrolledError(
                f"host is {self.host}, which other machines can reach, and there is no access token: set "
                "UNROLLED_TOKEN or name a --token-file"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host of that name.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_secret(path: Path) -> str:
    """The one line of a file that holds a secret.

    Raises:
        UnrolledError: it cannot be read, or is no text of one line.
    """
    try:
        text = read_foreign(path, 10_000).decode("ascii").strip()
    except UnicodeDecodeError:
        raise UnrolledError(f"{path} is no text in ASCII, expected a secret in one line") from None
    if not text or len(text.split()) != 1:
        raise UnrolledError(f"{path} holds {len(text.split())} words, expected a secret in one line")
    return text


def signing_key(settings: ServeSettings) -> bytes:
    """What sessions' tokens are signed with: what was given, what lies in the sessions' folder, or a new one.

    Raises:
        UnrolledError: the folder cannot be made or written to, or the file in it is no key.
    """
    if settings.sessions is None:
        return settings.key or secrets.token_bytes(KEY_BYTES)
    path = settings.sessions / KEY
    try:
        settings.sessions.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.sessions):
            pass  # sessions can be written, too
        if settings.key is not None:
            return settings.key
        try:
            return bytes.fromhex(read_secret(path))
        except MissingFileError:
            key = secrets.token_bytes(KEY_BYTES)
            with atomic_path(path) as part:
                part.chmod(0o600)
                part.write_text(f"{key.hex()}\n", encoding="ascii")
            return key
        except ValueError as error:
            raise UnrolledError(f"{path} holds no key: {error}") from None
    except OSError as error:
        raise UnrolledError(
            f"cannot keep sessions in {settings.sessions}: {error.strerror}: name another folder"
        ) from error
