"""What clients ask of sessions, in whichever way it came: by HTTP, or by a message of a stream."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import struct
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

from unrolled.errors import UnrolledError
from unrolled.serve.bodies import (
    Numbers,
    RefusedError,
    flag_of,
    kind,
    steps_in,
    steps_of,
    text_of,
)
from unrolled.serve.engine import Engine
from unrolled.serve.errors import DrainingError, TokenError, TooManySessionsError, UnknownSessionError
from unrolled.serve.gathering import Steps
from unrolled.serve.models import Model
from unrolled.serve.settings import ServeSettings

DEEDS = ("steps", "open", "token", "reset", "close")
MOST_TOLD = 1_000  # steps of a message after each of which there is something to say: in JSON that is long
KEYS = ("do", "session", "model", "token", "steps", "every", "outputs", "keep", "id")


class Neighbours(Protocol):
    """The other processes of the service."""

    def ask(self, worker: int, message: Mapping[str, Any]) -> Coroutine[Any, Any, dict[str, Any]]:
        """What the one with that number answers to a message."""

    def send(self, worker: int, session: str, content: bytes) -> Coroutine[Any, Any, bytes]:
        """What it answers to steps in the compact form."""


class Coming(NamedTuple):
    """An answer that is on its way.

    Attributes:
        result: what it is made of.
        worded: makes it, an object of JSON or the bytes of the compact form.
    """

    result: asyncio.Future[Any]
    worded: Callable[[Any], Any]


class Desk:
    """The sessions of all models of this process, and the way to those of the others.

    A session's name is W-MODEL-ID: the process that has it, its model and its name there.

    Args:
        models: by name; the first is the one that is meant where none is named.
        settings: of the service.
        key: what tokens are signed with.
        neighbours: the other processes; None if there are none.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        settings: ServeSettings,
        key: bytes,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.models, self.settings, self.neighbours = models, settings, neighbours
        self.engines: dict[str, Engine] = {}
        self._asked: dict[str, asyncio.Future[Any]] = {}  # of neighbours, the last about each session
        self.reasons: dict[str, str] = {}  # why a model has no sessions
        for name, model in models.items():
            folder = settings.sessions
            if folder is not None:
                folder = folder / model.identity[:16] / f"worker-{settings.worker}"
            try:
                self.engines[name] = Engine(
                    model.network,
                    key=key,
                    identity=model.identity,
                    folder=folder,
                    delay=settings.delay,
                    most_sessions=settings.limits.sessions,
                    idle_after=settings.idle_after,
                )
            except UnrolledError as error:
                self.reasons[name] = str(error)

    async def answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What there is to answer to a message with some of `KEYS`.

        Raises:
            UnrolledError: it cannot be done; `status_of` has its status.
        """
        coming = self.begin(message)
        answer: dict[str, Any] = coming.worded(await coming.result)
        return answer

    def begin(self, message: Mapping[str, Any]) -> Coming:
        """The same, as soon as it has come: what a session is to do is in line from now on.

        Raises:
            UnrolledError: as `answer`, which may also come from the result.
        """
        deed = message.get("do", "steps")
        if deed not in DEEDS:
            came = repr(deed[:50]) if isinstance(deed, str) else kind(deed)
            raise UnrolledError(f"do is {came}, expected one of {', '.join(DEEDS)}")
        if deed == "open":
            return _later(self._open(text_of(message, "model"), text_of(message, "token")))
        session = text_of(message, "session")
        if session is None:
            raise UnrolledError("the message names no session, expected the name that opening one gave")
        worker, model, name = self._find(session)
        if worker != self.settings.worker and self.neighbours is not None:
            return self._elsewhere(session, functools.partial(self.neighbours.ask, worker, message))
        engine = self._engine(model)
        match deed:
            case "steps":
                return self._steps(message, session, model, engine, name)
            case "token":
                return Coming(engine.token(name), lambda token: {"session": session, "token": token})
            case "reset":
                return Coming(engine.reset(name), lambda _: {"session": session, "count": 0})
            case _:
                return Coming(engine.close(name), lambda _: {"session": session, "closed": True})

    async def compact(self, session: str, content: bytes) -> bytes:
        """The answer to steps in the compact form.

            T I numbers  ->  how many steps there have been, uint64; the T O outputs after each of these

        All have their lowest byte first; numbers are float32, outputs the network's own: logits, or numbers
        as they were learned.
        """
        coming = self.begin_compact(session, content)
        answer: bytes = coming.worded(await coming.result)
        return answer

    def begin_compact(self, session: str, content: bytes) -> Coming:
        """The same, as soon as it has come."""
        worker, model, name = self._find(session)
        if worker != self.settings.worker and self.neighbours is not None:
            return self._elsewhere(session, functools.partial(self.neighbours.send, worker, session, content))
        steps = steps_in(content, model.width, self.settings.limits.steps)
        return Coming(self._engine(model).step(name, model.prepared(steps)), _packed)

    def states(self) -> dict[str, dict[str, float]]:
        """The numbers of each model's sessions, by the names that `EngineState` has."""
        return {
            name: {
                key: value
                for key, value in dataclasses.asdict(engine.state()).items()
                if isinstance(value, (int, float))
            }
            for name, engine in self.engines.items()
        }

    async def drain(self) -> None:
        """End what runs, and write all sessions to disk."""
        for engine in self.engines.values():
            await engine.drain()

    def model(self, name: str | None) -> Model:
        """The one of that name, or the first.

        Raises:
            RefusedError: there is none.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise RefusedError(
                404, f"there is no model {name[:100]!r}, expected one of {', '.join(self.models)}"
            )
        return self.models[name]

    async def _open(self, model: str | None, token: str | None) -> dict[str, Any]:
        if model is not None or token is None:
            return await self._open_of(self.model(model), token)
        refusal: UnrolledError = RefusedError(409, next(iter(self.reasons.values()), ""))
        for name in self.engines:
            try:
                return await self._open_of(self.models[name], token)
            except TokenError as error:  # another model's, perhaps
                refusal = error
        raise refusal

    async def _open_of(self, model: Model, token: str | None) -> dict[str, Any]:
        name = await self._engine(model).open(token)
        session = f"{self.settings.worker}-{model.identity[:8]}-{name}"
        return {"session": session, "model": model.name, "step": model.width}

    def _elsewhere(self, session: str, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Coming:
        """What a neighbour answers, who is asked when the answer to the message before has come."""
        before = self._asked.get(session)

        async def in_turn() -> Any:
            if before is not None:
                await asyncio.wait([before])
            return await ask()

        def done(task: asyncio.Future[Any]) -> None:
            if self._asked.get(session) is task:
                del self._asked[session]

        coming = _later(in_turn())
        self._asked[session] = coming.result
        coming.result.add_done_callback(done)
        return coming

    def _steps(
        self, message: Mapping[str, Any], session: str, model: Model, engine: Engine, name: str
    ) -> Coming:
        every, outputs, keep = (flag_of(message, key) for key in ("every", "outputs", "keep"))
        steps: Numbers = steps_of(message.get("steps"), model.width, self.settings.limits.steps)
        if (every or outputs) and len(steps) > MOST_TOLD:
            raise UnrolledError(
                f"steps has {len(steps):,} steps, expected at most {MOST_TOLD:,} with every or outputs: send "
                "them in several messages, or in the compact form"
            )

        def worded(said: Steps) -> dict[str, Any]:
            answer: dict[str, Any] = {"session": session, "count": said.count}
            if every:
                answer["every"] = model.worded(said.outputs)
                answer.update(answer["every"][-1])
            else:
                answer.update(model.worded(said.outputs[-1:])[0])
            if outputs:
                answer["outputs"] = said.outputs.tolist()
            return answer

        said = engine.step(name, model.prepared(steps))
        if not keep:
            return Coming(said, worded)
        both = asyncio.gather(said, engine.token(name))
        return Coming(both, lambda came: {**worded(came[0]), "token": came[1]})

    def _find(self, session: str) -> tuple[int, Model, str]:
        """The process, model and name there of a session."""
        worker, _, rest = session.partition("-")
        digest, _, name = rest.partition("-")
        model = next((one for one in self.models.values() if one.identity[:8] == digest), None)
        known = (
            worker.isascii() and worker.isdigit() and len(worker) <= 3 and int(worker) < self.settings.workers
        )
        if model is None or not known or not name:
            raise UnknownSessionError(
                "no session has that name: it was closed, or is another service's; open one by its token"
            )
        return int(worker), model, name

    def _engine(self, model: Model) -> Engine:
        if model.name not in self.engines:
            twin = next((one for one in self.engines if self.models[one].identity == model.identity), None)
            if twin is None:
                raise RefusedError(409, self.reasons[model.name])
            return self.engines[twin]
        return self.engines[model.name]


def _later(answer: Coroutine[Any, Any, Any]) -> Coming:
    return Coming(asyncio.ensure_future(answer), lambda came: came)


def _packed(said: Steps) -> bytes:
    return struct.pack("<Q", said.count) + said.outputs.astype("<f4", copy=False).tobytes()


def status_of(error: UnrolledError) -> int:
    """The status of HTTP by which a request is refused."""
    match error:
        case RefusedError():
            return error.status
        case UnknownSessionError():
            return 404
        case TooManySessionsError() | DrainingError():
            return 503
        case _:
            return 400
