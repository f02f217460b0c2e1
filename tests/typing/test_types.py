"""What a strict type checker knows of results, and which mistakes it finds."""

import re
import typing
from pathlib import Path

import pytest

from unrolled.networks import NetworkConfig
from unrolled.networks.config import NetworkFields

ROOT = Path(__file__).parents[2]
USER = Path(__file__).with_name("user.py")


def test_mypy_knows_the_results_of_a_users_code_and_finds_the_mistakes():
    api = pytest.importorskip("mypy.api")
    options = ["--strict", "--no-error-summary", "--config-file", str(ROOT / "pyproject.toml")]
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    out, err, _ = api.run([*options, *cache, str(USER)])
    assert err == ""
    said = {}
    for line in out.splitlines():
        if found := re.fullmatch(r".*user\.py:(\d+): (.+)", line):
            said.setdefault(int(found[1]), found[2])
    expected = {}
    for number, line in enumerate(USER.read_text().splitlines(), start=1):
        if found := re.fullmatch(r"(reveal_type\(.*|.*\S)  # (error: )?(.+)", line):
            expected[number] = found[2] or "", found[3]
    assert len(expected) > 25
    assert set(said) == set(expected), out
    for number, (error, words) in expected.items():
        if error:
            assert said[number].startswith(f"error: {words}"), said[number]
        else:
            assert short(said[number]) == words


def short(note: str) -> str:
    """The type that a note reveals, without the modules of its names."""
    revealed = re.fullmatch(r'note: Revealed type is "(.*)"', note)
    assert revealed, note
    named = re.sub(r"tuple\[[^\[\]]*, fallback=([\w.]+)\]", r"\1", revealed[1])
    return re.sub(r"\b[a-z_]\w*\.", "", named)


def test_the_options_of_build_are_the_fields_of_a_network():
    assert typing.get_type_hints(NetworkFields) == typing.get_type_hints(NetworkConfig)
