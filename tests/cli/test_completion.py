"""What the shell offers when Tab is pressed: in this process by the shells' protocols, and in the shells."""

import os
import shutil
import subprocess
import sys

import pytest

from unrolled.cli import completion
from unrolled.data import options
from unrolled.data.missing import RULES
from unrolled.networks import CATALOGUE
from unrolled.training import RECIPES


@pytest.fixture
def offered(unrolled, monkeypatch, tmp_path):
    """`offered("train --network seed-")`: what bash is told, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_UNROLLED_COMPLETE", "complete_bash")

    def call(line):
        monkeypatch.setenv("COMP_WORDS", f"unrolled {line}")
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" "))))
        result = unrolled()
        assert (result.code, result.err) == (0, "")
        return result.out.split()

    return call


def make_runs(folder):
    for name in ("first-1", "compare-1/seed-000"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "config.json").touch()
    (folder / "runs/compare-1/comparison.json").touch()
    for strange in ("with space", "$(touch broken)", "quo'te", "no-run"):
        (folder / "runs" / strange).mkdir()
        if strange != "no-run":
            (folder / "runs" / strange / "config.json").touch()


def test_verbs_and_options_are_offered(offered):
    assert offered("ev") == ["evaluate"]
    assert set(offered("im")) == {"import-tf1", "import-onnx"}
    assert {"export-tf1", "export-onnx"} == set(offered("ex"))
    assert offered("ser") == ["serve"]
    assert offered("train --net") == ["--network"]
    assert {"--run", "--json"} <= set(offered("predict --"))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("train --network ", CATALOGUE),
        ("compare ", CATALOGUE),
        ("compare seed-000 ", CATALOGUE),
        ("train --recipe ", RECIPES),
        ("train --cell ", ["rnn", "lstm", "gru"]),
        ("inspect --task ", ["classify", "tag", "regress", "forecast"]),
        ("evaluate --split ", ["train", "validation", "test"]),
        ("inspect ", ["sample", "mnist", "fashion-mnist"]),
        ("import-onnx --data ", ["sample", "mnist", "fashion-mnist"]),
        ("import-tf1 --data ", ["sample", "mnist", "fashion-mnist"]),
    ],
)
def test_names_are_offered_in_their_places(offered, line, names):
    assert offered(line) == list(names)
    first = next(iter(names))
    assert offered(line + first[:2])[0] == first


def test_runs_here_are_offered_where_a_run_is_asked_for(offered, tmp_path):
    assert offered("evaluate ") == []
    make_runs(tmp_path)
    runs = ["runs/compare-1/seed-000", "runs/first-1"]
    assert offered("evaluate ") == runs
    assert offered("predict --run runs/f") == ["runs/first-1"]
    assert offered("serve ") == offered("export-onnx ") == runs
    assert offered("train --resume ") == offered("train --from ") == offered("export-tf1 ") == runs
    assert offered("report ") == ["runs/compare-1", *runs]
    assert offered("compare --resume ") == ["runs/compare-1"]
    assert offered("train --run ") == []  # a folder that is to be made


def test_a_file_that_begins_alike_is_left_to_the_shell(offered, tmp_path):
    assert offered("train --data sa") == ["sample"]
    (tmp_path / "sales.csv").touch()
    assert offered("train --data sa") == []


def test_values_that_are_written_down_twice_are_the_same():
    assert set(completion.FORMS) == set(options.FORMS)
    assert set(completion.STEPS) == set(options.STEPS)
    assert set(completion.RULES) == set(RULES)


def test_completion_waits_neither_for_torch_nor_for_a_folder_that_is_gone(tmp_path):
    code = (
        "import os, sys; from unrolled.cli.main import main\n"
        f"os.mkdir({str(tmp_path / 'gone')!r}); os.chdir({str(tmp_path / 'gone')!r}); os.rmdir(os.getcwd())\n"
        "try: main([])\n"
        "finally: assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    for line, offers in {"evaluate ": "", "train --recipe bes": "best", "train --data m": "mnist"}.items():
        asked = {"COMP_WORDS": f"unrolled {line}", "COMP_CWORD": str(len(line.split(" ")))}
        environment = {**os.environ, **asked, "_UNROLLED_COMPLETE": "complete_bash"}
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", offers)


# Each loads what `--show-completion` prints, and says what it makes of a line whose last word is begun.
SHELLS = {
    "bash": """
        source <(unrolled --show-completion)
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _unrolled_completion unrolled
                printf '%s\\n' "${COMPREPLY[@]}"; }
    """,
    "zsh": """
        compdef() { : }; _arguments() { print -r -- "$@" }; _files() { print files }
        source <(unrolled --show-completion)
        ask() { words=("$@"); CURRENT=$#; _unrolled_completion }
    """,
    "fish": """
        unrolled --show-completion | source
        function ask; complete -C "$argv"; end
    """,
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    make_runs(tmp_path)
    command = tmp_path / "unrolled"
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m unrolled \"$@\"\n")
    command.chmod(0o755)
    script = SHELLS[shell] + "\nask unrolled train --network seed-0\nask unrolled evaluate runs/"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [shell, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    for name in ("seed-000", "seed-004", "runs/first-1", "runs/compare-1/seed-000"):
        assert name in done.stdout
    assert "multi-layer" not in done.stdout
    assert not (tmp_path / "broken").exists()
