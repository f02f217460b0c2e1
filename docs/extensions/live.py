"""The page that reads a digit, live in the documentation: a network is trained for it when HTML is built.

The landing page holds it under the tag "live", which is set only where there is the verb that makes it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = "reading.html"


def command(*arguments: object) -> list[str]:
    """A command of unrolled, run by this Python."""
    return [sys.executable, "-m", "unrolled", *map(str, arguments)]


def make(folder: Path) -> Path | None:
    """Train the default network in a folder, unless it is there, and make its page.

    Returns:
        The page; None if there is no verb that makes it.
    """
    if subprocess.run(command("page", "--help"), capture_output=True).returncode:
        return None
    run, page = folder / "run", folder / PAGE
    if not (run / "weights.safetensors").exists():
        shutil.rmtree(run, ignore_errors=True)
        subprocess.run(command("train", "--run", run), check=True, capture_output=True)
    subprocess.run(command("page", run, "-o", page), check=True, capture_output=True)
    return page


def begin(app: Any) -> None:
    """Make the page, and say that it is there."""
    if app.builder.format == "html" and (page := make(Path(app.doctreedir, "live"))):
        app.config.html_extra_path.append(str(page))
        app.tags.add("live")


def setup(app: Any) -> dict[str, Any]:
    """Make the page when a build begins."""
    app.connect("builder-inited", begin)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
