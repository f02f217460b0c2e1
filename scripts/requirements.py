"""Print what the package asks for, line by line, with the extras that are named: nothing is built for that.

python scripts/requirements.py dev | pip install -r /dev/stdin
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def requirements(extras: list[str]) -> list[str]:
    """The package's own, and those of the extras.

    Raises:
        SystemExit: an extra that it does not have.
    """
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    for extra in extras:
        if extra not in optional:
            sys.exit(f"no extra {extra}: there are {', '.join(optional)}")
    return [*project["dependencies"], *(one for extra in extras for one in optional[extra])]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
