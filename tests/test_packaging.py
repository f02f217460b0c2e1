"""What is installed: the extras that are named, what a source distribution holds, how wheels are tried."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from scripts import wheel_trial

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = sorted(set(EXTRAS) - {"dev", "docs"})
INSTALLING = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")


def git(*command: str) -> list[str]:
    try:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a checkout")
    return done.stdout.split("\0")[:-1]


def mentions() -> list[tuple[str, str]]:
    """Every extra that a text names, and where."""
    found = []
    for folder in ("src", "docs", "tests", "examples", "scripts", "README.md", "CONTRIBUTING.md"):
        place = ROOT / folder
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if (
                path.suffix not in {".py", ".md", ".ipynb", ".html", ".js"}
                or path.name == Path(__file__).name
            ):
                continue
            text = path.read_text(encoding="utf-8")
            names = ",".join(re.findall(r"unrolled\[([\w, -]+)\]", text)).split(",")
            names += re.findall(r"\bextra [\"'`](\w+)[\"'`]", text)
            found += [(name.strip(), str(path.relative_to(ROOT))) for name in names if name.strip()]
    return found


def test_every_extra_that_is_named_is_there():
    named = mentions()
    assert {name for name, _ in named} >= set(FOR_USERS)
    assert [(name, where) for name, where in named if name not in EXTRAS] == []


@pytest.mark.parametrize("extra", FOR_USERS)
def test_an_extra_is_explained_in_the_docs_and_named_where_it_is_missed(extra):
    assert re.search(rf"^\| `{extra}` \| .+ \|", INSTALLING, flags=re.MULTILINE)
    assert any(name == extra and where.startswith("src/") for name, where in mentions())


@pytest.mark.parametrize("extra", FOR_USERS)
def test_whoever_develops_has_every_extra(extra):
    assert set(EXTRAS[extra]) <= set(EXTRAS["dev"])


def test_an_extra_asks_for_the_same_version_everywhere():
    asked: dict[str, set[str]] = {}
    for requirement in [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]:
        name = re.match(r"[\w.-]+", requirement)[0].lower()
        asked.setdefault(name, set()).add(requirement)
    assert {name: versions for name, versions in asked.items() if len(versions) > 1} == {}


def test_a_source_distribution_holds_the_package_and_nothing_else(tmp_path, monkeypatch):
    build = pytest.importorskip("scikit_build_core.build", reason="scikit-build-core is not installed")
    tracked = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    checkout = tmp_path / "checkout"
    for name in tracked:
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    (checkout / "src/unrolled/kernels/_native.abi3.so").write_bytes(b"of another build")
    monkeypatch.chdir(checkout)
    with tarfile.open(tmp_path / build.build_sdist(str(tmp_path))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    top = {"CHANGELOG.md", "CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml"}
    package = {name for name in tracked if name.startswith("src/") and (ROOT / name).is_file()}
    assert held - {"PKG-INFO"} == top | package


def test_the_oldest_python_is_the_same_everywhere():
    (minor,) = re.findall(r">=3\.(\d+)$", PROJECT["requires-python"])
    assert f"Python 3.{minor}" in INSTALLING
    built = PYPROJECT["tool"]["cibuildwheel"]["build"]
    stable = int(PYPROJECT["tool"]["scikit-build"]["wheel"]["py-api"].removeprefix("cp3"))
    assert built[: stable - int(minor) + 1] == [f"cp3{n}-*" for n in range(int(minor), stable + 1)]


def test_the_workflow_builds_for_every_machine_and_tries_what_it_built():
    workflow = (ROOT / ".github/workflows/wheels.yml").read_text(encoding="utf-8")
    for runner in ("ubuntu-latest", "ubuntu-24.04-arm", "macos-latest"):
        assert runner in workflow
    assert "scripts/wheel_trial.py" in PYPROJECT["tool"]["cibuildwheel"]["test-command"]
    assert (ROOT / "scripts/wheel_trial.py").is_file()


linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/maps is Linux's")


@linux
@pytest.mark.parametrize("order", wheel_trial.ORDERS)
def test_there_is_one_openmp_whoever_is_imported_first(order, tmp_path):
    said = wheel_trial.python(wheel_trial.ORDERS[order] + wheel_trial.THREADED, tmp_path)
    (found,) = wheel_trial.openmps(said)
    assert "torch" in found


@linux
def test_a_second_openmp_would_be_found(tmp_path):
    torch = wheel_trial.ORDERS["torch first"]
    said = wheel_trial.python(torch + wheel_trial.THREADED.replace("print(", COPY + "print("), tmp_path)
    assert len(wheel_trial.openmps(said)) == 2


COPY = """
import ctypes, pathlib, shutil
(loaded,) = {line.split()[-1] for line in open("/proc/self/maps") if "/libgomp" in line}
ctypes.CDLL(shutil.copy(loaded, pathlib.Path.cwd() / "libgomp-second.so.1"))
"""


@linux
def test_the_kernels_link_no_openmp_of_their_own():
    from unrolled.kernels import isa

    native = isa._native()
    if native is None:
        pytest.skip("no kernels are compiled")
    assert b"libgomp.so" not in Path(native.__file__).read_bytes()


def test_a_trial_ends_with_what_is_not_so(tmp_path):
    with pytest.raises(SystemExit, match=r"^not so: 2 is 3$"):
        wheel_trial.check(False, "2 is 3")
    with pytest.raises(SystemExit, match=r"(?s)ended with 1:\n.*ZeroDivisionError"):
        wheel_trial.python("1 / 0", tmp_path)


def test_a_trial_sees_no_other_programs_than_the_environments(tmp_path):
    path = wheel_trial.python("import os; print(os.environ['PATH'])", tmp_path).strip()
    assert path == str(Path(sys.executable).parent)
    assert len(os.environ["PATH"].split(os.pathsep)) > 1
