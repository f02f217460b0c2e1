"""What stands on the terminal: names as text, whole, on terminals of every kind and on none."""

import io
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.nasty_names import NASTY, names
from unrolled.cli.progress import TrainingProgress
from unrolled.cli.terminal import Terminal
from unrolled.data import load
from unrolled.names import as_markdown, printable
from unrolled.networks import CATALOGUE
from unrolled.training import Recipe, RunConfig, Step


def printed(show, width=200, encoding="utf-8", **options) -> str:
    """What a Terminal of this width writes."""
    terminal = Terminal(**options)
    terminal.file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    terminal.width = width
    show(terminal)
    terminal.file.flush()
    return terminal.file.buffer.getvalue().decode(encoding)


@given(names)
def test_a_line_holds_the_name_as_text(name):
    line = f"read {name} now"
    assert printed(lambda terminal: terminal.print(line)) == f"{printable(line)}\n"
    assert printed(lambda terminal: terminal.print(line), width=9) == f"{printable(line)}\n"
    assert printed(lambda terminal: terminal.print(line), encoding="ascii").isascii()


@given(names, names, st.sampled_from([20, 40, 80, 10**6]))
@example("[/bold]", r"$\frac$", 40)
@example("[red]x", ":bomb:", 80)
@example(NASTY[-2], "\x1b[31m", 10**6)
def test_a_table_holds_whole_names_at_every_width(name, title, width):
    rows = [(name, "1", "0.5000"), ("other", "12,345", "–")]
    out = printed(
        lambda terminal: terminal.print_table(("class", "examples", "share"), rows, title, right=("share",)),
        width,
    )
    assert out.startswith(f"{printable(title)}\n")
    assert printable(name).rstrip() in out
    for cell in ("other", "12,345", "0.5000", "–"):
        assert cell in out
    assert out.count("…") == printable(name + title).count("…")
    if width == 10**6:
        heading, rule, *lines = out.splitlines()[-4:]
        assert {cell_len(heading), cell_len(rule), *map(cell_len, lines)} == {cell_len(rule)}


@pytest.mark.parametrize("columns", [1, 20, 40, 80])
def test_no_name_is_cut_in_the_tables_of_the_verbs(unrolled, trained, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = unrolled("networks").out
    assert "…" not in out
    for name in CATALOGUE:
        assert re.search(rf"(^|\s){re.escape(name)}(\s|$)", out)
    out = unrolled("evaluate", trained).out
    assert "…" not in out
    assert "precision" in out
    if columns == 80:
        assert max(map(len, unrolled("networks").out.splitlines())) <= 80


@given(names)
def test_markdown_shows_the_name(name):
    text = as_markdown(name)
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_<\[]", text)
    assert re.sub(r"\\([\\`*_\[\]<>|&#$~])", r"\1", text) == printable(name)


def test_a_bar_without_a_loss_yet_says_none():
    digits = load("sample")
    config = RunConfig(CATALOGUE["seed-000"], Recipe(steps=3), "sample", digits.classes, seed=0, validation=0)

    def show(terminal):
        with TrainingProgress(terminal, config, digits) as progress:
            terminal.print(progress._bar)
            progress.on_step(Step(1, 0.5, None))
            terminal.print(progress._bar)

    before, after = [line for line in printed(show).splitlines() if "steps" in line]
    assert "loss" not in before
    assert "nan" not in before
    assert "1/3 steps, loss 0.500," in after


def test_bare_unrolled_shows_the_help_and_nothing_else(unrolled):
    bare, asked = unrolled(), unrolled("--help")
    assert (bare.code, bare.err, bare.out.rstrip()) == (2, "", asked.out.rstrip())


def command(*arguments, **options):
    environment = {**os.environ, "COLUMNS": "100", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "unrolled", *map(str, arguments)],
        capture_output=True,
        env=environment,
        **options,
    )


def test_a_terminal_without_our_letters_gets_their_numbers(trained, tmp_path):
    folder = tmp_path / "猫 × σ"
    shutil.copytree(trained, folder)
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    result = command(
        "evaluate", folder.name, "\u2192nowhere", cwd=tmp_path, env={**ascii_only, "PYTHONUTF8": "1"}
    )
    assert result.returncode == 2
    assert (result.stdout + result.stderr).isascii()
    assert rb"\u732b \xd7 \u03c3" in result.stdout
    assert rb"\u2192nowhere" in result.stderr


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    script = f"cd '{gone}' && rmdir '{gone}' && exec '{sys.executable}' -m unrolled networks"
    gone.mkdir()
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr
        == "unrolled: the folder that this is run in has been removed: change into another one\n"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_error(closed, trained):
    script = f"'{sys.executable}' -m unrolled evaluate '{trained}' {closed}"
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_full_disk_behind_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "unrolled", "--version"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 2
    assert result.stderr == "unrolled: [Errno 28] No space left on device\n"


def test_json_is_one_line_whatever_the_name(unrolled, trained, tmp_path):
    from PIL import Image

    path = tmp_path / "a\n\x1b[31m[red].png"
    Image.new("L", (28, 28), 0).save(path)
    shutil.copy(path, tmp_path / "b.png")
    image = Image.new("L", (28, 28), 0)
    image.paste(255, (10, 4, 14, 24))
    image.save(path)
    (line,) = unrolled("predict", path, "--json", "--run", trained).out.splitlines()
    assert json.loads(line)["image"] == str(path)
    (line,) = unrolled("predict", path, "--run", trained).out.splitlines()
    assert r"a\n\x1b[31m[red].png: " in line
