"""The service as a process of its own, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

RATE = 10_000_000  # messages a second from one address: the client has but one


class Server:
    """`unrolled serve` in a process of its own, which logs to a file.

    Args:
        log: that file.
        arguments: what follows `unrolled serve`.
    """

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        before = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "unrolled", "serve", "--rate", str(RATE), *map(str, arguments)]
        with log.open("a") as file:
            self.process = subprocess.Popen(command, stderr=file)
        while not (ready := [one for one in self._said(before) if one.get("event") == "ready"]):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server did not start: {log.read_text()[before:]}")
            time.sleep(0.02)
        self.port: int = ready[0]["port"]

    def _said(self, begin: int) -> list[dict[str, Any]]:
        whole = self.log.read_text()[begin:].rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def metrics(self) -> dict[str, float]:
        """The numbers of its engine."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {
            line.partition("{")[0].removeprefix("unrolled_engine_"): float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("unrolled_engine_")
        }

    def memory(self) -> int:
        """Bytes that it has."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )

    def processor(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def width(self) -> int:
        """I, the numbers of a step."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/models") as answer:
            width: int = json.load(answer)["models"][0]["step"]
        return width

    def stop(self) -> None:
        """End it as Ctrl-C does, and wait."""
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(60)
