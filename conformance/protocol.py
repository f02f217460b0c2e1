"""What a runner says: JSON lines on its standard output, one for each line on its standard input.

    {"say": "start"}                     {"say": "started", "name", "versions", "lacks": {feature: sentence}}
    {"say": "run", "case", "problem"}    {"say": "answer", "case", "numbers": {name: array}, "path"?}
                                         {"say": "not offered", "case", "why"}
                                         {"say": "refused", "case", "message"}
    {"say": "stop"}                      the process ends

The start, run and stop of https://github.com/bowtie-json-schema/bowtie. A runner is a file of its own in any
language; those here share this loop, which needs numpy alone.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from conformance.problem import Problem, encode, from_json

Numbers = dict[str, Any]


class NotOfferedError(Exception):
    """The peer has no such thing."""


def serve(
    name: str, versions: dict[str, str], lacks: dict[str, str], run: Callable[[Problem], Numbers]
) -> None:
    """Answer until told to stop. What a peer prints goes to the standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        message = json.loads(line)
        if message["say"] == "stop":
            return
        if message["say"] == "start":
            versions = {"python": sys.version.split()[0]} | versions
            reply = {"say": "started", "name": name, "versions": versions, "lacks": lacks}
        else:
            reply = answer(message, run)
        out.write(json.dumps(reply) + "\n")
        out.flush()


def answer(message: dict[str, Any], run: Callable[[Problem], Numbers]) -> dict[str, Any]:
    """What the peer says to one case: its numbers, or why there are none."""
    case = message["case"]
    try:
        numbers = dict(run(from_json(message["problem"])))
    except NotOfferedError as missing:
        return {"say": "not offered", "case": case, "why": str(missing)}
    except Exception as error:
        if os.environ.get("CONFORMANCE_TRACEBACK"):
            traceback.print_exc()
        text = " ".join(str(error).split())[:400]
        return {"say": "refused", "case": case, "message": f"{type(error).__name__}: {text}"}
    path = numbers.pop("path", None)
    encoded = {key: encode(value) for key, value in numbers.items()}
    return {"say": "answer", "case": case, "numbers": encoded} | ({"path": path} if path else {})
