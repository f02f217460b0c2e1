"""A client of the service that loses no session, whether the server falls or the network."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unrolled.errors import UnrolledError

KEEP_EVERY = 16  # messages between two tokens that are taken: so many may have to be sent again
PAUSE = 0.2  # seconds before another try


class Client:
    """A service as a program asks it.

    Args:
        url: where it is, such as "http://127.0.0.1:8000".
        token: the access token, if it has one.
        patience: seconds for which one tries to reach it again.

    Raises:
        UnrolledError: httpx or websockets is not installed.
    """

    def __init__(self, url: str, token: str | None = None, *, patience: float = 30.0) -> None:
        check_installed("httpx", "websockets")
        import httpx

        self.url, self.patience = url.rstrip("/"), patience
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self.url, headers=self._headers, timeout=60, trust_env=False)

    def models(self) -> list[dict[str, Any]]:
        """What is served."""
        found: list[dict[str, Any]] = self._asked("GET", "/v1/models")["models"]
        return found

    def predict(self, sequences: Sequence[ArrayLike], model: str | None = None) -> list[dict[str, Any]]:
        """What the network says of sequences [T_i, I], as `unrolled predict --json`.

        Raises:
            UnrolledError: the service refuses them, in its words, or is not there.
        """
        body: dict[str, Any] = {"sequences": [np.asarray(one).tolist() for one in sequences]}
        return self._answers(json=body | ({} if model is None else {"model": model}))

    def predict_files(self, *paths: str | Path, model: str | None = None) -> list[dict[str, Any]]:
        """What it says of the sequences in files; errors as `predict`."""
        with contextlib.ExitStack() as files:
            parts = [
                ("file", (Path(path).name, files.enter_context(Path(path).open("rb")))) for path in paths
            ]
            return self._answers(files=parts, data={} if model is None else {"model": model})

    @contextlib.contextmanager
    def session(self, model: str | None = None, token: str | None = None) -> Iterator[Session]:
        """A session, open within the block; from a token it goes on where that was taken."""
        session = Session(self.url, self._headers, model, token, self.patience)
        try:
            yield session
        except BaseException:
            session.leave()
            raise
        session.close()

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _answers(self, **content: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._asked("POST", "/v1/predict", **content)["answers"]
        return found

    def _asked(self, method: str, path: str, **content: Any) -> Any:
        import httpx

        try:
            answer = self._http.request(method, path, **content)
            values = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnrolledError(f"{self.url} gave no answer: {error}") from error
        if answer.status_code >= 400:
            raise UnrolledError(f"{self.url} refused: {values['error']}")
        return values


class Session:
    """Steps one after another, over a WebSocket, and what the network says after each.

    It takes the session's token now and then, and remembers the steps that it has sent since. When the
    connection breaks, it opens another session from the token, on whichever server answers, and sends those
    steps again: the bits are the same as without the break.

    Attributes:
        count: how many steps there have been.
    """

    def __init__(
        self, url: str, headers: dict[str, str], model: str | None, token: str | None, patience: float
    ) -> None:
        self.url, self.headers, self.model, self.patience = url, headers, model, patience
        self.count = 0
        self._token = token
        self._since: list[list[list[float]]] = []  # messages since the token
        self._socket: Any = None
        self._open = contextlib.ExitStack()  # what is to be hung up
        self._name = ""
        self._patiently(lambda: None)

    def step(self, x: ArrayLike, *, outputs: bool = False) -> dict[str, Any]:
        """Take steps.

        Args:
            x: one, [I], or several, [T, I].
            outputs: whether the answer holds the network's own outputs [T, O], under "outputs".

        Returns:
            What the network says after the last of them.

        Raises:
            UnrolledError: the service refuses them, in its words, or was not reached in time.
        """
        steps = np.atleast_2d(np.asarray(x, dtype=np.float32)).tolist()
        keep = len(self._since) + 1 >= KEEP_EVERY
        answer: dict[str, Any] = self._patiently(lambda: self._ask(steps=steps, outputs=outputs, keep=keep))
        self.count = answer["count"]
        self._since.append(steps)
        if keep:
            self._token, self._since = answer.pop("token"), []
        return answer

    def token(self) -> str:
        """The whole state as text, from which any such server goes on."""
        token: str = self._patiently(lambda: self._ask(do="token"))["token"]
        self._token, self._since = token, []
        return token

    def reset(self) -> None:
        """Go back to the initial state."""
        self._patiently(lambda: self._ask(do="reset"))
        self._token, self._since, self.count = None, [], 0

    def close(self) -> None:
        """Close it, so that the service forgets it."""
        with contextlib.suppress(UnrolledError, OSError, _closed()):
            self._ask(do="close")
        self.leave()

    def leave(self) -> None:
        """Hang up; the session stays open."""
        if self._socket is not None:
            self._open.close()
            self._socket = None

    def _patiently(self, deed: Any) -> Any:
        """Do it, over a new connection where the old one is broken, for as long as `patience`."""
        until = time.monotonic() + self.patience
        while True:
            try:
                if self._socket is None:
                    self._connect()
                return deed()
            except (OSError, _closed(), _Gone) as error:
                self.leave()
                if time.monotonic() > until:
                    raise UnrolledError(
                        f"{self.url} was not reached within {self.patience:g} seconds: {error}"
                    ) from error
                time.sleep(PAUSE)

    def _connect(self) -> None:
        from websockets.exceptions import InvalidStatus
        from websockets.sync.client import connect

        where = f"ws{self.url.removeprefix('http')}/v1/stream"
        try:
            opened = connect(
                where, additional_headers=self.headers, proxy=None, open_timeout=10, max_size=None
            )
            self._socket = self._open.enter_context(opened)
        except InvalidStatus as error:
            if error.response.status_code >= 500:  # it is starting or stopping, or full
                raise _Gone(str(error)) from error
            words = json.loads(error.response.body or b"{}").get("error", str(error))
            raise UnrolledError(f"{self.url} refused: {words}") from error
        named = {"model": self.model, "token": self._token}
        answer = self._ask(do="open", **{key: value for key, value in named.items() if value is not None})
        self._name = answer["session"]
        for steps in self._since:
            self._ask(steps=steps)

    def _ask(self, **message: Any) -> dict[str, Any]:
        if message.get("do") != "open":
            message["session"] = self._name
        self._socket.send(json.dumps(message))
        answer: dict[str, Any] = json.loads(self._socket.recv(timeout=60))
        if "error" in answer:
            if answer["status"] in (404, 503) and "do" not in message:
                raise _Gone(answer["error"])  # another server of the same name, or one that stops
            raise UnrolledError(f"{self.url} refused: {answer['error']}")
        return answer


class _Gone(Exception):  # noqa: N818  it is no error yet
    """The session is not there any more, but its token is."""


def _closed() -> type[Exception]:
    from websockets.exceptions import ConnectionClosed

    return ConnectionClosed


def check_installed(*modules: str) -> None:
    """Raise an UnrolledError if one of the modules of the extra "serve" is not there."""
    import importlib.util

    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise UnrolledError(
            f"{' and '.join(missing)} came with no installation: pip install 'unrolled[serve]' brings what "
            "the service needs"
        )
