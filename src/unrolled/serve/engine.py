"""The sessions of one network: their steps, gathered, and where each state is."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.errors import UnrolledError
from unrolled.networks import SequenceClassifier
from unrolled.serve.engine_state import EngineState
from unrolled.serve.errors import DrainingError, TooManySessionsError, UnknownSessionError
from unrolled.serve.gathering import MOST_STEPS, Reader, Steps, alike
from unrolled.serve.logs import say_troubles
from unrolled.serve.session import Deed, Message, Session, SessionStates
from unrolled.serve.session_files import SessionFiles
from unrolled.serve.tokens import Kept, Seal

MOST_ROWS = 1024  # of one call
SHORT = 0.001  # seconds of a call: it does not pay to wake a thread for less, nor to wait for others
ON_DISK = 10  # times as many sessions as in memory; those that rest longest go first
_WRITERS = 4  # threads: a file's way to the disk is waiting
_SWEEPS = 4  # in the time after which a session is idle
_NAME = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)


class Engine:
    """Read many sequences as they come, step by step, each as if it were alone.

    Steps that come while a call of the network runs wait for its end and then go into the next one together.
    Messages of one session are read in the order in which they came, those of different sessions in any; a
    long one in pieces. What a session is told does not depend, to the last bit, on who else is there, on how
    its steps were cut into messages, or on the disk, a token or another server in between: it is what
    `unrolled.Stream` says of the same steps.

    A session that nobody asks for goes to disk and comes back when somebody does. What is in memory alone is
    lost if the process is killed; its caller goes on from a token.

    Args:
        network: as `unrolled.Stream` takes it: it reads forwards, and is read last. It is evaluated.
        key: the secret that signs tokens and files, at least 16 bytes; the same on all servers that are to
            take each other's.
        identity: a digest of the network's weights and configuration.
        folder: where idle sessions go; None: they stay in memory, and give way when others need the place.
        delay: for how many seconds at most a call waits until as many sessions have come as were in the last,
            if that was a long one.
        most_sessions: how many are in memory at most.
        idle_after: seconds after which a session that nobody asked for is idle.

    Raises:
        UnrolledError: the network cannot be read step by step, or the key is short.
    """

    def __init__(
        self,
        network: SequenceClassifier,
        *,
        key: bytes,
        identity: str,
        folder: Path | None = None,
        delay: float = 0.001,
        most_sessions: int = 20_000,
        idle_after: float = 300.0,
    ) -> None:
        self._reader = Reader(network)
        self._states = SessionStates(self._reader.initial, most_sessions)
        self._short = int(SHORT / self._reader.measure(self._states))  # steps
        self._seal = Seal(key, identity, self._states.size)
        self._files = None if folder is None else SessionFiles(folder, self._seal)
        self._delay, self._most, self._idle_after = delay, most_sessions, idle_after
        # In the order of their use: the first is idle longest.
        self._sessions: collections.OrderedDict[str, Session] = collections.OrderedDict()
        self._line: collections.deque[Session] = collections.deque()  # those whose next is a message
        self._came, self._enough = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._caller = ThreadPoolExecutor(1, "unrolled-call", torch.set_num_threads, (1,))
        self._writers = ThreadPoolExecutor(_WRITERS, "unrolled-files")
        self._draining = self._was_long = False
        self._on_disk = 0 if self._files is None else self._files.count()
        self._calls = self._rows = self._steps = self._last = 0
        self._seconds = 0.0

    async def open(self, token: str | None = None) -> str:
        """Begin a session, or go on with the one whose state is in a token; its id.

        Raises:
            TokenError: the token is not one of this service for this network.
            TooManySessionsError: there is no place.
            DrainingError: the service stops.
        """
        self._check_open()
        kept = None if token is None else self._seal.read_token(token)
        session = Session(time.monotonic(), self._place(), 0 if kept is None else kept.steps)
        if kept is not None:
            self._states.write(session.row, kept.state)
        name = secrets.token_urlsafe(24)
        self._sessions[name] = session
        return name

    def step(self, session: str, x: np.ndarray) -> asyncio.Future[Steps]:
        """Let a session read x [T, I] float32, T >= 1; what the network says after each step.

        A message is in line from the moment of the call, as tokens, resets and closes are. It is read whole
        or not at all: not at all if what is returned is cancelled before its turn.

        Raises:
            UnknownSessionError, TooManySessionsError, DrainingError: as for `open`.
            UnrolledError: x has another shape or type.
        """
        self._check_open()
        width = self._reader.input_size
        if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 2:
            came = f"{x.dtype} {list(x.shape)}" if isinstance(x, np.ndarray) else type(x).__name__
            raise UnrolledError(f"the steps are {came}, expected an array of float32 [T, {width}]")
        if not len(x) or x.shape[1] != width:
            raise UnrolledError(f"the steps are {list(x.shape)}, expected [T, {width}] with T of at least 1")
        answer: asyncio.Future[Steps] = asyncio.get_running_loop().create_future()
        self._put_in_line(self._asked(session), Message(x, answer))
        return answer

    def token(self, session: str) -> asyncio.Future[str]:
        """The state of a session after all messages that came before, to go on from here or elsewhere."""
        return self._when_read(session, lambda name, found: self._seal.token(self._kept(found)))

    def reset(self, session: str) -> asyncio.Future[None]:
        """Begin another sequence in a session: the initial state, and no steps read."""

        def anew(name: str, found: Session) -> None:
            self._states.reset(found.row)
            found.steps = 0

        return self._when_read(session, anew)

    def close(self, session: str) -> asyncio.Future[None]:
        """End a session, after all messages that came before."""

        def end(name: str, found: Session) -> None:
            self._forget(name, found)
            self._fail(found, UnknownSessionError(f"session {name} has been closed"))

        return self._when_read(session, end)

    def state(self) -> EngineState:
        """What there is now, in numbers."""
        return EngineState(
            in_memory=len(self._sessions),
            on_disk=self._on_disk,
            waiting=sum(found.unanswered for found in self._sessions.values()),
            calls=self._calls,
            rows=self._rows,
            steps=self._steps,
            rows_a_call=self._rows / max(1, self._calls),
            seconds=self._seconds,
        )

    async def drain(self) -> None:
        """Refuse what comes from now on, end what has come, and write every session to disk."""
        self._draining = True
        while any(found.busy for found in self._sessions.values()):
            await asyncio.sleep(0.001)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._files is not None:
            lost = await self._rest_all(list(self._sessions))
            say_troubles("sessions are lost, but for their tokens: they could not be written", lost)
        await asyncio.to_thread(self._caller.shutdown)
        await asyncio.to_thread(self._writers.shutdown)

    # -- one session --------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._draining:
            raise DrainingError("the service stops and takes nothing more: go on at another server")
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._sweep())]

    def _asked(self, name: str) -> Session:
        """The session, which may be on its way from the disk yet."""
        found = self._sessions.get(name)
        if found is None:
            if self._files is None or not isinstance(name, str) or not _NAME.fullmatch(name):
                raise UnknownSessionError("there is no such session: open one, or give its token to go on")
            found = self._sessions[name] = Session(time.monotonic())
            found.busy = True
            self._keep(asyncio.create_task(self._fetch(name, found)))
        found.used = time.monotonic()
        self._sessions.move_to_end(name)
        return found

    def _when_read(self, name: str, do: Callable[[str, Session], Any]) -> asyncio.Future[Any]:
        self._check_open()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put_in_line(self._asked(name), Deed(lambda session: do(name, session), answer))
        return answer

    def _put_in_line(self, found: Session, task: Message | Deed) -> None:
        found.waiting.append(task)
        if not found.busy:
            self._enter(found)

    def _enter(self, found: Session) -> None:
        """Do what is to be done with a session up to its next message, and put it in line for that."""
        found.busy = False
        while found.waiting:
            first = found.waiting[0]
            if isinstance(first, Message):
                if first.answer.done() and not first.begun:  # its caller is gone
                    found.waiting.popleft()
                    continue
                found.busy = True
                self._line.append(found)
                self._came.set()
                if len(self._line) >= self._last:
                    self._enough.set()
                return
            found.waiting.popleft()
            if first.answer.done():
                continue
            try:
                first.answer.set_result(first.do(found))
            except UnrolledError as error:
                first.answer.set_exception(error)

    def _fail(self, found: Session, error: UnrolledError) -> None:
        while found.waiting:
            _refuse(found.waiting.popleft().answer, error)

    def _kept(self, found: Session) -> Kept:
        return Kept(found.steps, self._states.read(found.row))

    # -- places -------------------------------------------------------------------------------------------

    def _place(self) -> int:
        """A row of the states."""
        if self._states.full and self._files is None:
            name, found = next(iter(self._sessions.items()))
            if not found.busy and found.used < time.monotonic() - self._idle_after:
                self._forget(name, found)
        if self._states.full:
            raise TooManySessionsError(
                f"there are {self._most} sessions, as many as may be: close one, or try again later"
            )
        return self._states.take()

    def _forget(self, name: str, found: Session) -> None:
        del self._sessions[name]
        if found.row >= 0:
            self._states.give_back(found.row)
            found.row = -1

    async def _fetch(self, name: str, found: Session) -> None:
        """Bring a session back from disk, for what waits."""
        assert self._files is not None
        error: UnrolledError
        try:
            found.row = self._place()
            loop = asyncio.get_running_loop()
            kept = await loop.run_in_executor(self._writers, self._files.take, name)
        except UnrolledError as refusal:
            error = refusal
        except Exception as failure:  # of the disk: nobody may wait for ever
            error = UnknownSessionError(f"session {name} cannot be read back from disk: {failure}")
        else:
            self._on_disk = max(0, self._on_disk - 1)
            found.steps = kept.steps
            self._states.write(found.row, kept.state)
            self._enter(found)
            return
        self._forget(name, found)
        self._fail(found, error)

    async def _rest(self, name: str) -> OSError | None:
        """Write a session to disk and forget it here, unless somebody asks for it, or an error comes."""
        assert self._files is not None
        if (found := self._sessions.get(name)) is None or found.busy:
            return None
        found.busy, loop = True, asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writers, self._files.write, name, self._kept(found))
            if found.waiting:
                await loop.run_in_executor(self._writers, self._files.remove, name)
        except OSError as error:
            self._enter(found)
            return error
        if found.waiting:
            self._enter(found)
        else:
            self._on_disk += 1
            self._forget(name, found)
        return None

    async def _rest_all(self, names: list[str]) -> list[OSError]:
        """Write sessions to disk, while that can be written: what was wrong with it."""
        troubles: list[OSError] = []
        for start in range(0, len(names), _WRITERS):
            some = (self._rest(name) for name in names[start : start + _WRITERS])
            troubles += filter(None, await asyncio.gather(*some))
            if troubles and not self._draining:
                break
        return troubles

    async def _sweep(self) -> None:
        """Put idle sessions to rest, again and again."""
        files = self._files
        while files is not None:
            await asyncio.sleep(self._idle_after / _SWEEPS)
            before = time.monotonic() - self._idle_after
            idle = [name for name, found in self._sessions.items() if found.used <= before]
            troubles = await self._rest_all(idle)
            try:
                self._on_disk = await asyncio.to_thread(files.keep, ON_DISK * self._most)
            except OSError as error:
                troubles.append(error)
            say_troubles("idle sessions stay in memory", troubles)

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task, which the loop alone would not."""
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    # -- calls --------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Take whoever is in line into a call, again and again."""
        loop = asyncio.get_running_loop()
        while True:
            await self._came.wait()
            if 1 < len(self._line) < self._last and self._was_long:
                await self._wait_for_more()
            taken = [self._line.popleft() for _ in range(min(len(self._line), MOST_ROWS))]
            if not self._line:
                self._came.clear()
            messages: list[Any] = [found.waiting[0] for found in taken]
            pieces = [message.piece(MOST_STEPS) for message in messages]
            self._last, self._was_long = len(taken), False
            for group in alike([len(piece) for piece in pieces]):
                rows, said = [taken[i].row for i in group], [pieces[i] for i in group]
                if sum(map(len, said)) <= self._short:
                    found = self._call(rows, said)
                else:
                    self._was_long = True
                    found = await loop.run_in_executor(self._caller, self._call, rows, said)
                for i, outputs in zip(group, found, strict=True):
                    self._answer(taken[i], messages[i], outputs)
            await asyncio.sleep(0)

    async def _wait_for_more(self) -> None:
        self._enough.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._enough.wait(), self._delay)

    def _call(self, rows: list[int], pieces: list[np.ndarray]) -> list[Any]:
        """The outputs of each piece, or the error that it alone raises; states move on in place."""
        begun = time.perf_counter()
        try:
            outputs: list[Any] = self._reader.read(pieces, rows, self._states)
        except Exception as error:
            if len(rows) == 1:
                return [error]
            return [self._call([row], [piece])[0] for row, piece in zip(rows, pieces, strict=True)]
        self._calls += 1
        self._rows += len(rows)
        self._steps += sum(map(len, pieces))
        self._seconds += time.perf_counter() - begun
        return outputs

    def _answer(self, found: Session, message: Message, outputs: Any) -> None:
        """Tell a caller what came of its message, if that has been read whole; then the next has its turn."""
        found.used = time.monotonic()
        if isinstance(outputs, Exception):
            found.waiting.popleft()
            _refuse(message.answer, outputs)
        else:
            message.outputs.append(outputs)
            message.begun += len(outputs)
            found.steps += len(outputs)
            if message.begun == len(message.x):
                found.waiting.popleft()
                if not message.answer.done():
                    whole = (
                        message.outputs[0] if len(message.outputs) == 1 else np.concatenate(message.outputs)
                    )
                    message.answer.set_result(Steps(whole, found.steps))
        self._enter(found)


def _refuse(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
