"""What the README and the lessons say is true: their commands and their Python run."""

import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.command_line import Result
from unrolled import data
from unrolled.networks import CATALOGUE, SequenceClassifier

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "python"), start=1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def test_the_first_python_is_at_most_twelve_lines():
    lines = [line for line in blocks(README, "python")[0].splitlines() if line.strip()]
    assert len(lines) <= 12


def test_every_target_that_is_named_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = set()
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        named |= set(re.findall(r"(?:^|`)make (\w+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"train", "test", "check", "bench", "docs"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_tree_is_the_tree():
    (tree,) = blocks(README, "text")
    lines = [line.split()[1] if line[0] in "├└" else line.split()[0] for line in tree.splitlines()]
    package, *folders = lines
    top = [name for name in folders if (ROOT / name).is_dir()]
    inside = [name for name in folders if name not in top]
    assert package == "src/unrolled/"
    real = {path.name + "/" for path in (ROOT / package).iterdir() if path.is_dir()} - {"__pycache__/"}
    assert set(inside) == real
    assert top == ["tests/", "attacks/", "conformance/", "benchmarks/", "docs/", "examples/", "scripts/"]
    for name in re.findall(r"(\w+/) \(", tree):
        assert (ROOT / "tests" / name).is_dir(), name


def commands() -> list[list[str]]:
    lines = [line.partition("#")[0] for block in blocks(README, "sh") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("unrolled")]


def needs_mnist(command: list[str]) -> bool:
    return "mnist" in command or "--recipe" in command


def test_the_commands_run_in_order_and_the_first_reaches_its_accuracy(tmp_path, monkeypatch, typed):
    digits = data.load("sample").test
    label = 0  # a clear one: how a doubtful digit is read may depend on the last bits of a training
    clear = digits.sequences[int((digits.labels == label).nonzero()[0])].numpy()
    Image.fromarray(255 - clear).resize((280, 280)).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    for command in commands():
        if needs_mnist(command):
            continue  # the next test
        if command[1] == "serve":
            from tests.serve.conftest import Served

            assert Served(*command[2:], "--port", 0).stop() in (0, -signal.SIGTERM)
            continue
        is_first = command == ["unrolled", "train"]
        result = in_a_process(command) if is_first else typed(shlex.join(command))
        assert result.code == 0, (command, result.err)
        last = result.out.splitlines()[-1]
        if is_first:
            assert float(re.match(r"test accuracy (\S+)", last)[1]) >= 0.955
        if command[1] == "predict":
            assert last.startswith(f"digit.png: {label} ")
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        "single-layer-dynamic-lstm-1",
        "compare-1",
        "multi-layer-dynamic-mix-1",
        "mix",
        "again",
    }


@pytest.mark.skipif("UNROLLED_DATA_DIR" not in os.environ, reason="needs UNROLLED_DATA_DIR with mnist/")
@pytest.mark.parametrize("command", [*filter(needs_mnist, commands())], ids=" ".join)
def test_the_commands_for_all_of_mnist_train(command, tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    result = typed(shlex.join([*command, "--steps", "20"]))
    assert result.code == 0, result.err
    assert "55,000 examples to train, 5,000 to validate, 10,000 to test" in result.out
    assert result.out.splitlines()[-1].startswith("test accuracy 0.")


def test_the_accuracies_of_the_recipes_are_those_of_the_results():
    shown = dict(
        re.findall(r"^\| `unrolled train --recipe ([\w-]+)`.* \| (\S+) % of 10,000\b", README, flags=re.M)
    )
    assert set(shown) == {"fast", "best", "fashion", "sequential-mnist", "permuted-mnist"}
    (shown["default"],) = re.findall(r"^\| `unrolled train`: .* \| (\S+) % of 1,000\b", README, flags=re.M)
    kept = json.loads((ROOT / "docs/results/records.json").read_text())
    for name, percent in shown.items():
        mean = 100 * statistics.mean(run["accuracy"] for run in kept[name].values())
        assert f"{mean:.{len(percent.partition('.')[2])}f}" == percent
    (together,) = re.findall(r"^\| `unrolled evaluate .* --ensemble`.* \| (\S+) % ", README, flags=re.M)
    assert f"{100 * kept['ensemble']['accuracy']:.2f}" == together


def in_a_process(command):
    """What a command gives in a process of its own, as a reader's first one does."""
    assert command[0] == "unrolled"
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=400)
    return Result(done.returncode, done.stdout, done.stderr)


def test_what_the_readme_says_of_the_kernels_is_the_grids():
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    trains = dict(re.findall(r"^\| (LSTM|GRU), 2 threads \| [^|]+ \| ([\d.]+) ", text, flags=re.MULTILINE))
    (shown,) = re.findall(r"takes torch\.nn (\S+) \(LSTM\) and (\S+) \(GRU\) times as\s+long", README)
    assert shown == tuple(f"{float(trains[cell]):.1f}" for cell in ("LSTM", "GRU"))


def test_the_page_of_networks_has_the_catalogues_numbers():
    text = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+) \| `(\S+)` \| .* \| (\w+) \| (\w+) \| ([\d,]+) \|$", text, flags=re.MULTILINE
    )
    expected = [
        (
            str(number),
            name,
            config.unroll,
            config.direction,
            f"{SequenceClassifier(config).parameter_count:,}",
        )
        for number, (name, config) in enumerate(CATALOGUE.items(), start=1)
    ]
    assert rows == expected
