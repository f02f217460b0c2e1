"""`unrolled serve`: trained networks as a service, with sessions."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli import completion
from unrolled.errors import UnrolledError

TOKEN = "UNROLLED_TOKEN"
MODULES = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "websockets",
    "prometheus_client",
    "multipart",
    "httpx",
)


@dataclasses.dataclass(frozen=True)
class ServeOptions:
    """What `unrolled serve` is told."""

    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders; by default the newest in runs/. The first is what a request means that names "
            "none.",
            autocompletion=completion.one_of(completion.runs),
            show_default=False,
        ),
    ] = None
    host: Annotated[str, typer.Option(help="Where to listen: 0.0.0.0 for all other machines, too.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(help="The port; 0 for a free one, which the log names.")] = 8000
    token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"A file that holds the access token, in place of {TOKEN} in the environment.",
            show_default=False,
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file of 32 bytes in hexadecimal, with which sessions' tokens are signed: servers with "
            "the same take each other's. By default the one in --sessions, or a new one.",
            show_default=False,
        ),
    ] = None
    sessions: Annotated[
        Path | None,
        typer.Option(
            help="A folder for idle sessions, and for all of them when the service stops.",
            show_default=False,
        ),
    ] = None
    workers: Annotated[int, typer.Option(help="Processes that share the port.")] = 1
    delay: Annotated[
        float, typer.Option(help="Milliseconds that a step may wait for those of other sessions.")
    ] = 1.0
    idle: Annotated[float, typer.Option(help="Seconds after which an idle session goes to the folder.")] = (
        300.0
    )
    most_body: Annotated[int, typer.Option(help="Bytes of a request or message, at most.")] = 16 << 20
    most_sequences: Annotated[int, typer.Option(help="Sequences, or files, of one prediction.")] = 1_000
    most_steps: Annotated[int, typer.Option(help="Steps of a prediction, or of one message.")] = 100_000
    most_sessions: Annotated[int, typer.Option(help="Sessions of each model, in each process.")] = 20_000
    most_sockets: Annotated[int, typer.Option(help="WebSocket connections of each process.")] = 2_000
    rate: Annotated[
        int, typer.Option(help="Requests and messages a second from one address, to each process.")
    ] = 20_000
    patience: Annotated[float, typer.Option(help="Seconds that a slow client is waited for.")] = 20.0
    threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads of a prediction, by default torch's choice; a session's steps have one."
        ),
    ] = None


def serve(options: ServeOptions) -> None:
    """Serve trained networks over HTTP and WebSockets, with sessions that outlive the server.

    At / is the page in which they read. POST /v1/predict takes whole sequences and files; a session under
    /v1/sessions takes steps as they come. Its token is its state: with it a client goes on where it was, on
    this server or another. /openapi.json says what can be asked, /metrics what was.

    Only this machine can ask, until --host says otherwise, which needs an access token. Ctrl-C or SIGTERM
    ends what runs, and writes sessions to their folder. The log is one JSON object a line. The extra "serve"
    is needed.

    [bold]examples:[/bold]

        unrolled serve
        unrolled serve runs/mine --port 8080 --sessions sessions
        unrolled serve runs/mine --host 0.0.0.0 --token-file token --workers 2
        unrolled serve runs/lstm runs/gru --delay 2
    """
    from unrolled.cli.machine import set_threads
    from unrolled.serve.client import check_installed
    from unrolled.serve.settings import Limits, ServeSettings, read_secret
    from unrolled.training.run import newest

    check_installed(*MODULES)
    from unrolled.serve.server import serve as listen

    token = read_secret(options.token_file) if options.token_file else os.environ.get(TOKEN) or None
    key = None
    if options.key_file is not None:
        key = key_of(read_secret(options.key_file), options.key_file)
    if not 0 <= options.delay <= 1000:
        raise UnrolledError(f"--delay is {options.delay:g}, expected 0 to 1000 milliseconds")
    limits = Limits(
        body=options.most_body,
        sequences=options.most_sequences,
        steps=options.most_steps,
        sessions=options.most_sessions,
        sockets=options.most_sockets,
        rate=options.rate,
        patience=options.patience,
    )
    told = ServeSettings(
        runs=tuple(options.runs or [newest(Path("runs"))]),
        host=options.host,
        port=options.port,
        token=token,
        key=key,
        workers=options.workers,
        sessions=options.sessions,
        delay=options.delay / 1000,
        idle_after=options.idle,
        limits=limits,
    )
    set_threads(options.threads)
    listen(told)


def key_of(text: str, path: Path) -> bytes:
    """The signing key in a file.

    Raises:
        UnrolledError: it is none.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < 32:
        raise UnrolledError(
            f'{path} holds no key of at least 32 bytes in hexadecimal: python -c "import secrets; '
            'print(secrets.token_hex())" makes one'
        )
    return key
