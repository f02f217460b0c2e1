"""What the service says about itself in /openapi.json: each request in words, with an example."""

from __future__ import annotations

from typing import Any

DESCRIPTION = """\
Trained recurrent networks, and sessions that keep their state.

**Whole sequences** go to `POST /v1/predict`: lists of steps, of any lengths, or files of the run's kind.

**A stream** is a session: open one, send its steps as they come, and each answer is what the network
says of all steps so far. Its *token* is its whole state as text: whoever has it goes on, on this server
after it has fallen, or on another one with the same runs and the same signing key, with the same bits.

**WebSockets.** `/v1/sessions/{session}/stream` is of one session, `/v1/stream` of many. A message is a
JSON object: `{"steps": [[...]]}` takes steps; with `"do": "open"`, `"token"`, `"reset"` or `"close"` it
does what the request of that name does, with the same keys. On `/v1/stream` each names its `"session"`.
An `"id"`, a number or text, comes back with the answer. Answers about one session come in the order of
its messages; others may come between. A refusal is `{"error": "...", "status": 4xx}`, and the stream
goes on.

**The compact form**, of a request with `Content-Type: application/octet-stream` and of binary messages,
lowest byte first: steps are float32 numbers, T times I; the answer is how many steps the session has
read, uint64, and float32 outputs of the network after each of these steps, T times O. On `/v1/stream`
both begin with the length of the session's name, uint16, and the name.

**Access.** With an access token, send `Authorization: Bearer TOKEN`; a browser asks for it as a
password.

**Errors** are `{"error": "one sentence"}` with 400 for what cannot be read, 401 without the access
token, 403 for pages of other sites, 404 for a session that is not there, 408 for a body that does not
come, 413 for one that is too large, 429 for too many requests, 503 where there is no room.
"""

TAGS = [
    {"name": "sequences", "description": "Whole sequences, and files of them."},
    {"name": "sessions", "description": "Sequences that come step by step, and their states."},
    {"name": "operation", "description": "For those who run the service."},
]

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What came, and what was expected."}},
}
SESSION = "0-3f2a91bc-Zt0n5kq1x8"
STEPS_BODY = {
    "type": "object",
    "required": ["steps"],
    "properties": {
        "steps": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}},
            "description": "The next steps, one at least, each as many numbers as the model's steps have.",
        },
        "every": {"type": "boolean", "description": "Say what the network says after each of them, too."},
        "outputs": {"type": "boolean", "description": "Give the network's own outputs after each."},
        "keep": {"type": "boolean", "description": "Give the session's token with the answer."},
    },
}
SAID = {
    "session": SESSION,
    "count": 28,
    "predicted": "7",
    "confidence": 0.981,
    "runner_up": "9",
    "runner_up_confidence": 0.012,
    "status": "answered",
}


def _responses(example: Any, *refusals: int, status: int = 200) -> dict[int | str, Any]:
    said = {400: "It cannot be read.", 404: "There is no such session or model.", 503: "There is no room."}
    found: dict[int | str, Any] = {
        status: {"description": "The answer.", "content": {"application/json": {"example": example}}}
    }
    for refusal in refusals:
        found[refusal] = {
            "description": said[refusal],
            "content": {"application/json": {"schema": ERROR}},
        }
    return found


def _body(
    schema: dict[str, Any], example: Any, others: dict[str, Any] | None = None, required: bool = True
) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}, **(others or {})}
    return {"requestBody": {"required": required, "content": content}}


