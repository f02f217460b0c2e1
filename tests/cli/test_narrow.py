"""Narrow terminals, dumb ones, terminals without colours, and none: nothing is cut, and no word broken."""

import re
import subprocess
import sys

import pytest

from tests.cli.pty_of import as_lines, on_a_terminal
from unrolled.cli.main import VERBS

NAMES = [verb.__name__.replace("_", "-") for verb in VERBS]
TRAIN = ["train", "--network", "seed-004", "--steps", "8", "--validation", "100", "--threads", "1"]


def words(text):
    return re.findall(r"\S+", text)


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("verb", ["", *NAMES])
def test_help_is_whole_and_fits(unrolled, monkeypatch, verb, columns):
    arguments = [*verb.split(), "--help"]
    monkeypatch.setenv("COLUMNS", "1000")
    wide = unrolled(*arguments).out
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = unrolled(*arguments).out
    assert words(narrow) == words(wide)  # no word is cut, none is missing
    examples = narrow.partition("examples:")[2].partition(":\n")[0].splitlines()
    for line in narrow.splitlines():
        assert len(line) <= columns or line in examples or len(line.split()) == 1, line
    if columns == 40:
        assert "\n  -" in narrow


def test_a_training_is_followed_on_a_narrow_terminal(tmp_path):
    written = on_a_terminal([*TRAIN, "--run", tmp_path / "run"], 40)
    lines = as_lines(written)
    assert "…" not in written
    assert any(re.fullmatch(r"\d/8 steps, loss \d\.\d+, \S+", line.strip()) for line in lines)
    assert "epoch   1/1" in written
    too_long = [line for line in lines if len(line) > 40]
    assert all(str(tmp_path) in line for line in too_long)  # a path stays one word


def test_a_terminal_that_is_wide_enough_has_a_bar_and_whole_lines(tmp_path):
    lines = as_lines(on_a_terminal([*TRAIN, "--run", tmp_path / "run"], 110))
    assert any(re.fullmatch(r"training \S+ \d/8 steps, loss .* left", line.strip()) for line in lines)
    assert any(re.fullmatch(r"epoch   1/1 .* loss .* validation .*", line) for line in lines)


def test_a_dumb_terminal_has_its_width_and_no_control_sequences(tmp_path):
    plain = on_a_terminal(["networks"], 40, TERM="dumb")
    assert "\x1b" not in plain
    assert max(map(len, as_lines(plain)[:-3])) <= 40
    assert "network    single-layer-static-lstm" in plain
    lines = as_lines(on_a_terminal([*TRAIN, "--run", tmp_path / "run"], 60, TERM="dumb"))
    assert not [line for line in lines if line.endswith("left")]  # a bar would be a line for each step


def test_no_color_means_no_colour_and_a_colour_terminal_has_some(tmp_path):
    colour = r"\x1b\[[\d;]*3\dm"
    wrong = ["evaluate", tmp_path / "nowhere"]
    assert re.search(colour, on_a_terminal(wrong, 80))
    written = on_a_terminal(wrong, 80, NO_COLOR="1")
    assert not re.search(colour, written)
    assert f"unrolled: no run folder {tmp_path}/nowhere" in written


def test_behind_a_pipe_a_line_is_a_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "unrolled", *TRAIN, "--run", tmp_path / "run"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert re.search(r"^seed-004: .* parameters, .* examples to train, .* to test$", done.stdout, re.M)
    assert re.search(r"^epoch   1/1 .* loss .* validation [\d.]+", done.stdout, re.M)


def test_numbers_stand_side_by_side_on_forty_columns(trained):
    lines = as_lines(on_a_terminal(["evaluate", trained], 40))
    assert "class examples correct recall precision" in lines
    assert all(re.fullmatch(r"\d +100 +\d+ [\d.]+ +[\d.]+", line) for line in lines if re.match(r"\d ", line))


def test_a_histogram_fits(tmp_path):
    table = tmp_path / "t.csv"
    rows = [
        f"{sequence},{step},{step % 3},{sequence % 2}"
        for sequence in range(40)
        for step in range(3 + sequence)
    ]
    table.write_text("\n".join(["id,x,y,label", *rows]) + "\n")
    lines = as_lines(on_a_terminal(["inspect", table, "--id", "id", "--label", "label"], 40))
    bars = [line for line in lines if "█" in line and "-" in line]
    assert len(bars) == 10
    assert max(map(len, bars)) <= 40
