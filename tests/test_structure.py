"""The house: who imports whom, and what is public."""

import ast
import importlib
from pathlib import Path

import pytest

import unrolled

PACKAGE = Path(unrolled.__file__).parent
ROOT = Path(__file__).parents[1]

# What each room may import from the package, besides itself.
BASE = {"errors", "atomic", "names", "foreign", "tasks"}
ARROWS = {
    "errors": {"names"},
    "atomic": set(),
    "names": set(),
    "foreign": {"errors"},
    "tasks": set(),
    "compiler": set(),
    "cells": {"errors"},
    "kernels": {"errors", "compiler"},
    "unroll": {"errors", "cells", "kernels"},
    "layers": {"errors", "compiler", "cells", "kernels", "unroll"},
    "networks": {"errors", "cells", "unroll"},
    "stream": {"errors", "compiler", "cells", "kernels", "unroll", "layers", "networks"},
    "data": BASE,
    "tf1": BASE | {"cells", "unroll", "data", "networks"},
    "training": BASE | {"data", "cells", "kernels", "unroll", "layers", "networks", "tf1"},
    "report": BASE | {"data", "networks", "training", "page"},
    "page": BASE | {"data", "cells", "networks", "training"},
    "onnx": BASE | {"cells", "unroll", "layers", "networks", "stream", "data", "training", "kernels"},
    "bench": {"errors", "cells", "unroll", "kernels"},
    "serve": BASE
    | {"stream", "networks", "data", "training", "report", "page", "cells", "unroll", "kernels"},
    "cli": BASE
    | {
        "data",
        "layers",
        "networks",
        "training",
        "report",
        "page",
        "kernels",
        "bench",
        "tf1",
        "onnx",
        "serve",
    },
    "__main__": {"cli"},
}


# What each room of TensorFlow 1's may import of the others.
TF1_ARROWS = {
    "holder": set(),
    "replay": {"holder"},
    "rnn": {"holder", "replay"},
    "cudnn_rnn": {"holder", "replay", "rnn"},
    "seq2seq": {"holder", "replay", "rnn"},
    "legacy_seq2seq": {"holder", "replay", "rnn"},
    "checkpoints": set(),
    "graphs": {"checkpoints", "holder", "replay", "rnn"},
}


def imports(path: Path) -> set[str]:
    """The rooms of the package that a file imports."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "unrolled" else [f"unrolled.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("unrolled.")}
    return {room for room in rooms if not room.startswith("__version__")}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_follow_the_arrows(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # the front door shows every room
    assert imports(path) - {room} <= ARROWS[room]


@pytest.mark.parametrize("room", TF1_ARROWS)
def test_tensorflow_1s_rooms_follow_theirs(room):
    place = PACKAGE / "tf1" / room
    files = sorted(place.rglob("*.py")) or [place.with_suffix(".py")]
    found = {other.relative_to(PACKAGE / "tf1").parts[0] for path in files for other in neighbours(path)}
    assert {name.removesuffix(".py") for name in found} - {room} <= TF1_ARROWS[room]


def test_every_room_of_tensorflow_1_has_arrows():
    rooms = {path.name.removesuffix(".py") for path in (PACKAGE / "tf1").iterdir()}
    assert rooms - {"__init__", "__pycache__"} == set(TF1_ARROWS)


def neighbours(path: Path) -> set[Path]:
    """The files of its own room that a file imports, for types and within functions, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            place = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if name.startswith("unrolled.") and place.is_file():
                found.add(place)
    return {
        other for other in found if other.relative_to(PACKAGE).parts[0] == path.relative_to(PACKAGE).parts[0]
    }


# Each of these imports the other within one function alone, and only then.
WITHIN_A_FUNCTION = {("layers/keeping.py", "layers/lineage.py"), ("cli/bench.py", "cli/bench_grid.py")}


def circle(graph: dict[Path, set[Path]]) -> list[str]:
    """The names of files that import each other in a circle, none if there is none."""
    finished: set[Path] = set()

    def walk(path: Path, above: list[Path]) -> list[Path]:
        if path in above:
            return above[above.index(path) :]
        if path not in finished:
            for other in sorted(graph[path]):
                if found := walk(other, [*above, path]):
                    return found
            finished.add(path)
        return []

    for path in graph:
        if found := walk(path, []):
            return [str(member.relative_to(PACKAGE)) for member in found]
    return []


def test_no_files_of_a_room_import_each_other_in_a_circle():
    graph = {path: neighbours(path) for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"}
    for importer, imported in WITHIN_A_FUNCTION:
        graph[PACKAGE / importer].remove(PACKAGE / imported)
    assert circle(graph) == []


def test_a_circle_would_be_found():
    one, two, three = (PACKAGE / "cli" / f"{name}.py" for name in ("one", "two", "three"))
    assert circle({one: {two}, two: {three}, three: {two}}) == ["cli/two.py", "cli/three.py"]
    assert circle({one: {two, three}, two: {three}, three: set()}) == []


def test_no_file_is_longer_than_400_lines():
    places = ("src", "tests", "attacks", "benchmarks", "conformance", "examples", "scripts")
    files = [path for place in places for path in (ROOT / place).rglob("*")]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files
        if path.suffix in {".py", ".cpp", ".h", ".js", ".sh"}
    }
    assert len(lengths) > 700
    assert {name for name, count in lengths.items() if count > 400} == set()


@pytest.mark.parametrize(
    "room",
    [
        "cells",
        "unroll",
        "layers",
        "networks",
        "stream",
        "data",
        "training",
        "report",
        "page",
        "bench",
        "tf1",
        "onnx",
        "serve",
    ],
)
def test_every_public_name_is_there_and_explained(room):
    module = importlib.import_module(f"unrolled.{room}")
    assert module.__all__ == sorted(
        module.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    for name in module.__all__:
        thing = getattr(module, name)
        if callable(thing):
            assert thing.__doc__, name


def test_the_front_door_shows_every_name_that_it_lists():
    for name in unrolled.__all__:
        assert getattr(unrolled, name) is not None
    assert set(unrolled.__all__) <= set(dir(unrolled))
    with pytest.raises(AttributeError, match="module 'unrolled' has no attribute 'LTSMCell'"):
        _ = unrolled.LTSMCell
