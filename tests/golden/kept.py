"""What other implementations computed, as it is kept here: arrays by name, and archives of folders."""

import functools
import io
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from unrolled.cells.state import map_state

HERE = Path(__file__).parent


def arrays(file):
    """All that is in a file of arrays: `arrays("tf1.npz")`, which lies here, or an open one."""
    file = HERE / file if isinstance(file, str) else file
    with np.load(file, allow_pickle=True) as opened:  # strings are objects
        return {key: opened[key] for key in opened.files}


def kinds(file):
    """The arrays of a file whose keys are "<kind> <name>": by kind, and then by name."""
    found = defaultdict(dict)
    for key, value in arrays(file).items():
        kind, _, name = key.partition(" ")
        found[kind][name] = value
    return found


@functools.cache
def results(name):
    """The arrays of an archive: `results("imports.zip")`."""
    with zipfile.ZipFile(HERE / name) as archive:
        return arrays(io.BytesIO(archive.read("results.npz")))


def cases(name):
    """The folders of an archive: `cases("imports.zip")`."""
    with zipfile.ZipFile(HERE / name) as archive:
        return sorted({member.partition("/")[0] for member in archive.namelist() if "/" in member})


def unpack(name, folder, case=""):
    """Lay an archive's files, or those of one case, in a folder, and return where they are."""
    with zipfile.ZipFile(HERE / name) as archive:
        members = [member for member in archive.namelist() if not case or member.startswith(f"{case}/")]
        archive.extractall(folder, members)
    return folder / case


def parts(results):
    """The tensors of nested results, in order."""
    tensors = []
    map_state(tensors.append, results)
    return tensors
