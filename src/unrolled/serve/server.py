"""The process that listens, or several that share a port."""

from __future__ import annotations

import dataclasses
import gc
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from unrolled.errors import UnrolledError
from unrolled.serve.logs import log_lines, say
from unrolled.serve.neighbours import socket_of
from unrolled.serve.parent import end_with_parent
from unrolled.serve.settings import ServeSettings, signing_key
from unrolled.training import Run

GRACE = 30  # seconds that requests may take to end when the service stops
PAUSE = 1.0  # before a process that fell is started anew
BACKLOG = 2048
LOOK_AFTER = 50_000  # objects that came and have not gone


def serve(settings: ServeSettings) -> None:
    """Listen until SIGTERM or Ctrl-C, then end what runs and write sessions to disk.

    Raises:
        UnrolledError: a run cannot be served, or the port is taken.
    """
    for run in settings.runs:
        Run.open(run)  # whatever the port, one that is none is named
    with listen(settings) as door:
        if settings.workers == 1:
            run_one(settings, [door])
            return
        from unrolled.serve.app import open_models

        open_models(settings.runs)  # what is wrong with them is said once, and here
        with tempfile.TemporaryDirectory(prefix="unrolled-") as folder:
            _run_several(dataclasses.replace(settings, key=signing_key(settings), sockets=Path(folder)), door)


def listen(settings: ServeSettings) -> socket.socket:
    """A socket at the settings' host and port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
    except OSError as error:
        door.close()
        raise UnrolledError(
            f"cannot listen at {settings.host} port {settings.port}: {error.strerror}: choose another --port"
        ) from error
    door.listen(BACKLOG)
    door.setblocking(False)
    return door


def run_one(settings: ServeSettings, doors: list[socket.socket]) -> None:
    """Serve in this process."""
    import torch
    import uvicorn

    from unrolled.serve.app import make_app
    from unrolled.serve.protocols import patient

    log_lines(settings.worker)
    allow_files()
    port = doors[0].getsockname()[1]
    app = make_app(dataclasses.replace(settings, port=port))
    limits = settings.limits
    http, websocket = patient(limits)
    config: Any = uvicorn.Config(
        app,
        http=http,
        ws=websocket,
        ws_max_size=limits.body,
        ws_per_message_deflate=False,
        ws_ping_interval=limits.patience,
        ws_ping_timeout=limits.patience,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    spare_the_collector()
    torch.set_num_threads(1)  # of this thread, whose calls are short; predictions have a thread of their own
    if settings.sockets is not None:
        path = socket_of(settings.sockets, settings.worker)
        path.unlink(missing_ok=True)
        neighbours = socket.socket(socket.AF_UNIX)
        neighbours.bind(str(path))
        neighbours.listen(BACKLOG)
        neighbours.setblocking(False)
        doors = [*doors, neighbours]
    uvicorn.Server(config).run(sockets=doors)


def allow_files() -> None:
    """Let this process have as many files open as it may: each connection is one."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_the_collector() -> None:
    """Have Python look for rings of dead objects seldom, and never among those that are there now.

    A look goes through all that lives, sessions and PyTorch included, and comes with every few hundred new
    objects: at thousands of messages a second it would be a third of the work, and some milliseconds for
    whoever waits. What messages leave is no ring; what a stream leaves is one, of 10 KB, and has to go.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(LOOK_AFTER, 2, 2)


def _run_several(settings: ServeSettings, door: socket.socket) -> None:
    """Start the processes, start anew those that fall, and stop all when this one is told to."""
    log_lines(-1)
    context = multiprocessing.get_context("spawn")
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def start(worker: int) -> BaseProcess:
        own = dataclasses.replace(settings, worker=worker)
        process = context.Process(target=_run_worker, args=(own, door, os.getpid()), name=f"worker-{worker}")
        process.start()
        return process

    processes = [start(worker) for worker in range(settings.workers)]
    while not stopping:
        time.sleep(0.1)
        for worker, process in enumerate(processes):
            if not process.is_alive() and not stopping:
                say("worker fell", worker=worker, code=process.exitcode)
                time.sleep(PAUSE)
                processes[worker] = start(worker)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(GRACE + 5)
        if process.is_alive():
            process.kill()


def _run_worker(settings: ServeSettings, door: socket.socket, parent: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent has it, too, and says what to do
    end_with_parent(signal.SIGTERM)  # one that is killed takes its workers along: they hold the port
    if os.getppid() != parent:
        return
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.workers))
    run_one(settings, [door])
