"""Every attack is answered in one line, in little time and memory; and the fuzzer finds what it should."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from attacks import __main__ as every  # noqa: F401
from attacks import cage
from attacks.attack import ATTACKS
from attacks.cage import Outcome
from attacks.parsers import PARSERS
from unrolled.errors import UnrolledError

ROOT = Path(__file__).parents[2]
MOST = 1 << 30  # bytes of memory: half of what the cage has
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cages are made as Linux makes them")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What came of each attack, of all of them in one process that forks."""
    ran = subprocess.run(
        [sys.executable, "-m", "attacks"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = map(json.loads, ran.stdout.splitlines())
    return {line.pop("name"): Outcome(**line) for line in lines}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_answered_in_one_line(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert outcome.code == cage.REFUSED, outcome
    (line,) = outcome.said.splitlines()
    assert line.isprintable()
    assert re.search(ATTACKS[name].says, line)
    assert outcome.seconds < cage.SECONDS
    assert outcome.peak < MOST


def test_the_table_says_how_many_there_are() -> None:
    table = (ROOT / "attacks" / "README.md").read_text(encoding="utf-8")
    listed = {name: int(count) for name, count in re.findall(r"\| `(\w+)\.py` \| (\d+) \|", table)}
    modules = [attack.make.__module__.removeprefix("attacks.") for attack in ATTACKS.values()]
    assert listed == {name: modules.count(name) for name in modules}
    assert set(re.findall(r"`--parser (\w+)`", table)) == set(PARSERS)


def hang() -> None:
    while True:
        pass


def fill() -> None:
    pieces = []
    while True:
        pieces.append(b"x" * (1 << 26))


def refuse() -> None:
    raise UnrolledError("no")


def test_a_cage_tells_what_came_of_a_call() -> None:
    code = (
        "from tests.attacks.test_attacks import *\n"
        "for call in (hang, fill, refuse, int, lambda: 1 / 0, ['evaluate', 'nowhere']):\n"
        "    cage.SECONDS = 1 if call is hang else 60  # to fill the memory takes a crowded machine long\n"
        "    print(json.dumps(cage.run(call)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    hung, filled, refused, good, wrong, told = (
        Outcome(*json.loads(line)) for line in ran.stdout.splitlines()
    )
    assert hung.code < 0
    assert hung.seconds >= 0.9
    assert (filled.code, filled.said.splitlines()[-1]) == (1, "MemoryError")
    assert filled.peak > MOST
    assert (refused.code, refused.said) == (cage.REFUSED, "no\n")
    assert (good.code, good.said, wrong.code) == (0, "", 1)
    assert wrong.said.endswith("ZeroDivisionError: division by zero\n")
    assert told.code == cage.REFUSED
    assert told.said.startswith("unrolled: ")


FAULTY = """
import random, sys, time
from attacks import cage, fuzz
from attacks.parsers import PARSERS, Parser
from attacks.mutate import anyhow
from unrolled.errors import UnrolledError

def read(folder):
    content = (folder / "file").read_bytes()
    if content[:1] != b"a":
        raise UnrolledError("it does not begin with a")
    if content[1:2] != b"b":
        raise KeyError(content[1:2])
    if content[2:3] not in (b"", b"c"):
        while True:
            pass

PARSERS["faulty"] = Parser(lambda folder: [{"file": b"ab" + b"c" * 30}], {"file": [anyhow]}, read)
cage.SECONDS = 0.3
tally, failed = fuzz.fuzz("faulty", 12)
print(sorted({what.partition(":")[0] for what in failed.values()}))
print(tally.refused > 0, tally.read > 0)
"""


def test_the_fuzzer_finds_what_is_wrong_and_keeps_it(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FAULTY], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    *said, found, seen = ran.stdout.splitlines()
    assert found == "['KeyError', 'still busy after 0.3 s']"
    assert seen == "True True"
    kept = [path.read_bytes() for path in (tmp_path / "build" / "fuzz" / "faulty").rglob("file")]
    assert len(kept) == len(said)
    assert any(content[:1] == b"a" and content[1:2] != b"b" and len(content) < 30 for content in kept)


def test_a_slice_of_damaged_files_is_refused_or_read_by_every_parser(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "attacks.fuzz", "--minutes", "0.012"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = dict(line.split(": ", 1) for line in ran.stdout.splitlines())
    assert list(lines) == list(PARSERS)
    for line in lines.values():
        assert re.fullmatch(r"[\d,]+ cases in .* 0 failed; peak memory [\d.]+ MiB .*, slowest .*", line)