PAGE: dict[str, Any] = {
    "tags": ["sequences"],
    "summary": "The page in which the networks read",
    "description": "One HTML file: draw, or choose an example, and step through it.",
}
HEALTH: dict[str, Any] = {
    "tags": ["operation"],
    "summary": "Whether the process lives",
    "description": "Needs no access token. A process that does not answer is to be started anew.",
}
READY: dict[str, Any] = {
    "tags": ["operation"],
    "summary": "Whether it takes requests",
    "description": "Needs no access token. 503 while it stops: a balancer sends nothing more.",
}
METRICS: dict[str, Any] = {
    "tags": ["operation"],
    "summary": "Counts for Prometheus",
    "description": "Of all processes of the service, each with its number in the label `worker`.",
}
MODELS: dict[str, Any] = {
    "tags": ["sequences"],
    "summary": "What is served",
    "description": "Each model's name, task, classes, how many numbers a step has and what they are called, "
    "and whether it can keep sessions: a network that reads from the end, too, cannot.",
    "responses": _responses(
        {
            "models": [
                {"name": "mine", "task": "classify", "step": 28, "classes": ["0", "1"], "sessions": True}
            ]
        }
    ),
}
PREDICT: dict[str, Any] = {
    "tags": ["sequences"],
    "summary": "What a network says of whole sequences",
    "description": "Sequences of any lengths in one request, as JSON; or files, as a form: pictures of "
    "digits for a run on digits, and for a run on files more of the same kind. The answers are those of "
    "`unrolled predict --json`: of a class there are the confidence, calibrated, the runner-up and a status, "
    '"answered", "not sure" or "unlike the training data". Numbers are as in the files of the training, of '
    "pictures from 0 (paper) to 1 (ink); null is a missing one, where the run has a rule for these.",
    "responses": _responses(
        {
            "model": "mine",
            "answers": [
                {
                    "sequence": "0",
                    "predicted": "7",
                    "confidence": 0.981,
                    "runner_up": "9",
                    "runner_up_confidence": 0.012,
                    "status": "answered",
                    "refused": False,
                    "probabilities": {"7": 0.981, "9": 0.012},
                }
            ],
        },
        400,
        404,
        503,
    ),
    "openapi_extra": _body(
        {
            "type": "object",
            "required": ["sequences"],
            "properties": {
                "sequences": {
                    "type": "array",
                    "description": "Each a list of steps, each step a list of numbers.",
                    "items": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                },
                "model": {"type": "string", "description": "By default the first one that is served."},
            },
        },
        {"sequences": [[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6]]]},
        {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "model": {"type": "string"},
                    },
                }
            }
        },
    ),
}
OPEN: dict[str, Any] = {
    "tags": ["sessions"],
    "summary": "Open a session",
    "description": "From the initial state, or from a token, to go on where that was taken. The session's "
    "name is a secret: whoever knows it can take its steps.",
    "responses": _responses({"session": SESSION, "model": "mine", "step": 28}, 400, 404, 503, status=201),
    "openapi_extra": _body(
        {
            "type": "object",
            "properties": {"model": {"type": "string"}, "token": {"type": "string"}},
        },
        {"model": "mine"},
        required=False,
    ),
}
STEPS: dict[str, Any] = {
    "tags": ["sessions"],
    "summary": "Take the next steps",
    "description": "The answer is what the network says after the last of them. Steps of one session are "
    "taken in the order in which they come. If no answer comes, nobody knows whether they were taken: open "
    "the session anew from its last token and send what came after that again.",
    "responses": _responses(SAID, 400, 404),
    "openapi_extra": _body(
        STEPS_BODY,
        {"steps": [[0.1, 0.2]], "keep": True},
        {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    ),
}
TOKEN: dict[str, Any] = {
    "tags": ["sessions"],
    "summary": "Take the state out",
    "description": "As a text that is signed: nobody can make or change one. It is of all steps that have "
    "been answered, and stays good whatever becomes of the session.",
    "responses": _responses({"session": SESSION, "token": "..."}, 404),
}
RESET: dict[str, Any] = {
    "tags": ["sessions"],
    "summary": "Go back to the initial state",
    "description": "To begin another sequence in the same session.",
    "responses": _responses({"session": SESSION, "count": 0}, 404),
}
CLOSE: dict[str, Any] = {
    "tags": ["sessions"],
    "summary": "Close a session",
    "description": "Its state is forgotten, on disk, too; tokens of it stay good.",
    "responses": _responses({"session": SESSION, "closed": True}, 404),
}
