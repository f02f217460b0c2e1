"""The Containerfile: what it copies is there, it runs as nobody special, and it starts a verb that there is.

The image itself is built by `make container`, which takes minutes and a gigabyte.
"""

import fnmatch
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from unrolled.cli.main import app

ROOT = Path(__file__).parents[1]
COMPILERS = {"gcc", "g++", "clang", "cmake", "make", "build-essential", "python3-dev", "binutils"}


def stages(text: str) -> list[list[tuple[str, str]]]:
    """The instructions of each stage: their names, and what follows."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    whole = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    found: list[list[tuple[str, str]]] = []
    for line in whole:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


STAGES = stages((ROOT / "Containerfile").read_text(encoding="utf-8"))
BUILD, FINAL = STAGES


def said(stage, name):
    return [rest for instruction, rest in stage if instruction == name]


def packages(stage):
    """What apt installs."""
    (installed,) = re.findall(
        r"apt-get install -y --no-install-recommends ([^&]+?) &&", " ".join(said(stage, "RUN"))
    )
    return installed.split()


def copied(stage):
    """The files of the repository that are copied, and where to."""
    return [
        (source, rest.split()[-1])
        for rest in said(stage, "COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last line that speaks of it counts."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        within = any(
            fnmatch.fnmatch("/".join(path.split("/")[: n + 1]), pattern.removeprefix("**/"))
            or fnmatch.fnmatch(path.split("/")[n], pattern.removeprefix("**/"))
            for n in range(len(path.split("/")))
        )
        if within:
            sent = line.startswith("!")
    return sent


def test_both_stages_are_of_slim_debian():
    assert [said(stage, "FROM")[0].split()[0] for stage in STAGES] == ["debian:bookworm-slim"] * 2


def test_it_does_not_run_as_root():
    (user,) = said(FINAL, "USER")
    assert int(user) > 0
    names = [name for name, _ in FINAL]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names[names.index("USER") :]
    assert f"--uid {user}" in " ".join(said(FINAL, "RUN"))


def test_no_compiler_is_in_the_final_stage():
    assert COMPILERS & set(packages(BUILD))
    assert not COMPILERS & set(packages(FINAL))


def test_the_packages_of_debian_exist():
    if shutil.which("apt-cache") is None:
        pytest.skip("needs apt-cache")
    for package in {*packages(BUILD), *packages(FINAL)}:
        found = subprocess.run(["apt-cache", "show", package], capture_output=True, text=True)
        if "No packages found" in found.stderr:
            pytest.skip("apt knows no packages here")
        assert found.returncode == 0, package


def test_everything_that_it_copies_is_there_and_sent():
    sources = [source for source, _ in copied(BUILD)]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert is_sent(source), source
    assert not is_sent("src/unrolled/kernels/_native.abi3.so")
    for other in (".venv", ".git", "runs", "token", "docs/api.md", "scripts/soak.py"):
        assert not is_sent(other), other
    assert not copied(FINAL)
    for rest in said(FINAL, "COPY"):
        source = rest.split()[1]
        assert any(f"venv {source}" in run for run in said(BUILD, "RUN"))


def test_everything_that_the_package_is_made_of_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = ["pyproject.toml", "CMakeLists.txt", project["readme"], *project["license-files"]]
    sources = [source for source, _ in copied(BUILD)]
    for name in needed:
        assert any(name == source or name.startswith(f"{source}/") for source in sources), name
    assert "serve" in project["optional-dependencies"]
    assert "scripts/requirements.py serve" in " ".join(said(BUILD, "RUN"))


def test_it_starts_the_service_with_options_that_there_are():
    (entry,) = said(FINAL, "ENTRYPOINT")
    name, verb, *options = json.loads(entry)
    assert name == "unrolled"
    command = get_command(app).commands[verb]
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(options[::2]) <= known
    told = dict(zip(options[::2], options[1::2], strict=True))
    (volume,) = said(FINAL, "VOLUME")
    assert told == {"--host": "0.0.0.0", "--sessions": volume}
    assert f"-m 700 {volume}" in " ".join(said(FINAL, "RUN"))


def test_its_health_is_asked_for_where_the_service_answers():
    (check,) = said(FINAL, "HEALTHCHECK")
    (exposed,) = said(FINAL, "EXPOSE")
    command = json.loads(check.partition("CMD ")[2])
    (url,) = re.findall(r"http://[^']+", command[-1])
    defaults = {parameter.name: parameter.default for parameter in get_command(app).commands["serve"].params}
    assert url == f"http://127.0.0.1:{exposed}/healthz"
    assert int(exposed) == defaults["port"]
    compile(command[-1], "healthcheck", "exec")


def test_make_container_builds_it():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^container:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    assert "-f Containerfile" in recipe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "FROM a\nRUN x \\\n    && y\n# no\nFROM b\nUSER 1\n",
            [[("FROM", "a"), ("RUN", "x && y")], [("FROM", "b"), ("USER", "1")]],
        )
    ],
)
def test_a_containerfile_is_read_by_its_stages(text, expected):
    assert stages(text) == expected
