"""What a service says while it runs: one JSON object a line, on the error stream."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("unrolled.serve")


class JsonLines(logging.Formatter):
    """A record as one line: its time, level and event, and what `extra={"fields": ...}` says besides.

    An error's traceback is a field of it, so that a line stays a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def log_lines(worker: int) -> None:
    """Have this process log so, with the worker's number in each line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())

    def number(record: logging.LogRecord) -> bool:
        record.fields = {"worker": worker, **getattr(record, "fields", {})}
        return True

    handler.addFilter(number)
    for name, level in (("unrolled.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def say(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event."""
    LOGGER.log(level, event, extra={"fields": fields})


def say_troubles(event: str, troubles: Sequence[Exception]) -> None:
    """Log an event that many sessions have in common, if there is one, in one line."""
    if troubles:
        say(event, logging.WARNING, sessions=len(troubles), reason=str(troubles[0]))
