"""A runner as a process: asked with time limits, and begun anew after a crash, a hang or rubbish."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from typing import Any, TextIO

START_SECONDS, CASE_SECONDS, STOP_SECONDS = 300.0, 120.0, 10.0
MOST_STARTS = 12


class BrokenError(Exception):
    """The runner crashed, hung or said what nobody understands."""


class Peer:
    """A runner that can be asked.

    `ask` always returns a reply: where the process fails, {"say": "broken"} with the reason, and the next
    question goes to a new process, to `most_starts` of them at most.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str] | None = None,
        start_seconds: float = START_SECONDS,
        case_seconds: float = CASE_SECONDS,
        most_starts: int = MOST_STARTS,
    ) -> None:
        self.command = list(command)
        self.env = os.environ | (env or {})
        self.start_seconds, self.case_seconds, self.most_starts = start_seconds, case_seconds, most_starts
        self.starts = 0
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def start(self) -> dict[str, Any]:
        """What the runner says of itself: name, versions, lacks.

        Raises:
            BrokenError: it does not start.
        """
        self.starts += 1
        if self.starts > self.most_starts:
            raise BrokenError(f"gave up after {self.most_starts} starts")
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self.env,
        )
        self._lines = queue.Queue()
        assert self._process.stdout is not None
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        said = self._exchange({"say": "start"}, self.start_seconds)
        if said.get("say") != "started" or not {"name", "versions", "lacks"} <= set(said):
            raise self._broken(f"answered to start with {json.dumps(said)[:100]}")
        return said

    def ask(self, case: str, problem: dict[str, Any]) -> dict[str, Any]:
        """The reply to a case."""
        try:
            if self._process is None:
                self.start()
            said = self._exchange({"say": "run", "case": case, "problem": problem}, self.case_seconds)
            needed = {"answer": "numbers", "not offered": "why", "refused": "message"}.get(
                str(said.get("say"))
            )
            if said.get("case") != case or needed is None or needed not in said:
                raise self._broken(f"answered with {json.dumps(said)[:100]}")
            return said
        except BrokenError as error:
            return {"say": "broken", "case": case, "message": str(error)}

    def stop(self) -> None:
        """End the process, by word if it listens."""
        if self._process is None:
            return
        try:
            assert self._process.stdin is not None
            self._process.stdin.write('{"say": "stop"}\n')
            self._process.stdin.close()
            self._process.wait(STOP_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self._end()

    def _exchange(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._broken(self._how_it_ended()) from None
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise self._broken(f"no answer within {seconds:g} s") from None
        if line is None:
            raise self._broken(self._how_it_ended())
        try:
            said = json.loads(line)
        except ValueError:
            raise self._broken(f"said {line[:100]!r}, which is no JSON") from None
        if not isinstance(said, dict):
            raise self._broken(f"said {line[:100]!r}, which is no JSON object")
        return said

    def _how_it_ended(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its output"
        return f"killed by signal {-code}" if code < 0 else f"exited with status {code}"

    def _broken(self, message: str) -> BrokenError:
        self._end()
        return BrokenError(message)

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):  # what was written last, and nobody read
            self._process.__exit__(None, None, None)
        self._process = None


def _read(stream: TextIO, lines: queue.Queue[str | None]) -> None:
    with contextlib.suppress(ValueError):  # closed while it was read
        for line in stream:
            lines.put(line)
    lines.put(None)
