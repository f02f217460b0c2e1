"""The page about deploying is true: its commands and its Python run, in their order."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from tests.command_line import Result
from unrolled.cli.main import app

pytest.importorskip("fastapi", reason='the extra "serve" is not installed')
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


class Story:
    """The blocks of the page in a folder; a service that one of them starts runs until another one is."""

    def __init__(self, typed: Callable[[str], Result], served: type) -> None:
        self.typed, self.served, self.server = typed, served, None
        self.names: dict[str, object] = {}
        self.printed = io.StringIO()  # by the blocks of Python

    def tell(self, language: str, block: str) -> None:
        """Run a block."""
        if language == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                self.command(line)
        elif language == "python":
            with contextlib.redirect_stdout(self.printed):
                exec(compile(self.here(block), "deploying.md", "exec"), self.names)

    def command(self, line: str) -> None:
        """Run a command; it says something, and nothing is wrong."""
        if line.startswith("unrolled serve "):
            self.stop()
            arguments = shlex.split(line)[2:]
            self.server = self.served(*arguments, "--port", 0)
            return
        if line.startswith("unrolled "):
            result = self.typed(line)
            assert result.code == 0, (line, result.err)
            assert result.out, line
            return
        called = re.sub("^python ", f"{sys.executable} ", self.here(line))
        done = subprocess.run(["bash", "-c", called], capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, (line, done.stderr)
        assert '"error"' not in done.stdout, (line, done.stdout)
        if line.startswith("curl"):
            assert done.stdout, line

    def here(self, text: str) -> str:
        """What is said of port 8000, of the service that runs."""
        return (
            text if self.server is None else text.replace("127.0.0.1:8000", f"127.0.0.1:{self.server.port}")
        )

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
            assert "Traceback" not in "".join(self.server.lines)


@pytest.mark.skipif(
    subprocess.run(["which", "curl"], capture_output=True).returncode != 0, reason="needs curl"
)
def test_the_page_about_deploying_is_true(tmp_path, monkeypatch, typed):
    from tests.serve.conftest import Served

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    story = Story(typed, Served)
    try:
        for language, block in BLOCKS:
            story.tell(language, block)
    finally:
        story.stop()
    assert {"digits.onnx", "step.onnx", "token", "key", "sessions"} <= set(os.listdir())
    assert len(story.printed.getvalue().splitlines()) == 2


def test_every_block_of_the_page_is_one_that_is_checked():
    assert {language for language, _ in BLOCKS} == {"sh", "python", "console"}
    assert TEXT.count("```") == 2 * len(BLOCKS)


def test_every_metric_of_the_page_is_counted_and_every_count_is_on_the_page():
    from unrolled.serve.engine_state import EngineState
    from unrolled.serve.metrics import Metrics

    counted = {
        re.sub("_(bucket|created|count|sum)$", "", sample.name)
        for family in Metrics(0).registry.collect()
        for sample in [*family.samples, family]
    }
    counted = {
        f"{name}_total" if name in ("unrolled_requests", "unrolled_messages") else name for name in counted
    }
    counted |= {f"unrolled_engine_{name}" for name in EngineState.__dataclass_fields__}
    assert set(re.findall(r"`(unrolled_\w+)`", TEXT)) == counted


def test_every_option_of_the_page_is_one_of_serve():
    known = {name for parameter in get_command(app).commands["serve"].params for name in parameter.opts}
    named = set(re.findall(r"`(--[\w-]+)`", TEXT))
    assert named
    assert named <= known
    (line,) = [block for language, block in BLOCKS if language == "console"]
    of_image = shlex.split(line.partition(" unrolled ")[2])
    assert {word for word in of_image if word.startswith("--")} <= known
