"""Each example runs, or says in one line what to install."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs_or_says_what_it_needs(path, tmp_path):
    needs = re.findall(r'find_spec\("(\w+)"\)', path.read_text(encoding="utf-8"))
    missing = [name for name in needs if find_spec(name) is None]
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False)
    if missing:
        package = missing[0].replace("_", "-")
        assert done.stderr == f"this example needs {package}: pip install {package}\n"
    else:
        assert done.returncode == 0, done.stderr


def test_every_example_is_in_the_list():
    listed = re.findall(r"\((\d\d_\w+\.py)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in sorted(EXAMPLES.glob("*.py"))]
