"""What stands beside every result: the machine, the clock, the commit and the day."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from unrolled.bench import machine


def circumstances(clock: str) -> dict[str, Any]:
    """Of a measurement by the clock of that name that begins now."""
    return {**machine(), "clock": clock, "commit": commit(), "date": time.strftime("%Y-%m-%d")}


def commit() -> str:
    """The commit that is measured, with a + if the package differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + "+" * bool(
        git("status", "--porcelain", "src")
    )
