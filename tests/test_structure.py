"""The house: who imports whom, and what is public."""

import ast
import importlib
from pathlib import Path

import pytest

import unrolled

PACKAGE = Path(unrolled.__file__).parent

# What each room may import from the package, besides itself.
BASE = {"errors", "atomic", "names", "foreign", "tasks"}
ARROWS = {
    "errors": {"names"},
    "atomic": set(),
    "names": set(),
    "foreign": {"errors"},
    "tasks": set(),
    "cells": {"errors"},
    "kernels": {"errors"},
    "unroll": {"errors", "cells", "kernels"},
    "layers": {"kernels", "unroll"},
    "networks": {"errors", "cells", "unroll"},
    "stream": {"errors", "cells", "kernels", "unroll", "layers", "networks"},
    "data": BASE,
    "tf1": BASE | {"cells", "unroll", "data", "networks"},
    "training": BASE | {"data", "cells", "kernels", "unroll", "networks", "tf1"},
    "report": BASE | {"data", "networks", "training"},
    "bench": {"errors", "cells", "unroll", "kernels"},
    "cli": BASE | {"data", "networks", "training", "report", "kernels", "bench", "tf1"},
    "__main__": {"cli"},
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


def test_no_file_is_longer_than_400_lines():
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: count for name, count in lengths.items() if count > 400} == {}


@pytest.mark.parametrize(
    "room",
    ["cells", "unroll", "layers", "networks", "stream", "data", "training", "report", "bench", "tf1"],
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
