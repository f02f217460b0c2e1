"""The service: what is asked over HTTP and WebSockets, and what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from unrolled import __version__
from unrolled.errors import UnrolledError
from unrolled.names import printable
from unrolled.page.writer import render
from unrolled.serve import openapi
from unrolled.serve.aside import Aside
from unrolled.serve.bodies import RefusedError, text_of
from unrolled.serve.desk import KEYS, Desk, status_of
from unrolled.serve.limits import Door, Rates, is_neighbour
from unrolled.serve.logs import LOGGER, say
from unrolled.serve.metrics import Metrics, Observed
from unrolled.serve.models import Model
from unrolled.serve.neighbours import HttpNeighbours
from unrolled.serve.predictions import Predictions
from unrolled.serve.settings import ServeSettings, signing_key
from unrolled.serve.streams import Stream

COMPACT = "application/octet-stream"
JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def make_app(settings: ServeSettings) -> FastAPI:
    """The service of some runs, an application of ASGI.

    Raises:
        UnrolledError: a run is none, has no weights, or no session could be kept where it was said.
    """
    models = open_models(settings.runs)
    page = page_of(models)
    key = signing_key(settings)
    limits = settings.limits
    predictions, metrics, rates = Predictions(limits), Metrics(settings.worker), Rates(limits.rate)
    aside = Aside(limits)
    neighbours = None
    if settings.sockets is not None:
        neighbours = HttpNeighbours(settings.sockets, settings.workers, settings.worker)
    ready = False
    desk: Any = None

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        nonlocal ready, desk
        desk = Desk(models, settings, key, neighbours)
        metrics.watch(desk.states)
        for name, reason in desk.reasons.items():
            say("no sessions", model=name, reason=reason)
        ready = True
        say("ready", models=list(models), host=settings.host, port=settings.port)
        yield
        ready = False
        predictions.close()
        await desk.drain()
        aside.close()
        if neighbours is not None:
            await neighbours.close()
        say("stopped")

    app = FastAPI(
        title="unrolled",
        version=__version__,
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        docs_url=None,  # their pages ask other sites for scripts
        redoc_url=None,
        lifespan=lifespan,
    )

    @app.exception_handler(UnrolledError)
    async def refused(request: Request, error: UnrolledError) -> Response:
        status = status_of(error)
        headers = {"retry-after": "1"} if status in (429, 503) else {}
        if status in (408, 413):  # the rest of the body is not read
            headers["connection"] = "close"
        return JSONResponse({"error": str(error)}, status, headers)

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> Response:
        words = {
            404: f"there is nothing at {request.url.path[:100]}: /openapi.json says what is where",
            405: f"{request.method} is not for {request.url.path[:100]}: /openapi.json says what is",
        }
        sentence = words.get(error.status_code, str(error.detail))
        return JSONResponse({"error": printable(sentence)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": f"the request is invalid: {error.errors()[0]['msg']}"}, 400)

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return JSONResponse({"error": "the client left before its body had come"}, 400)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": "the service failed to answer: its log says why"}, 500)

    async def message_of(request: Request, *known: str) -> dict[str, Any]:
        body = await request.body()
        return await aside.parse(body, known) if body else {}

    @app.get("/", response_class=HTMLResponse, **openapi.PAGE)
    async def show_page() -> Response:
        return HTMLResponse(page)

    @app.get("/healthz", **openapi.HEALTH)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", **openapi.READY)
    async def readiness() -> Response:
        return JSONResponse({"status": "ready" if ready else "stopping"}, 200 if ready else 503)

    @app.get("/metrics", response_class=PlainTextResponse, **openapi.METRICS)
    async def show_metrics(request: Request) -> Response:
        others = [] if neighbours is None or is_neighbour(request.scope) else await neighbours.metrics()
        return Response(metrics.text(others), media_type=TEXT)

    @app.get("/v1/models", **openapi.MODELS)
    async def list_models() -> dict[str, Any]:
        return {
            "models": [
                {**model.described(), "sessions": name not in desk.reasons} for name, model in models.items()
            ]
        }

    @app.post("/v1/predict", **openapi.PREDICT)
    async def predict(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "multipart/form-data":
            values = await message_of(request, "sequences", "model")
            model = desk.model(text_of(values, "model"))
            work = predictions.of_sequences(model, values.get("sequences"))
            return Response(await unless_gone(request, work), media_type=JSON)
        async with request.form(max_files=limits.sequences, max_fields=10, max_part_size=10_000) as form:
            named = form.get("model")
            model = desk.model(named if isinstance(named, str) else None)
            files = [
                (printable((part.filename or "file")[-200:]), await part.read())
                for _, part in form.multi_items()
                if isinstance(part, UploadFile)
            ]
        if not files:
            raise UnrolledError("the form has no file, expected one at least of the run's kind")
        return Response(await unless_gone(request, predictions.of_files(model, files)), media_type=JSON)

    @app.post("/v1/sessions", status_code=201, **openapi.OPEN)
    async def open_session(request: Request) -> dict[str, Any]:
        answer: dict[str, Any] = await desk.answer(
            {**await message_of(request, "model", "token"), "do": "open"}
        )
        return answer

    @app.post("/v1/sessions/{session}/steps", **openapi.STEPS)
    async def take_steps(session: str, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() == COMPACT:
            return Response(await desk.compact(session, await request.body()), media_type=COMPACT)
        values = await message_of(request, "steps", "every", "outputs", "keep")
        return JSONResponse(await desk.answer({**values, "session": session}))

    @app.get("/v1/sessions/{session}/token", **openapi.TOKEN)
    async def take_token(session: str) -> dict[str, Any]:
        answer: dict[str, Any] = await desk.answer({"do": "token", "session": session})
        return answer

    @app.post("/v1/sessions/{session}/reset", **openapi.RESET)
    async def reset(session: str) -> dict[str, Any]:
        answer: dict[str, Any] = await desk.answer({"do": "reset", "session": session})
        return answer

    @app.delete("/v1/sessions/{session}", **openapi.CLOSE)
    async def close(session: str) -> dict[str, Any]:
        answer: dict[str, Any] = await desk.answer({"do": "close", "session": session})
        return answer

    @app.websocket("/v1/sessions/{session}/stream")
    async def stream_of_one(websocket: WebSocket, session: str) -> None:
        await Stream(websocket, desk, rates, metrics, aside, session).run()

    @app.websocket("/v1/stream")
    async def stream_of_many(websocket: WebSocket) -> None:
        await Stream(websocket, desk, rates, metrics, aside).run()

    @app.websocket("/{path:path}")
    async def no_stream(websocket: WebSocket, path: str) -> None:
        sentence = f"there is no stream at /{path[:100]}: /openapi.json says where there is one"
        await websocket.send_denial_response(JSONResponse({"error": printable(sentence)}, 404))

    def check_neighbour(request: Request) -> None:
        if not is_neighbour(request.scope):
            raise RefusedError(404, "there is nothing here: /openapi.json says what is where")

    @app.post("/v1/ask", include_in_schema=False)
    async def ask(request: Request) -> Response:
        check_neighbour(request)
        return JSONResponse(await desk.answer(await message_of(request, *KEYS)))

    @app.post("/v1/ask-compact", include_in_schema=False)
    async def ask_compact(request: Request, session: str) -> Response:
        check_neighbour(request)
        return Response(await desk.compact(session, await request.body()), media_type=COMPACT)

    # The last one that is added is the first one to be passed.
    app.add_middleware(Door, settings=settings, rates=rates)
    app.add_middleware(Observed, metrics=metrics)
    return app


async def unless_gone(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Do a work, or leave it if its client is gone before its turn.

    Raises:
        ClientDisconnect: the client is gone.
    """

    async def until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    doing, waiting = asyncio.create_task(work), asyncio.create_task(until_gone())
    try:
        await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        doing.cancel()
        waiting.cancel()


def open_models(folders: tuple[Path, ...]) -> dict[str, Model]:
    """The runs that are served, by the names of their folders.

    Raises:
        UnrolledError: one is no run, or two have the same name.
    """
    models: dict[str, Model] = {}
    for folder in folders:
        name = printable(folder.resolve().name)
        if name in models:
            raise UnrolledError(
                f"{folder} and {models[name].run.folder} are both called {name}: no request could say which"
            )
        models[name] = Model.open(name, folder)
    return models


def page_of(models: dict[str, Model]) -> str:
    """The page in which the networks read; where they cannot be shown, one that says why."""
    runs = {name: model.run for name, model in models.items()}
    try:
        return render(runs, served=True)
    except UnrolledError as error:
        LOGGER.log(logging.INFO, "no page", extra={"fields": {"reason": str(error)}})
        return (
            '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>unrolled</title>\n'
            f"<p>There is no page to look at: {escape(str(error))}.</p>\n"
            '<p>What can be asked is in <a href="/openapi.json">openapi.json</a>.</p></html>\n'
        )
